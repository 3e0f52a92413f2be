import { givePassword } from "../accounts/give-password.js"
import { forgetFailures, readAccount, type StoredAccount } from "../accounts/keycloak/account.js"
import type { Channel } from "../accounts/keycloak/channel.js"
import { groupExists } from "../accounts/keycloak/create.js"
import type { RegistrationRules } from "../accounts/keycloak/rules.js"
import { assertKept } from "../accounts/registration-rules.js"
import { tryAgain } from "../accounts/try-again.js"
import { type FieldProblem, GateError, isGateError } from "../errors.js"
import { inQuotes } from "../foreign-text.js"
import type { Deadline } from "../keycloak/deadline.js"
import { refused } from "../keycloak/set-up-errors.js"
import { isPasswordHistory } from "../keycloak/words.js"
import { profileOfAccount } from "../users/custom-profile.js"
import type { UserProfile } from "../users/user-store.js"
import type { AdoptionParts } from "./adoption-parts.js"
import { actionsBehindDoor, beginAccount, findOwner, isBegun, openAccount, removeBegun } from "./closed-account.js"
import { credentialIdOf } from "./credential-id.js"
import { hashOfNothing, toCredential } from "./password-hash.js"
import type { ReadPerson } from "./person.js"
import { tieRow } from "./tie-row.js"

/** One call's means: what it asks of Keycloak, for how long, and the rows. */
export interface Move<User> extends AdoptionParts<User> {
  readonly channel: Channel
  readonly deadline: Deadline
  readonly rules: () => Promise<RegistrationRules>
}

/** A password that was proven to be the person's. */
export interface ProvenPassword {
  readonly value: string
  /**
   * Asks whether the closed account of this name has it: a closed door tells whoever has the right one. Keycloak 26.4.7 says so
   * to everybody.
   */
  readonly isSet: (username: string) => Promise<boolean>
}

export interface MovedPerson {
  readonly account: StoredAccount
  /** `"known"`: it was open already, with whatever password. */
  readonly outcome: "moved" | "known"
}

const maxTries = 3

/**
 * Gives a person an account with the password and ties the row to it, behind a closed door: whoever came before the row would
 * keep an empty one for ever. What stops half-way is closed and begun, and the next login finishes it.
 *
 * @throws {GateError} `account_rejected`, `user_exists`, of which nothing is left that this call has made
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `store_unavailable`, `closed`
 * @throws what the user store throws, untouched
 */
export async function movePerson<User>(
  move: Move<User>,
  person: ReadPerson,
  password: ProvenPassword,
): Promise<MovedPerson> {
  const { channel } = move
  await assertGroupsExist(channel, person.groups)
  if (Object.keys(person.attributes).length > 0) assertKept(Object.keys(person.attributes), await move.rules())
  let gone = goneMeanwhile()
  // Several processes may be at it, and remove what the realm's rules refuse.
  for (let tries = 0; tries < maxTries; tries++) {
    const moved = await tryMove(move, person, password)
    if (!("gone" in moved)) return moved
    gone = moved.gone
  }
  throw gone
}

