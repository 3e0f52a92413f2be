import { type GateError, isGateError } from "../errors.js"
import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { removeAccount } from "./keycloak/account.js"
import { tryAgain } from "./try-again.js"

/**
 * Deletes an account and the application's row.
 *
 * Wherever it stops, calling it again finishes it, and a subject without an account is no error. In this order: the account
 * is disabled, so that nobody comes back halfway; the row goes; the account goes; and the row once more, should another
 * process have made it again. Where the store refuses to remove the row, the account stays, disabled.
 *
 * This process refuses tokens of the account at once (`invalid_token`, reason `revoked`), and none of its calls makes the row
 * again. Another process that knows the person asks Keycloak before it makes a row anew. One that does not makes the row from
 * any valid token with `"local"` verification: calling this again removes it, and `syncUsers` finds it.
 *
 * Keycloak's copy of an account in a directory (LDAP) goes, and the person's next login makes another one, with another
 * subject. Delete the account in the directory.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text
 * @throws {GateError} `account_rejected` (with `fields`) when it is `read_only`; row and account stay
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 * @throws {GateError} `store_unavailable` when the user store does not settle in time
 * @throws what the user store throws, untouched
 */
export type DeleteAccount = (subject: string) => Promise<void>

export const deleteAccount: AccountVerb<DeleteAccount> = async ({ issuer, begin, removeUser, endingAll }, given) => {
  const subject = readSubject(given)
  const disabled = begin("accounts").changeAccount(subject, ({ enabled }) => (enabled ? { enabled: false } : {}))
  const account = await disabled.catch((error: unknown) => {
    // Keycloak refuses to write an account whose attributes break the rules of today; it deletes it all the same.
    if (isGateError(error) && error.code === "account_rejected" && !isReadOnly(error)) return undefined
    throw error
  })
  await removeUser({ issuer, subject })
  if (account === null) return endingAll(subject, async () => undefined)
  // The store's time counts for nobody: what comes after it has a limit of its own.
  const { deadline, channel } = begin("accounts")
  await endingAll(subject, () => tryAgain(deadline, () => removeAccount(channel, subject)))
  await removeUser({ issuer, subject })
}

/** Keycloak answers 204 to the deletion of an account that it only reads, and the account stays (26.7.4). */
function isReadOnly({ fields = [] }: GateError): boolean {
  return fields.some(({ field, rule }) => field === "enabled" && rule === "read_only")
}
