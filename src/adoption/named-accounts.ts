import { credentialIds } from "../accounts/keycloak/account.js"
import type { Channel } from "../accounts/keycloak/channel.js"
import { accountPath, isAccountId, toList } from "../keycloak/admin-api.js"
import { splitToken } from "../keycloak/compact-token.js"
import { isBegun } from "./closed-account.js"
import { isCredentialId } from "./credential-id.js"

/** An account that has a name which somebody typed. */
export interface NamedAccount {
  readonly id: string
  readonly username: string
  readonly enabled: boolean
  readonly requiredActions: readonly string[]
  /** Milliseconds since 1970, by Keycloak's clock. */
  readonly createdTimestamp: number
}

/**
 * Every account that has exactly this username or this e-mail, in whatever letters: who logs in by it. Keycloak finds them as
 * its login does (26.7.4).
 *
 * @throws {GateError} `keycloak_refused_us` also where Keycloak lets this client search, and shows it nobody
 */
export async function accountsNamed(channel: Channel, name: string): Promise<readonly NamedAccount[]> {
  // An empty one would find everybody.
  if (name.trim() === "") throw new TypeError("no name")
  const both = await Promise.all([find(channel, { username: name }), find(channel, { email: name })])
  const found = both.flat()
  if (found.length === 0) await assertSeesAccounts(channel)
  return [...new Map(found.map(account => [account.id, account])).values()]
}

/** Whether this library has made the account, for whichever row. */
export async function isOurs(channel: Channel, { id }: NamedAccount): Promise<boolean> {
  return (await credentialIds(channel, id))?.some(isCredentialId) ?? false
}

/** Whether all of them are accounts that this library has begun and not finished; so it is of none. */
export async function areBegun(channel: Channel, accounts: readonly NamedAccount[]): Promise<boolean> {
  if (!accounts.every(isBegun)) return false
  return (await Promise.all(accounts.map(account => isOurs(channel, account)))).every(Boolean)
}

async function find({ api }: Channel, by: { username: string } | { email: string }): Promise<readonly NamedAccount[]> {
  const found = await api.read(`/users?${new URLSearchParams({ ...by, exact: "true", max: "10" })}`, toList)
  const accounts = found?.map(toNamed) ?? [null]
  // Whoever can't be read is somebody all the same.
  return accounts.map(account => {
    if (account === null) throw api.notKeycloak()
    return account
  })
}

function toNamed(data: unknown): NamedAccount | null {
  if (typeof data !== "object" || data === null) return null
  const { id, username, enabled, requiredActions, createdTimestamp } = data as Record<string, unknown>
  if (typeof id !== "string" || !isAccountId(id) || typeof username !== "string") return null
  return {
    id,
    username,
    enabled: enabled !== false,
    requiredActions: Array.isArray(requiredActions) ? requiredActions.map(String) : [],
    createdTimestamp: typeof createdTimestamp === "number" ? createdTimestamp : 0,
  }
}

/** A service account with the role `query-users` alone gets an empty list for every name (26.7.4), and may not see itself. */
async function assertSeesAccounts({ api }: Channel): Promise<void> {
  const { sub } = splitToken(await api.serviceToken.get()).payload
  if (typeof sub === "string") await api.read(accountPath(sub), () => true)
}
