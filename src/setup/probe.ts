import { randomBytes } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { type AskAdmin, type Reply, wordsOf } from "./ask.js"

/** What became of a person who was registered to see how it goes. */
export interface Probe {
  /** With the right password. */
  readonly login: Reply
  /** Once more, the e-mail being unverified. */
  readonly unverifiedLogin?: Reply
  readonly wrongPassword?: Reply
  /** Steps that the realm asks of the new account. */
  readonly requiredActions: readonly string[]
  /** Why not everything could be shown. */
  readonly refused?: string
  /** Name of the account, where it may still be there. */
  readonly left?: string
}

export interface ProbeParts {
  readonly asAdmin: AskAdmin
  readonly logIn: (username: string, password: string) => Promise<Reply>
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly now: () => number
}

const noReply: Reply = {
  url: "",
  status: 0,
  code: "",
  json: null,
  kind: null,
  error: "",
  description: "",
  location: null,
  retryAfterSeconds: null,
  tookMs: 0,
}

/**
 * Registers a throw-away person, logs in as them, and removes the account by its own id.
 *
 * Its e-mail is verified and of a domain that nobody has, so that Keycloak sends no mail.
 */
export async function probeAccount({ asAdmin, logIn, attributes, now }: ProbeParts): Promise<Probe> {
  const name = `keycloak-gate-probe-${randomBytes(6).toString("hex")}`
  // One of each kind, for any password policy.
  const password = `${randomBytes(24).toString("base64url")}-aA0!`
  const email = `${name}@example.invalid`
  const names = { firstName: "Keycloak", lastName: "Gate" }
  // Keycloak keeps it as sent: the mark of this account, should the answer get lost.
  const stamp = Math.floor(now() - Math.random() * 60_000)
  const account = { username: name, email, ...names, attributes, enabled: true, createdTimestamp: stamp }
  const credentials = [{ type: "password", value: password, temporary: false }]
  const created = await asAdmin("POST", "/users", { ...account, emailVerified: true, credentials })
  const id = created.status === 201 ? idIn(created) : await findLost(asAdmin, created, { email, stamp })
  if (id === null) {
    const isLost = created.status === 0 || created.status >= 500
    const refused = `Keycloak did not create the throw-away account: ${wordsOf(created)}`
    return { login: noReply, requiredActions: [], refused, ...(isLost && { left: name }) }
  }
  let seen: Omit<Probe, "left"> | null = null
  let isGone = false
  try {
    seen = await use(asAdmin, logIn, { id, name, email, password, attributes, names })
  } finally {
    isGone = await remove(asAdmin, id)
  }
  return isGone ? seen : { ...seen, left: name }
}

interface ProbeAccount {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly password: string
  readonly names: Readonly<Record<string, string>>
  readonly attributes: ProbeParts["attributes"]
}

async function use(asAdmin: AskAdmin, logIn: ProbeParts["logIn"], account: ProbeAccount): Promise<Probe> {
  const { id, name, email, password, names, attributes } = account
  const path = `/users/${id}`
  // Where the e-mail is the username, both names log in.
  const login = await untilDecided(() => logIn(email, password))
  if (login.status !== 200) {
    const requiredActions = login.kind === "account_unfinished" ? await readActions(asAdmin, path) : []
    const isExplained = requiredActions.length > 0 || isRefusedAsWrong(login)
    const refused = `Keycloak did not let the throw-away account in: ${wordsOf(login)}`
    return { login, requiredActions, ...(!isExplained && { refused }) }
  }
  const changed = await asAdmin("PUT", path, { email, ...names, attributes, emailVerified: false })
  if (changed.status !== 204) {
    const refused = `Keycloak did not change the throw-away account: ${wordsOf(changed)}`
    return { login, requiredActions: [], refused }
  }
  const unverifiedLogin = await untilDecided(() => logIn(email, password))
  const wrongPassword = await logIn(name, `${password}-`)
  return { login, unverifiedLogin, wrongPassword, requiredActions: [] }
}

/** The right password, taken for a wrong one, or stumbled over: that is the realm's direct grant flow. */
export function isRefusedAsWrong({ status, kind }: Reply): boolean {
  return status >= 500 || kind === "grant_refused"
}

async function readActions(asAdmin: AskAdmin, path: string): Promise<readonly string[]> {
  const { requiredActions } = ((await asAdmin("GET", path)).json ?? {}) as { requiredActions?: unknown }
  return Array.isArray(requiredActions) ? requiredActions.map(String) : []
}

/** With brute force protection, Keycloak refuses a login while it still counts the one before it (26.7.4). */
async function untilDecided(logIn: () => Promise<Reply>): Promise<Reply> {
  for (let left = 2; left > 0; left -= 1) {
    const reply = await logIn()
    if (reply.kind !== "grant_refused") return reply
    await delay(300)
  }
  return logIn()
}

async function findLost(
  asAdmin: AskAdmin,
  created: Reply,
  { email, stamp }: { email: string; stamp: number },
): Promise<string | null> {
  if (created.status !== 0 && created.status < 500) return null
  const found = await asAdmin("GET", `/users?${new URLSearchParams({ email, exact: "true" })}`)
  const accounts = Array.isArray(found.json) ? found.json : []
  const own = accounts.find(one => one?.createdTimestamp === stamp)
  return isId(own?.id) ? own.id : null
}

async function remove(asAdmin: AskAdmin, id: string): Promise<boolean> {
  const { status, code } = await asAdmin("DELETE", `/users/${id}`)
  if (status === 204 || status === 404) return true
  // A Keycloak that is silent now need not be waited for twice.
  return code === "ETIMEDOUT" ? false : [204, 404].includes((await asAdmin("DELETE", `/users/${id}`)).status)
}

function idIn({ location }: Reply): string | null {
  const id = location?.split("/").pop()
  return isId(id) ? id : null
}

function isId(id: unknown): id is string {
  return typeof id === "string" && /^[\w-]{8,64}$/.test(id)
}
