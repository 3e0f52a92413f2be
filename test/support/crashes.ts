import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { expect } from "vitest"
import {
  createGate,
  type Gate,
  isGateError,
  type MemoryUser,
  memoryUserStore,
  type Registration,
  syncUsers,
  type UserStore,
} from "../../src/index.js"
import type { TestRealm, TestUser } from "../../src/testing/index.js"
import { type Call, type Fault, type FaultyServer, type Reply, startFaultyServer } from "./faulty-server.ts"
import { personNamed } from "./person-named.ts"
import { forward } from "./proxy.ts"

const program = join(import.meta.dirname, "../faults/call-one-verb.ts")
const realmRole = "customer"
const extra = { plan: "pro" }
const newPassword = "Analytical-Engine-1837!"
const newName = "Augusta"

export const verbs = [
  "registerUser",
  "updateAccount",
  "setPassword",
  "changePassword",
  "disableAccount",
  "deleteAccount",
] as const
export type Verb = (typeof verbs)[number]

/** What was left of a call, and what has brought it in order: done here, not only said. */
interface Aftermath {
  readonly left: string
  readonly who: string
  readonly how: string
}

export interface Crash extends Aftermath {
  /** The request or the call of the store in which the process was killed. */
  readonly step: string
  readonly phase: "before" | "after"
}

/** Keycloak and a user table that outlive the process, its way to both, and a gate of another process. */
interface World {
  readonly server: FaultyServer
  readonly steps: string[]
  readonly gate: Gate<MemoryUser>
  readonly person: Registration & { readonly username: string }
  readonly removeRow: (subject: string) => Promise<void>
  /** As an operator does it in the console. */
  readonly giveRole: (subject: string) => Promise<void>
  readonly runVerb: (killAt?: { readonly index: number; readonly phase: Crash["phase"] }) => Promise<void>
  readonly look: () => Promise<Left>
  readonly close: () => Promise<void>
}

/** All that a call may leave somewhere. */
interface Left {
  readonly account: TestUser | null
  readonly row: MemoryUser | null
  readonly hasRole: boolean
  readonly isMailed: boolean
  readonly takesNewPassword: boolean
  readonly onlineSessions: number
  readonly offlineSessions: number
}

/** The steps of an undisturbed call, in their order. */
export async function stepsOf(keycloak: TestRealm, verb: Verb): Promise<readonly string[]> {
  const world = await openWorld(keycloak, verb)
  try {
    await world.runVerb()
    return world.steps
  } finally {
    await world.close()
  }
}

/** One call whose process is killed at a step, and what it took to bring everything in order. */
export async function crash(
  keycloak: TestRealm,
  verb: Verb,
  step: { readonly index: number; readonly name: string; readonly phase: Crash["phase"] },
): Promise<Crash> {
  const world = await openWorld(keycloak, verb)
  try {
    await world.runVerb(step)
    return { step: step.name, phase: step.phase, ...(await mendings[verb](world, await world.look())) }
  } finally {
    await world.close()
  }
}

