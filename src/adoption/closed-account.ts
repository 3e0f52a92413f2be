import {
  credentialIds,
  findByEmail,
  findByUsername,
  readAccount,
  removeAccount,
  type StoredAccount,
  writeAccount,
} from "../accounts/keycloak/account.js"
import type { Channel } from "../accounts/keycloak/channel.js"
import { type CreateOutcome, postAccount } from "../accounts/keycloak/create.js"
import { type GateError, isGateError } from "../errors.js"
import { isCredentialId } from "./credential-id.js"
import type { HashCredential } from "./password-hash.js"

/**
 * An account with a closed door: nobody can log in to it before its row is tied to it. Made open, whoever came first would keep
 * an empty row for ever.
 */
export interface NewClosedAccount {
  readonly username: string
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly groups: readonly string[]
  /** Somebody who is not to get in: the account ends disabled, has no door, and counts as begun at no time. */
  readonly isShut: boolean
  /** What the person still has to do once the door is open. */
  readonly requiredActions: readonly string[]
  /** Its id is `credentialIdOf` the row, and tells whose account this is. */
  readonly credential: HashCredential
}

/** What came of a create, whatever happened to Keycloak's answers. */
export type BegunAccount =
  /** Made here; what it tells was true then, by Keycloak's clock. */
  | { readonly is: "created"; readonly id: string; readonly asOf: Date }
  /** Made for this row before, begun or open. */
  | { readonly is: "own"; readonly account: StoredAccount }
  /** The name is another account's; null: nobody can tell which name. */
  | {
      readonly is: "taken"
      readonly field: "username" | "email" | null
      /** Made by this library too, for another row. */
      readonly isImported: boolean
    }
  /** The row has an account that has neither of its names. */
  | { readonly is: "elsewhere" }

/**
 * What a closed account has to do beside being disabled: an account that an administrator locked is only disabled. No realm asks
 * these two of anybody, and a reset of the password leaves them.
 */
export const closingActions: readonly string[] = ["VERIFY_PROFILE", "update_user_locale"]

/** Whether the account is closed as this library closes one. Whose it is, its credential tells. */
export function isBegun({ enabled, requiredActions }: Pick<StoredAccount, "enabled" | "requiredActions">): boolean {
  return !enabled && closingActions.every(action => requiredActions.includes(action))
}

/** What is left to do for the person when the door opens. */
export function actionsBehindDoor({ requiredActions }: Pick<StoredAccount, "requiredActions">): readonly string[] {
  return requiredActions.filter(action => !closingActions.includes(action))
}

/**
 * Creates a closed account, or finds the one that there is. A create whose answer was lost is sent once more: the id of the
 * credential makes two accounts impossible.
 *
 * @throws {GateError} `account_rejected`, `keycloak_unavailable`, `keycloak_refused_us`, `closed`
 */
export async function beginAccount(channel: Channel, account: NewClosedAccount): Promise<BegunAccount> {
  const { username, email, credential } = account
  for (let isSecond = false; ; isSecond = true) {
    const asOf = new Date(Math.floor(channel.clock.now() / 1000) * 1000)
    const outcome = await createOnce(channel, account)
    if ("id" in outcome) return { is: "created", id: outcome.id, asOf }
    const owner = await findOwner(channel, credential.id, { username, email })
    if (owner.is !== "nobody") return owner
    // Who was in the way may be gone: another run takes back an account that it can't finish.
    if (!isSecond) continue
    // Keycloak compares usernames with e-mails too.
    const crosswise = await findOwner(channel, credential.id, { username: email, email: username })
    if (crosswise.is === "own") return crosswise
    const isImported = crosswise.is === "taken" && crosswise.isImported
    // Of a credential that is used it says no field.
    return outcome.taken === null ? { is: "elsewhere" } : { is: "taken", field: outcome.taken, isImported }
  }
}

async function createOnce(channel: Channel, account: NewClosedAccount): Promise<Exclude<Attempt, { lost: GateError }>> {
  const first = await create(channel, account)
  const outcome = "lost" in first ? await create(channel, account) : first
  if ("lost" in outcome) throw outcome.lost
  return outcome
}

/** Whose account has one of these names. */
export async function findOwner(
  channel: Channel,
  credentialId: string,
  { username, email }: { readonly username: string | null; readonly email: string | null },
): Promise<Exclude<BegunAccount, { is: "created" | "elsewhere" }> | { readonly is: "nobody" }> {
  const named = username === null ? null : await findByUsername(channel, username)
  const ofName = named === null ? null : await ownerOf(channel, credentialId, named, "username")
  if (ofName?.is === "own") return ofName
  const others = email === null ? [] : await findByEmail(channel, email)
  for (const other of others.filter(({ id }) => id !== named?.id)) {
    const ofEmail = await ownerOf(channel, credentialId, other, "email")
    if (ofEmail !== null && (ofEmail.is === "own" || ofName === null)) return ofEmail
  }
  return ofName ?? { is: "nobody" }
}

/** Null: the account is gone meanwhile. */
async function ownerOf(channel: Channel, credentialId: string, account: StoredAccount, field: "username" | "email") {
  const ids = await credentialIds(channel, account.id)
  if (ids === null) return null
  if (ids.includes(credentialId)) return { is: "own", account } as const
  return { is: "taken", field, isImported: ids.some(isCredentialId) } as const
}

/**
 * Opens the door with one change. An account that is not to be enabled stays disabled, and is begun no more.
 *
 * @throws {GateError} `account_rejected` when Keycloak's rules refuse it; the account stays closed then
 */
export async function openAccount(
  channel: Channel,
  id: string,
  { enabled, requiredActions, credential }: OpenedAccount,
): Promise<"done" | "absent"> {
  return writeAccount(channel, id, { enabled, requiredActions, ...(credential && { credentials: [credential] }) })
}

interface OpenedAccount extends Pick<StoredAccount, "enabled" | "requiredActions"> {
  /** In the place of the one that it was begun with. */
  readonly credential?: HashCredential | undefined
}

/** Removes an account that is still closed; whatever else it has become stays. */
export async function removeBegun(channel: Channel, id: string): Promise<void> {
  const account = await readAccount(channel, id)
  if (account !== null && isBegun(account)) await removeAccount(channel, id)
}

type Attempt = CreateOutcome | { readonly taken: "username" | "email" | null }

async function create(channel: Channel, account: NewClosedAccount): Promise<Attempt> {
  const { email, firstName, lastName, groups, attributes, requiredActions, credential, isShut, ...rest } = account
  try {
    return await postAccount(channel, {
      ...rest,
      ...(email !== null && { email }),
      ...(firstName !== null && { firstName }),
      ...(lastName !== null && { lastName }),
      enabled: false,
      credentials: [credential],
      requiredActions: isShut ? requiredActions : [...closingActions, ...requiredActions],
      ...(groups.length > 0 && { groups }),
      ...(Object.keys(attributes).length > 0 && { attributes }),
    })
  } catch (error) {
    if (!isGateError(error) || error.code !== "user_exists") throw error
    return { taken: error.field === "username" || error.field === "email" ? error.field : null }
  }
}
