import { isGateError } from "./errors.js"
import type { ChangeAccount } from "./user/change-account.js"
import { readSubject } from "./user/subject.js"
import type { UserIdentity } from "./user/user-store.js"

/**
 * Deletes an account and the application's row.
 *
 * Wherever it stops, calling it again finishes it, and a subject without an account is no error. In this order: the account
 * is disabled, so that nobody comes back halfway; the row goes; the account goes; and the row once more, should a request
 * on another process have made it again. So there is never a row without an account that a further call can't reach. Where
 * the store refuses to remove the row, the account stays, disabled.
 *
 * This process refuses tokens of the account at once (`invalid_token`, reason `revoked`); another one with `"local"`
 * verification takes them until they expire, and may make the row anew.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 * @throws what the user store throws, untouched
 */
export type DeleteAccount = (subject: string) => Promise<void>

export interface DeleteSteps {
  readonly issuer: string
  readonly changeAccount: ChangeAccount
  readonly deleteAccount: (subject: string) => Promise<void>
  readonly removeUser: (identity: UserIdentity) => Promise<void>
}

export function createDeleteAccount({ issuer, changeAccount, deleteAccount, removeUser }: DeleteSteps): DeleteAccount {
  return async given => {
    const subject = readSubject(given)
    const account = await changeAccount(subject, ({ enabled }) => (enabled ? { enabled: false } : {})).catch(
      (error: unknown) => {
        // Keycloak refuses to write an account whose attributes break the rules of today; it deletes it all the same.
        if (isGateError(error) && error.code === "registration_rejected") return undefined
        throw error
      },
    )
    await removeUser({ issuer, subject })
    if (account === null) return
    await deleteAccount(subject)
    await removeUser({ issuer, subject })
  }
}