const mendings: Readonly<Record<Verb, (world: World, left: Left) => Promise<Aftermath>>> = {
  async registerUser({ gate, person, look, removeRow, giveRole }, { account, row, hasRole, isMailed }) {
    if (account === null) {
      expect(row).toBeNull()
      await gate.registerUser(person, extra)
      expect(await look()).toMatchObject({ hasRole: true, isMailed: true, row: { extra } })
      return { left: nothing, who: theirs, how: "registers again" }
    }
    expect(await gate.registerUser(person).catch(codeOf)).toBe("user_exists")
    if (row === null) {
      await syncUsers(gate)
      expect((await look()).row).toMatchObject({ subject: account.id, extra: null })
      await removeRow(account.id)
      expect(await firstLogin(gate, person)).toMatchObject({ subject: account.id, extra: null })
      await gate.sendEmailVerification(account.id)
      if (!hasRole) await giveRole(account.id)
      expect(await look()).toMatchObject({ hasRole: true, isMailed: true })
      const lost = "no row, no `extra`, no mail"
      const how =
        "the first login makes the row, and so does `syncUsers`; `sendEmailVerification` sends the mail; ask for `extra` again"
      if (hasRole) return { left: `the account; ${lost}`, who: `${theirs}, ${ours}`, how }
      return {
        left: `the account without the \`realmRoles\` (\`groups\` it has); ${lost}`,
        who: `${theirs}, ${ours}, your operator`,
        how: `${how}; the operator gives the roles in Keycloak`,
      }
    }
    expect(hasRole).toBe(true)
    if (isMailed) return done("the account and its row")
    await gate.sendEmailVerification(account.id)
    expect(await look()).toMatchObject({ isMailed: true })
    return { left: "the account and its row; no mail", who: ours, how: "calls `sendEmailVerification`" }
  },

  async updateAccount({ gate, person, look }, { account, row }) {
    if (account?.firstName === row?.firstName && account?.firstName === newName) return done("account and row, changed")
    if (account?.firstName === newName) {
      expect(await firstLogin(gate, person)).toMatchObject({ firstName: newName })
      return {
        left: "the account changed, the row as before",
        who: `${theirs}, or ${ours}`,
        how: "the next login or refresh, or the same call again",
      }
    }
    await gate.updateAccount(String(account?.id), { firstName: newName })
    expect(await look()).toMatchObject({ account: { firstName: newName }, row: { firstName: newName } })
    return callAgain(nothing)
  },

  async setPassword({ gate, look }, { account, takesNewPassword, onlineSessions, offlineSessions }) {
    if (takesNewPassword && onlineSessions + offlineSessions === 0) return done("the new password, no session")
    await gate.setPassword(String(account?.id), newPassword)
    expect(await look()).toMatchObject({ takesNewPassword: true, onlineSessions: 0, offlineSessions: 0 })
    if (!takesNewPassword) return callAgain(nothing)
    return callAgain(`the new password, and ${sessions(onlineSessions)}`)
  },

  async changePassword({ gate, person, look }, { account, takesNewPassword, onlineSessions, offlineSessions }) {
    const change = { username: person.username, currentPassword: person.password, newPassword }
    if (!takesNewPassword) {
      await gate.changePassword(change)
      expect(await look()).toMatchObject({ takesNewPassword: true, onlineSessions: 0, offlineSessions: 0 })
      const left = onlineSessions > 1 ? "a session that nobody holds, for Keycloak's idle time" : nothing
      return { left, who: theirs, how: "changes it again" }
    }
    expect(await gate.changePassword(change).catch(codeOf)).toBe("invalid_credentials")
    if (onlineSessions + offlineSessions === 0) return done("the new password, no session")
    await gate.logoutEverywhere(String(account?.id))
    expect(await look()).toMatchObject({ onlineSessions: 0, offlineSessions: 0 })
    return {
      left: `the new password, and ${sessions(onlineSessions)}`,
      who: `${theirs}, ${ours}`,
      how: "the person logs in with the new password; `logoutEverywhere` ends the sessions",
    }
  },

  async disableAccount({ gate, look }, { account, onlineSessions, offlineSessions }) {
    if (account?.enabled === false && onlineSessions + offlineSessions === 0)
      return done("the account, disabled, no session")
    await gate.disableAccount(String(account?.id))
    expect(await look()).toMatchObject({ account: { enabled: false }, onlineSessions: 0, offlineSessions: 0 })
    if (account?.enabled === true) return callAgain(nothing)
    return callAgain(`the account, disabled, and ${sessions(onlineSessions)}, which work again once it is enabled`)
  },

  async deleteAccount({ gate, look }, { account, row }) {
    if (account === null && row === null) return done("neither account nor row")
    const subject = String(account?.id ?? row?.subject)
    await gate.deleteAccount(subject)
    expect(await look()).toMatchObject({ account: null, row: null })
    if (account?.enabled === true) return callAgain(nothing)
    return callAgain(row === null ? "the account, disabled; no row" : "the account, disabled, and its row")
  },
}

const nothing = "nothing"
const theirs = "the person"
const ours = "your application"
const done = (left: string): Aftermath => ({ left, who: "", how: "" })
const callAgain = (left: string): Aftermath => ({ left, who: ours, how: "the same call again" })
const sessions = (online: number) => (online > 0 ? "all sessions of before" : "the offline sessions of before")
const codeOf = (error: unknown) => (isGateError(error) ? error.code : error)