/** Gone: what was in the way, or was to be gone on with, is not there any more. */
async function tryMove<User>(
  move: Move<User>,
  person: ReadPerson,
  password: ProvenPassword,
): Promise<MovedPerson | { readonly gone: GateError }> {
  const { channel, deadline, connection } = move
  const { issuer } = connection.realm
  const { key, enabled, password: _, ...names } = person
  const credential = credentialIdOf(issuer, key)
  const begun = await beginAccount(channel, {
    ...names,
    username: person.username ?? person.email ?? "",
    // Closed like all others, so that a login that stops half-way is finished.
    isShut: false,
    requiredActions: [],
    // Of no password, since Keycloak asks its policy about a clear one alone, and forgets this mark with it.
    credential: toCredential(credential, hashOfNothing()),
  })
  if (begun.is === "taken" || begun.is === "elsewhere") {
    const error = taken(begun.is === "taken" ? begun.field : null)
    if ((await findOwner(channel, credential, names)).is !== "taken") return { gone: error }
    throw error
  }
  // What Keycloak has made of the names is what the row gets.
  const account = begun.is === "created" ? await readAccount(channel, begun.id) : begun.account
  if (account === null) return { gone: goneMeanwhile() }
  if (!isBegun(account)) return { account, outcome: "known" }

  const isSet = await setPassword(move, account, password).catch(async (error: unknown) => {
    if (begun.is === "created" && isRejected(error)) await remove(channel, account)
    throw error
  })
  if (!isSet) return { gone: goneMeanwhile() }
  if ((await tieRow(move, key, profileOf(move, account), true)) === null) {
    await remove(channel, account)
    throw rowTaken()
  }
  await forgetFailures(channel, account.id)
  // An import has asked for a password, if it knew none.
  const requiredActions = actionsBehindDoor(account).filter(action => action !== "UPDATE_PASSWORD")
  const opened = await tryAgain(deadline, () => openAccount(channel, account.id, { enabled, requiredActions }))
  return opened === "done" ? { account, outcome: "moved" } : { gone: goneMeanwhile() }
}

/** A group that does not exist makes Keycloak answer a create with 500 and nothing more (26.7.4). */
async function assertGroupsExist(channel: Channel, paths: readonly string[]): Promise<void> {
  const areThere = await Promise.all(paths.map(path => groupExists(channel, path)))
  const missing = paths.find((_, index) => !areThere[index])
  if (missing !== undefined)
    throw refused(
      `The realm "${channel.realm.name}" has no group ${inQuotes(missing)}, which \`legacyLogin.verify\` gives`,
    )
}

/** False: there is no such account any more. */
async function setPassword<User>(
  { channel, deadline }: Move<User>,
  { id, username }: StoredAccount,
  { value, isSet }: ProvenPassword,
): Promise<boolean> {
  try {
    const outcome = await givePassword(channel, deadline, id, { value, temporary: false })
    if (typeof outcome === "object") throw outcome.unclear
    return outcome === "set"
  } catch (error) {
    // A realm that remembers passwords refuses the one that an earlier login has set.
    if (isGateError(error) && error.fields?.some(isUsedBefore) && (await isSet(username))) return true
    throw error
  }
}

function isUsedBefore({ rule }: FieldProblem): boolean {
  return isPasswordHistory(rule)
}

/** By the password policy: whoever is told so has another password next time, or another account. */
function isRejected(error: unknown): boolean {
  return isGateError(error) && error.code === "account_rejected"
}

/** Where that fails, the door is closed all the same, and the next login goes on there. */
async function remove(channel: Channel, { id }: StoredAccount): Promise<void> {
  await removeBegun(channel, id).catch((error: unknown) => {
    if (!isGateError(error)) throw error
  })
}

function profileOf<User>({ connection, custom }: Move<User>, account: StoredAccount): UserProfile {
  const { id: subject, attributes, asOf } = account
  return profileOfAccount(custom, { issuer: connection.realm.issuer, subject }, account, attributes, asOf)
}

function taken(field: "username" | "email" | null): GateError {
  return new GateError(
    "user_exists",
    "The password is that of the old row, but Keycloak has another account with its username or e-mail. Nothing was linked. Find " +
      "out whose account that is. If it is theirs, tie the two with linkUsers.",
    { field },
  )
}

function rowTaken(): GateError {
  return new GateError(
    "user_exists",
    "The password is that of a row which has another account by now, or which is not there. Nobody was let in. " +
      "`legacyLogin.verify` should look among the rows without subject alone.",
    { field: null },
  )
}

function goneMeanwhile(): GateError {
  return new GateError("keycloak_unavailable", "Somebody deleted the account while it was being made; try again.")
}
