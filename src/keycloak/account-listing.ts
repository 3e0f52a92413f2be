import type { GateError } from "../errors.js"
import type { AccountListing, ListedAccount } from "../user/account-listing.js"
import type { KeycloakClock } from "./keycloak-clock.js"
import type { Realm } from "./realm.js"
import { answerOf, refused } from "./refused-us.js"
import type { ServiceToken } from "./service-token.js"
import { type Transport, unavailable } from "./transport.js"

export interface AccountListingOptions {
  readonly realm: Realm
  readonly clientId: string
  readonly transport: Transport
  readonly serviceToken: ServiceToken
  readonly clock: KeycloakClock
}

// Keycloak refuses a request line above 4096 bytes.
const longestQuery = 3000

/** Accounts through Keycloak's Admin API; `view-users` or `manage-users` covers every request. */
export function createAccountListing(options: AccountListingOptions): AccountListing {
  const { realm, clientId, transport, serviceToken, clock } = options
  const url = `${realm.baseUrl}/admin/realms/${encodeURIComponent(realm.name)}/users`

  async function ask(path: string): Promise<{ asOf: Date; status: number; body: unknown }> {
    const token = await serviceToken.get()
    // Tokens count in whole seconds: one that is issued a moment later must not look earlier than what is read here.
    const asOf = new Date(Math.floor(clock.now() / 1000) * 1000)
    const headers = { accept: "application/json", authorization: `Bearer ${token}` }
    const response = await transport.fetch(url + path, { headers })
    if (response.status === 401) serviceToken.forget(token)
    return { asOf, status: response.status, body: await readBody(url, response) }
  }

  /** A token that Keycloak does not take, say after a restart, is renewed once. */
  async function get(path: string): Promise<{ asOf: Date; status: number; body: unknown }> {
    const answer = await ask(path)
    return answer.status === 401 ? ask(path) : answer
  }

  async function getOrThrow(path: string): Promise<{ asOf: Date; body: unknown }> {
    const { asOf, status, body } = await get(path)
    if (status !== 200) throw refusal(status, body)
    return { asOf, body }
  }

  function refusal(status: number, body: unknown): GateError {
    const answer = answerOf(status, body)
    if (answer.error === "") return unavailable(url, `its Admin API answered ${status} without Keycloak's error format`)
    return status === 403 ? lacksViewUsers(clientId) : refused("Keycloak refused to list accounts", answer)
  }

  async function readAccounts(path: string): Promise<{ asOf: Date; accounts: readonly ListedAccount[] }> {
    const { asOf, body } = await getOrThrow(path)
    if (!Array.isArray(body)) throw notKeycloak()
    return { asOf, accounts: body.map(toAccount) }
  }

  function toAccount(entry: unknown): ListedAccount {
    const { id, username, email, emailVerified, firstName, lastName } = (entry ?? {}) as Record<string, unknown>
    if (typeof id !== "string" || id === "") throw notKeycloak()
    const texts = { username: text(username), email: text(email), firstName: text(firstName), lastName: text(lastName) }
    return { id, ...texts, emailVerified: emailVerified === true }
  }

  function notKeycloak(): GateError {
    return unavailable(url, "its Admin API answered something else than Keycloak does; a proxy may stand before it")
  }

  async function isGone(subject: string): Promise<boolean> {
    const { status, body } = await get(`/${encodeURIComponent(subject)}`)
    if (status === 200) return false
    // Only these words: a realm that is not there answers 404 too, and so does whatever stands before a Keycloak.
    if (status === 404 && answerOf(status, body).error === "User not found") return true
    throw refusal(status, body)
  }

  return {
    readPage: ({ first, max, createdAfter }) =>
      readAccounts(`?first=${first}&max=${max}&briefRepresentation=true${since(createdAfter)}`),
    async countAccounts(createdAfter) {
      const { body } = await getOrThrow(`/count?briefRepresentation=true${since(createdAfter)}`)
      if (typeof body !== "number") throw notKeycloak()
      return body
    },
    async assertMaySee() {
      // With `query-users` alone, listings are answered with 200 and nobody in them. A listing by date has service
      // accounts too, so for whoever may see accounts it holds at least our own.
      const { accounts } = await readAccounts("?createdAfter=0&max=1&briefRepresentation=true")
      if (accounts.length === 0) throw lacksViewUsers(clientId)
    },
    async withoutAccount(subjects) {
      const found = new Set<string>()
      for (const ids of inQueries(subjects)) {
        const query = `?search=${encodeURIComponent(`id:${ids.join(" ")}`)}&max=${ids.length}&briefRepresentation=true`
        for (const { id } of (await readAccounts(query)).accounts) found.add(id)
      }
      const gone: string[] = []
      for (const subject of subjects) if (!found.has(subject) && (await isGone(subject))) gone.push(subject)
      return gone
    },
  }
}

/** The search keeps service accounts out of a listing by date, which would hold them otherwise (26.7.4). */
function since(createdAfter: Date | null): string {
  return createdAfter === null ? "" : `&search=*&createdAfter=${createdAfter.getTime()}`
}

/** Subjects in portions that fit into one query; those that don't are left to be asked for one by one. */
function inQueries(subjects: readonly string[]): string[][] {
  const portions: string[][] = []
  let left = 0
  for (const subject of subjects) {
    const length = encodeURIComponent(subject).length + 3
    if (length > longestQuery || /\s/.test(subject)) continue
    if (length > left) {
      portions.push([])
      left = longestQuery
    }
    portions.at(-1)?.push(subject)
    left -= length
  }
  return portions
}

async function readBody(url: string, response: Response): Promise<unknown> {
  const body = await response.text()
  try {
    return JSON.parse(body)
  } catch {
    // Without the cause: V8's SyntaxError quotes the text, which may be somebody's data.
    throw unavailable(
      url,
      `its Admin API answered ${response.status} with what is no JSON; a proxy may stand before it`,
    )
  }
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null
}

function lacksViewUsers(clientId: string): GateError {
  return refused(
    `Keycloak logged the service account of "${clientId}" in, but it may not see accounts. It needs the role \`view-users\` or ` +
      `\`manage-users\` of \`realm-management\`. Clients → ${clientId} → Service account roles → Assign role → Client roles → ` +
      "realm-management view-users",
  )
}