async function firstLogin(gate: Gate<MemoryUser>, { username, password }: World["person"]): Promise<MemoryUser | null> {
  const { accessToken, refreshToken } = await gate.loginWithPassword({ username, password })
  const { user } = await gate.verifyBearer(`Bearer ${accessToken}`, {})
  await gate.logout(refreshToken)
  return user
}

let count = 0

async function openWorld(keycloak: TestRealm, verb: Verb): Promise<World> {
  const store = memoryUserStore()
  const steps: string[] = []
  const identityOf = (id: string) => ({ issuer: `${server.url}/realms/${keycloak.name}`, subject: id })
  const server = await startFaultyServer(call => {
    steps.push(nameOf(call))
    return call.path.startsWith("/store/") ? inStore(store, call) : forward(keycloak.url, call)
  })
  const options = {
    ...keycloak.gateOptions,
    serverUrl: server.url,
    timeoutMs: 30_000,
    registration: { realmRoles: [realmRole], onboarding: "verify-email" as const },
  }
  const gate = createGate({ ...options, userStore: store, onEvent: () => undefined })
  const person = personNamed(`person-${count++}`)
  const accountOf = () => keycloak.users().find(({ username }) => username === person.username) ?? null
  const subject = verb === "registerUser" ? "" : await before(gate, person)
  steps.length = 0

  async function ofAccount<Item>(path: string): Promise<readonly Item[]> {
    const id = accountOf()?.id
    return id === undefined ? [] : ((await askAsAdmin(keycloak, "GET", `/users/${id}${path}`)) as readonly Item[])
  }

  return {
    server,
    steps,
    gate,
    person,
    async giveRole(id) {
      const path = `/users/${id}/role-mappings/realm`
      const roles = (await askAsAdmin(keycloak, "GET", `${path}/available`)) as readonly { readonly name: string }[]
      await askAsAdmin(
        keycloak,
        "POST",
        path,
        roles.filter(({ name }) => name === realmRole),
      )
    },
    removeRow: id => store.removeUser(identityOf(id)),
    async runVerb(killAt) {
      const child = spawn(process.execPath, [program], {
        stdio: ["ignore", "ignore", "inherit"],
        env: {
          ...process.env,
          CONNECTION: JSON.stringify(options),
          STORE_URL: `${server.url}/store`,
          CALL: JSON.stringify([verb, ...parametersOf(verb, person, subject)]),
        },
      })
      const ended = once(child, "exit")
      if (killAt !== undefined) {
        server.breakWith(
          from(killAt.index, async ({ perform }) => {
            if (killAt.phase === "after") await perform()
            child.kill("SIGKILL")
          }),
        )
      }
      const [code, signal] = await ended
      expect([code, signal]).toEqual(killAt === undefined ? [0, null] : [null, "SIGKILL"])
      await server.heal()
    },
    async look() {
      const account = accountOf()
      const row = await store.findUser(identityOf(account?.id ?? subject))
      const online = (await ofAccount("/sessions")).length
      const roles = await ofAccount<{ readonly name: string }>("/role-mappings/realm")
      return {
        account,
        row,
        hasRole: roles.some(({ name }) => name === realmRole),
        isMailed: keycloak.mails.some(({ to }) => to === person.email),
        takesNewPassword: await takes(gate, person.username, newPassword),
        onlineSessions: online,
        offlineSessions: (account?.sessions ?? 0) - online,
      }
    },
    async close() {
      await gate.close()
      await server.close()
    },
  }
}

/** Somebody with a row, a session and an offline session. */
async function before(gate: Gate<MemoryUser>, person: World["person"]): Promise<string> {
  const { subject } = await gate.registerUser(person, extra)
  const { username, password } = person
  for (const scope of ["openid", "offline_access"]) await gate.loginWithPassword({ username, password, scope })
  return subject
}

function parametersOf(verb: Verb, person: World["person"], subject: string): readonly unknown[] {
  if (verb === "registerUser") return [person, extra]
  if (verb === "updateAccount") return [subject, { firstName: newName }]
  if (verb === "setPassword") return [subject, newPassword]
  const { username, password: currentPassword } = person
  return verb === "changePassword" ? [{ username, currentPassword, newPassword }] : [subject]
}

