import { once } from "node:events"
import { setTimeout as delay } from "node:timers/promises"
import {
  createGate,
  type Gate,
  isGateError,
  type MemoryUser,
  memoryUserStore,
  type UserStore,
} from "../../src/index.js"
import type { KeycloakAdmin } from "../live/keycloak/admin.ts"
import { answerLate, answerWith, cutAnswer, endless, hangBeforeHeaders, performThen, stalling } from "./faults.ts"
import type { Fault, FaultyServer } from "./faulty-server.ts"
import { inOwnTime } from "./own-clock.ts"
import { paths } from "./paths.ts"
import { startProxy } from "./proxy.ts"
import { secrets } from "./refusal-of.ts"

/** Where a registration meets a fault. */
interface Step {
  readonly name: string
  /** The requests that meet it; absent: the store does. */
  readonly at?: RegExp
  /** What has been answered just before, for a connection that is refused from here on; null: nothing. */
  readonly after: { readonly at: RegExp; readonly answers: number } | "saveUser" | null
  readonly times?: number
  /** A fault of its own that leads to this step. */
  readonly because?: "saveUser throws" | "the answer to the create is cut"
  readonly onboarding?: "verify-email"
}

const rules = /^GET \/admin\/realms\/[^/]+(\/users\/profile)?$/

export const steps: readonly Step[] = [
  { name: "the service account's token", at: paths.token, after: null },
  { name: "reading the user profile", at: paths.profile, after: { at: paths.token, answers: 1 } },
  { name: "reading the realm", at: paths.realm, after: { at: paths.token, answers: 1 } },
  { name: "the create, once", at: paths.create, times: 1, after: { at: rules, answers: 2 } },
  { name: "the create and its repetition", at: paths.create, after: { at: rules, answers: 2 } },
  {
    name: "the look-up by name after a lost create",
    at: paths.find,
    because: "the answer to the create is cut",
    after: { at: paths.create, answers: 1 },
  },
  { name: "reading the roles", at: paths.availableRoles, after: { at: paths.create, answers: 1 } },
  { name: "giving the roles", at: paths.giveRoles, after: { at: paths.availableRoles, answers: 1 } },
  {
    name: "deleting the account after `saveUser` threw",
    at: paths.remove,
    because: "saveUser throws",
    after: "saveUser",
  },
  { name: "the verification mail", at: paths.verificationMail, onboarding: "verify-email", after: "saveUser" },
]

