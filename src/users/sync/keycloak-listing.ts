import type { GateError } from "../../errors.js"
import { type AdminApi, accountPath, isAccountId, toList } from "../../keycloak/admin-api.js"
import type { KeycloakClock } from "../../keycloak/keycloak-clock.js"
import { refused } from "../../keycloak/set-up-errors.js"

/** All of Keycloak's accounts, read page by page. */
export interface AccountListing {
  /**
   * Accounts in the order of their usernames, service accounts left out.
   *
   * @throws {GateError} `keycloak_refused_us` when the service account may not see accounts
   */
  readonly readPage: (range: ListingRange) => Promise<AccountPage>
  readonly countAccounts: (createdAfter: Date | null) => Promise<number>
  /** Throws where Keycloak would answer every listing with an empty list instead of a refusal. */
  readonly assertMaySee: () => Promise<void>
  /** Those of these subjects that a search does not find: mostly, but not only, because their account is gone. */
  readonly notListed: (subjects: readonly string[]) => Promise<readonly string[]>
  /** Those of these subjects whose account is gone, each proven by Keycloak's own word. */
  readonly withoutAccount: (subjects: readonly string[]) => Promise<readonly string[]>
}

interface ListingRange {
  readonly first: number
  readonly max: number
  readonly createdAfter: Date | null
  /** Left out, as null: no limit. */
  readonly createdBefore?: Date | null
}

export interface AccountPage {
  /** What the page tells was true at this moment or later, by Keycloak's own clock. */
  readonly asOf: Date
  readonly accounts: readonly ListedAccount[]
}

export interface ListedAccount {
  readonly id: string
  readonly username: string | null
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  /** Milliseconds since 1970; without one, the account counts as made now. */
  readonly createdTimestamp: number
  /** As Keycloak tells them; undefined unless they were asked for. */
  readonly attributes: unknown
}

// Keycloak refuses a request line above 4096 bytes.
const longestQuery = 3000

/**
 * Accounts through Keycloak's Admin API; `view-users` or `manage-users` covers every request. Attributes make pages larger,
 * and are read only where somebody wants them.
 */
export function createAccountListing(api: AdminApi, clock: KeycloakClock, withAttributes = false): AccountListing {
  async function ask<Value>(query: string, parse: (data: unknown) => Value | null): Promise<Value> {
    const value = await api.read(`/users${query}`, parse, lacksViewUsers)
    if (value === null) throw api.notKeycloak()
    return value
  }

  async function readAccounts(query: string): Promise<AccountPage> {
    await api.serviceToken.get()
    // Tokens count in whole seconds: one that is issued a moment later must not look earlier than what is read here.
    const asOf = new Date(Math.floor(clock.now() / 1000) * 1000)
    return { asOf, accounts: (await ask(query, toList)).map(toAccount) }
  }

  function toAccount(entry: unknown): ListedAccount {
    const account = (entry ?? {}) as Record<string, unknown>
    const { id, username, email, emailVerified, firstName, lastName, createdTimestamp, attributes } = account
    if (typeof id !== "string" || id === "") throw api.notKeycloak()
    const texts = { username: text(username), email: text(email), firstName: text(firstName), lastName: text(lastName) }
    const created = typeof createdTimestamp === "number" ? createdTimestamp : Number.POSITIVE_INFINITY
    return { id, ...texts, emailVerified: emailVerified === true, createdTimestamp: created, attributes }
  }

  async function notListed(subjects: readonly string[]): Promise<readonly string[]> {
    const found = new Set<string>()
    for (const ids of inQueries(subjects)) {
      const query = `?search=${encodeURIComponent(`id:${ids.join(" ")}`)}&max=${ids.length}&briefRepresentation=true`
      for (const { id } of (await readAccounts(query)).accounts) found.add(id)
    }
    return subjects.filter(subject => !found.has(subject))
  }

  async function isGone(subject: string): Promise<boolean> {
    // What is no id leads to something else, which is there.
    if (!isAccountId(subject)) return false
    return (await api.read(accountPath(subject), () => true, lacksViewUsers)) === null
  }

  return {
    readPage: ({ first, max, createdAfter, createdBefore = null }) => {
      const range = `first=${first}&max=${max}&briefRepresentation=${!withAttributes}`
      return readAccounts(`?${range}${created(createdAfter, createdBefore)}`)
    },
    countAccounts: createdAfter => ask(`/count?briefRepresentation=true${created(createdAfter, null)}`, toNumber),
    async assertMaySee() {
      // With `query-users` alone, listings are answered with 200 and nobody in them. A listing by date has service
      // accounts too, so for whoever may see accounts it holds at least our own.
      const { accounts } = await readAccounts("?createdAfter=0&max=1&briefRepresentation=true")
      if (accounts.length === 0) throw lacksViewUsers(api.clientId)
    },
    notListed,
    async withoutAccount(subjects) {
      const gone: string[] = []
      for (const subject of await notListed(subjects)) if (await isGone(subject)) gone.push(subject)
      return gone
    },
  }
}

/** The search keeps service accounts out of a listing by date, which would hold them otherwise (26.7.4). */
function created(after: Date | null, before: Date | null): string {
  if (after === null && before === null) return ""
  const from = after === null ? "" : `&createdAfter=${after.getTime()}`
  const to = before === null ? "" : `&createdBefore=${before.getTime()}`
  return `&search=*${from}${to}`
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

function toNumber(value: unknown): number | null {
  return typeof value === "number" ? value : null
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