async function takes(gate: Gate<MemoryUser>, username: string, password: string): Promise<boolean> {
  const session = await gate.loginWithPassword({ username, password }).catch(() => null)
  if (session !== null) await gate.logout(session.refreshToken)
  return session !== null
}

/** Requests before this one pass. */
function from(index: number, fault: Fault): Fault {
  let seen = 0
  return async exchange => {
    if (seen++ < index) exchange.send(await exchange.perform())
    else await fault(exchange)
  }
}

/** The user table's side of a store that asks over HTTP. */
async function inStore(store: UserStore<MemoryUser>, { path, body }: Call): Promise<Reply> {
  const [first, second] = JSON.parse(body.toString())
  const profile = { ...first, asOf: new Date(first.asOf) }
  const work = {
    findUser: () => store.findUser(first),
    saveUser: () => store.saveUser(profile, second),
    removeUser: () => store.removeUser(first),
  }
  const result = await work[path.replace("/store/", "") as keyof typeof work]()
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(result ?? null) }
}

async function askAsAdmin(
  { url, name, gateOptions }: TestRealm,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const { clientId, clientSecret = "" } = gateOptions
  const grant = { grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret }
  const tokens = await fetch(`${url}/realms/${name}/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams(grant),
  })
  const { access_token } = (await tokens.json()) as { access_token: string }
  const answer = await fetch(`${url}/admin/realms/${name}${path}`, {
    method,
    headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return answer.status === 204 ? null : answer.json()
}

const names: readonly (readonly [RegExp, string])[] = [
  [/^POST \/store\/(\w+)/, "`$1`"],
  [/^GET \/admin\/realms\/[^/]+(\/users\/profile|\/authentication.*)?$/, "reading the rules"],
  [/^POST \/admin\/.*\/users\/?$/, "the create"],
  [/^GET .*\/role-mappings\/realm\/available$/, "reading the roles"],
  [/^POST .*\/role-mappings\/realm$/, "giving the roles"],
  [/^PUT .*\/send-verify-email$/, "the mail"],
  [/^PUT .*\/reset-password$/, "the new password"],
  [/^POST .*\/users\/[^/]+\/logout$/, "ending the sessions"],
  [/^GET .*\/(consents|offline-sessions.*)$/, "looking for offline sessions"],
  [/^DELETE .*\/sessions\/[^/]+$/, "ending an offline session"],
  [/^GET .*\/users\/[^/]+$/, "reading the account"],
  [/^PUT .*\/users\/[^/]+$/, "writing the account"],
  [/^DELETE .*\/users\/[^/]+$/, "deleting the account"],
]

function nameOf({ method, path, body }: Call): string {
  const request = `${method} ${path.replace(/\?.*$/, "")}`
  if (request.endsWith("/token"))
    return /grant_type=password/.test(body.toString()) ? "the login" : "the service account's token"
  const [pattern, name] = names.find(([pattern]) => pattern.test(request)) ?? [/^.*$/, request]
  return request.replace(pattern, name)
}

/** One line for each state that a kill can leave, in the order of the steps, but for the last: all is done. */
export function toMarkdown(crashes: (verb: Verb) => readonly Crash[]): string {
  const lines = verbs.flatMap(verb => linesOf(verb, crashes(verb)))
  return [["verb", "killed", "left behind", "who mends it", "how"], ["---", "---", "---", "---", "---"], ...lines]
    .map(cells => `| ${cells.join(" | ")} |`)
    .join("\n")
}

function linesOf(verb: Verb, crashes: readonly Crash[]): readonly (readonly string[])[] {
  const isSame = (one: Crash, other: Crash | undefined) => one.left === other?.left && one.how === other?.how
  const begins = crashes.filter((one, index) => !isSame(one, crashes[index - 1]))
  return begins.flatMap(({ step, phase, left, who, how }, index) => {
    const next = begins[index + 1]
    if (next === undefined) return []
    const killed = index > 0 ? `${phase} ${step}` : `until ${next.step} is done`
    return [[index === 0 ? `\`${verb}\`` : "", killed, left, who, how]]
  })
}
