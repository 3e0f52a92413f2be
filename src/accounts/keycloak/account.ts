import type UserRepresentation from "@keycloak/keycloak-admin-client/lib/defs/userRepresentation.js"
import { type GateError, isGateError } from "../../errors.js"
import { accountPath, isAccountId, toList } from "../../keycloak/admin-api.js"
import { wasNotDone } from "../../keycloak/network-error.js"
import type { Channel } from "./channel.js"

/** An account as Keycloak has it. */
export interface StoredAccount {
  readonly id: string
  readonly username: string
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  readonly enabled: boolean
  /** What the person must do before the next login. */
  readonly requiredActions: readonly string[]
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** When Keycloak said this, by its own clock. */
  readonly asOf: Date
}

export interface AccountChange {
  readonly username?: string
  /** Empty: removed; so are the names. */
  readonly email?: string
  readonly emailVerified?: boolean
  readonly firstName?: string
  readonly lastName?: string
  readonly enabled?: boolean
  readonly requiredActions?: readonly string[]
  /** Each takes the place of the one of its type, whose id it gets. */
  readonly credentials?: readonly object[]
  /** All of them: what is not in here is removed. Username, e-mail and names have to come along. */
  readonly attributes?: Readonly<Record<string, readonly string[]>>
}

export interface NewPassword {
  readonly value: string
  /** Keycloak asks for another one at the next login. */
  readonly temporary: boolean
}

/** How Keycloak keeps two accounts apart: by username, or by e-mail where that is the username. */
export type AccountName = { readonly username: string } | { readonly email: string }

export interface FoundAccount {
  readonly id: string
  readonly createdTimestamp: number
  readonly emailVerified: boolean
}

/** Null: there is no such account. */
export async function readAccount(channel: Channel, id: string): Promise<StoredAccount | null> {
  const asOf = await keycloakTime(channel)
  return channel.api.read(accountPath(id), data => {
    const account = accountOf(data, asOf)
    return account?.id === id ? account : null
  })
}

/** Accounts of exactly this e-mail: more than one where the realm allows that. */
export async function findByEmail(channel: Channel, email: string): Promise<readonly StoredAccount[]> {
  const found = await findStored(channel, { email })
  return found.filter(account => account.email?.toLowerCase() === email.toLowerCase())
}

/** The account of exactly this username. */
export async function findByUsername(channel: Channel, username: string): Promise<StoredAccount | null> {
  const found = await findStored(channel, { username })
  return found.find(account => account.username.toLowerCase() === username.toLowerCase()) ?? null
}

async function findStored(channel: Channel, by: AccountName): Promise<readonly StoredAccount[]> {
  const asOf = await keycloakTime(channel)
  const query = new URLSearchParams({ ...by, exact: "true", max: "10" })
  const found = (await channel.api.read(`/users?${query}`, toList)) ?? []
  return found.flatMap(one => accountOf(one, asOf) ?? [])
}

/** Ids of what an account logs in with; null: there is no such account. */
export async function credentialIds({ api }: Channel, id: string): Promise<readonly unknown[] | null> {
  const found = await api.read(`${accountPath(id)}/credentials`, toList<{ readonly id?: unknown } | null>)
  return found?.map(one => one?.id) ?? null
}

/** The account of exactly this username or e-mail. */
export async function findAccount({ api }: Channel, by: AccountName): Promise<FoundAccount | null> {
  const query = new URLSearchParams({ ...by, exact: "true", max: "2" })
  const found = (await api.read(`/users?${query}`, toList<UserRepresentation>)) ?? []
  const [account] = found
  if (typeof account?.id !== "string" || found.length !== 1) return null
  if (!isAccountId(account.id)) throw api.notKeycloak()
  const { id, createdTimestamp = 0, emailVerified = false } = account
  return { id, createdTimestamp, emailVerified }
}

/** Writes the members that are there and leaves the others. */
export async function writeAccount({ api }: Channel, id: string, change: AccountChange): Promise<"done" | "absent"> {
  return api.command("PUT", accountPath(id), change)
}

/** Lost: it may have been set, but the answer never came. */
export async function setPassword(
  { api }: Channel,
  id: string,
  password: NewPassword,
): Promise<"done" | "absent" | { readonly lost: GateError }> {
  return api.command("PUT", `${accountPath(id)}/reset-password`, { type: "password", ...password }).catch(lostOr)
}

/** Deletes by id; an account that is gone already is fine. */
export async function removeAccount({ api }: Channel, id: string): Promise<void> {
  await api.command("DELETE", accountPath(id))
}

/**
 * Forgets the wrong passwords that Keycloak has counted, and the lock that they brought: before the right one was set, each login
 * was one (26.7.4).
 */
export async function forgetFailures({ api }: Channel, id: string): Promise<void> {
  await api.command("DELETE", `/attack-detection/brute-force${accountPath(id)}`)
}

/** Before the question: whatever is issued from now on is newer than the answer. */
async function keycloakTime({ api, clock }: Channel): Promise<Date> {
  await api.serviceToken.get()
  return new Date(clock.now())
}

/** An outage in which a write may have done its work; all else is thrown. */
function lostOr(error: unknown): { readonly lost: GateError } {
  if (!isGateError(error) || error.code !== "keycloak_unavailable" || wasNotDone(error)) throw error
  return { lost: error }
}

export function accountOf(data: unknown, asOf: Date): StoredAccount | null {
  if (typeof data !== "object" || data === null) return null
  const { id, username, email, emailVerified, firstName, lastName, enabled, requiredActions, attributes } =
    data as Record<string, unknown>
  if (typeof id !== "string" || typeof username !== "string") return null
  return {
    id,
    username,
    email: textOrNull(email),
    emailVerified: emailVerified === true,
    firstName: textOrNull(firstName),
    lastName: textOrNull(lastName),
    enabled: enabled === true,
    requiredActions: Array.isArray(requiredActions) ? requiredActions.map(String) : [],
    attributes: (attributes ?? {}) as Readonly<Record<string, readonly string[]>>,
    asOf,
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null
}