/** Enough for a busy machine where nothing hangs; the others wait for the end of it. */
const patientMs = 45_000
export const timeoutMs = 6000
const html = { status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad Gateway</h1>" }
const json = { "content-type": "application/json" }

interface NamedFault {
  readonly name: string
  /** Null: nobody listens. */
  readonly fault: Fault | null
  readonly times?: number
  /** Only the time limit ends it. */
  readonly hangs?: boolean
}

export const faults: readonly NamedFault[] = [
  { name: "answer too late", fault: answerLate(2 * timeoutMs), hangs: true },
  { name: "hangs before the headers", fault: hangBeforeHeaders, hangs: true },
  { name: "hangs in the body", fault: stalling, hangs: true },
  { name: "reset after it arrived", fault: cutAnswer },
  { name: "502, work done", fault: performThen(html) },
  { name: "502, work not done", fault: answerWith(html) },
  { name: "429", fault: answerWith({ status: 429, headers: { "retry-after": "1" } }) },
  {
    name: "401 once",
    fault: answerWith({ status: 401, headers: json, body: '{"error":"HTTP 401 Unauthorized"}' }),
    times: 1,
  },
  { name: "500", fault: answerWith({ status: 500, headers: json, body: '{"error":"unknown_error"}' }) },
  { name: "refused", fault: null },
  { name: "endless body", fault: endless },
]

export interface Connection {
  readonly serverUrl: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
}

/** What one cell of the table says, and how long the caller waited. */
export interface Outcome {
  readonly text: string
  readonly ms: number
  /** What a retry by the caller came to, where the first call failed. */
  readonly retry: string
}

const role = "app-user"
const extra = { plan: "pro" }
let count = 0
const storeFailure = new Error("disk full")

/** One registration that meets one fault at one step, on the real server. */
export async function meet(
  step: Step,
  { fault, times, hangs }: NamedFault,
  connection: Connection,
  admin: KeycloakAdmin,
): Promise<Outcome> {
  const proxy = await startProxy(connection.serverUrl)
  const username = `matrix-${process.pid}-${count++}`
  let isBroken = true
  const limitMs = hangs ? timeoutMs : patientMs
  const world = observe(
    connection,
    admin,
    username,
    { internalUrl: proxy.url, timeoutMs: limitMs },
    step,
    async save => {
      if (isBroken && step.after === "saveUser" && fault === null) await proxy.goDown()
      if (isBroken && step.because === "saveUser throws") throw storeFailure
      return save()
    },
  )
  try {
    if (step.because === "the answer to the create is cut") proxy.breakWith(cutAnswer, { at: paths.create, times: 1 })
    if (fault !== null) proxy.breakWith(fault, { at: step.at, times: times ?? step.times ?? Number.POSITIVE_INFINITY })
    else if (step.after === null) await proxy.goDown()
    else if (step.after !== "saveUser") proxy.breakWith(goDownAfter(proxy, step.after.answers), { at: step.after.at })

    const { ms, result: first } = await inOwnTime(world.register())
    isBroken = false
    await proxy.heal()
    const left = await world.left()
    const retry = first.startsWith("201") ? "" : await world.registerAgain()
    return { text: `${first}${left}`, ms, retry }
  } finally {
    world.gate.close()
    await proxy.close()
  }
}

/** What one call of the store may take. */
export const storeTimeoutMs = 5000

type HowStoreFails = "throws" | "never settles"
export const storeFaults: readonly HowStoreFails[] = ["throws", "never settles"]
export const storeSteps = ["saveUser", "removeUser after a `saveUser` that wrote and threw"] as const

/** One registration whose store fails. */
export async function meetStore(
  step: (typeof storeSteps)[number],
  how: HowStoreFails,
  connection: Connection,
  admin: KeycloakAdmin,
): Promise<Outcome> {
  const username = `matrix-${process.pid}-${count++}`
  let isBroken = true
  const fail = (): Promise<never> => (how === "throws" ? Promise.reject(storeFailure) : new Promise(() => undefined))
  const onSave = async (save: () => Promise<MemoryUser>): Promise<MemoryUser> => {
    if (!isBroken) return save()
    if (step === "saveUser") return fail()
    await save()
    throw storeFailure
  }
  const onRemove = () => (isBroken && step !== "saveUser" ? fail() : undefined)
  const world = observe(connection, admin, username, { timeoutMs: patientMs, storeTimeoutMs }, {}, onSave, onRemove)
  try {
    const { ms, result: first } = await inOwnTime(world.register())
    isBroken = false
    const left = await world.left()
    return { text: `${first}${left}`, ms, retry: await world.registerAgain() }
  } finally {
    world.gate.close()
  }
}

/** A gate, and what its registration of one person has left where. */
function observe(
  { serverUrl, ...client }: Connection,
  admin: KeycloakAdmin,
  username: string,
  options: { readonly internalUrl?: string; readonly timeoutMs: number; readonly storeTimeoutMs?: number },
  { onboarding }: Pick<Step, "onboarding">,
  onSave: (save: () => Promise<MemoryUser>) => Promise<MemoryUser>,
  onRemove: () => Promise<void> | undefined = () => undefined,
) {
  const rows = memoryUserStore()
  const subjects = new Set<string>()
  let isUnsettled = false
  let isSettled = false
  const userStore: UserStore<MemoryUser> = {
    ...rows,
    saveUser: (profile, extra) =>
      onSave(() => {
        subjects.add(profile.subject)
        return rows.saveUser(profile, extra)
      }),
    async removeUser(identity) {
      await onRemove()
      await rows.removeUser(identity)
    },
  }
  const gate: Gate<MemoryUser> = createGate({
    ...client,
    ...options,
    serverUrl,
    userStore,
    registration: { realmRoles: [role], onboarding },
    onEvent: ({ type }) => {
      if (type === "registration_unsettled") isUnsettled = true
      if (type === "registration_settled") isSettled = true
    },
  })
  const email = `${username}@example.test`
  const person = { username, email, firstName: "Ada", lastName: "Lovelace", password: secrets.password }

  async function accounts(): Promise<readonly string[]> {
    const { body } = await admin.adminFetch("GET", `/realms/${client.realm}/users?exact=true&username=${username}`)
    return (body as { readonly id: string }[]).map(({ id }) => id)
  }
  async function hasRole(id: string): Promise<boolean> {
    const { body } = await admin.adminFetch("GET", `/realms/${client.realm}/users/${id}/role-mappings/realm`)
    return (body as { readonly name: string }[]).some(({ name }) => name === role)
  }
  async function rowsLeft(): Promise<readonly MemoryUser[]> {
    const issuer = `${serverUrl}/realms/${client.realm}`
    const found = await Promise.all([...subjects].map(subject => rows.findUser({ issuer, subject })))
    return found.filter(row => row !== null)
  }

  let said = ""
  async function register(): Promise<string> {
    try {
      const { pending } = await gate.registerUser(person, extra)
      return pending.includes("SEND_VERIFY_EMAIL") ? "201, mail pending," : "201"
    } catch (error) {
      said = (error as Error).message
      if (isGateError(error)) return String(error.status)
      if (error === storeFailure) return "the store's own error,"
      return (error as Error).cause instanceof AggregateError
        ? "an error with both causes,"
        : `${(error as Error).name},`
    }
  }

  /** What there is of account and row, behind a blank, or that an account was finished after its registration had failed. */
  async function left(): Promise<string> {
    const isLater = isUnsettled && (await accounts()).length > 0
    for (let looks = 0; isLater && !isSettled && looks < 150; looks++) await delay(200)
    const [ids, kept] = [await accounts(), await rowsLeft()]
    const [id = ""] = ids
    const [row] = kept
    if (ids.length > 1 || kept.length > 1) return ` ${ids.length} accounts, ${kept.length} rows`
    if (ids.length === 0) return row === undefined ? " none" : " row"
    if (row === undefined) return " account"
    if (row.subject !== id || JSON.stringify(row.extra) !== JSON.stringify(extra))
      return " an account and another's row"
    if (!(await hasRole(id))) return " account without its role, row"
    return isLater ? ", account perhaps, finished forward" : " both"
  }

  return {
    gate,
    register,
    left,
    /** The registration of the same person again; whose account was finished, is its owner and logs in. */
    async registerAgain(): Promise<string> {
      isUnsettled = false
      const again = await register()
      if (again === "409") return gate.loginWithPassword(person).then(() => "409, logs in")
      const text = `${again}${await left()}`
      return text === "201 both" ? text : `${text}: ${said}`
    },
  }
}

function goDownAfter(proxy: FaultyServer, answers: number): Fault {
  let left = answers
  return async ({ perform, send, response }) => {
    const sent = once(response, "finish")
    send(await perform())
    await sent
    left -= 1
    if (left === 0) await proxy.goDown()
  }
}

/** The tables between the markers of docs/failures.md. */
export function toMarkdown(cell: (step: string, fault: string) => string): string {
  const table = (first: string, columns: readonly string[], rows: readonly string[]) =>
    [
      [first, ...columns],
      ["---", ...columns.map(() => "---")],
      ...rows.map(row => [row, ...columns.map(column => cell(row, column))]),
    ]
      .map(cells => `| ${cells.join(" | ")} |`)
      .join("\n")
  const named = ({ name }: { readonly name: string }) => name
  return `${table("Keycloak", faults.map(named), steps.map(named))}\n\n${table("your store", storeFaults, storeSteps)}\n`
}
