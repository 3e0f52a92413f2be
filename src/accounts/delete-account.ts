import { isGateError } from "../errors.js"
import { readSubject } from "../users/subject.js"
import type { UserIdentity } from "../users/user-store.js"
import type { ChangeAccount } from "./change-account.js"

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
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 * @throws {GateError} `store_unavailable` when the user store does not settle in time
 * @throws what the user store throws, untouched
 */
export type DeleteAccount = (subject: string) => Promise<void>

export interface DeleteParts {
  readonly issuer: string
  readonly changeAccount: ChangeAccount
  readonly deleteAccount: (subject: string) => Promise<void>
  readonly removeUser: (identity: UserIdentity) => Promise<void>
}

export function createDeleteAccount({ issuer, changeAccount, deleteAccount, removeUser }: DeleteParts): DeleteAccount {
  return async subject => {
    const id = readSubject(subject)
    const account = await changeAccount(id, ({ enabled }) => (enabled ? { enabled: false } : {})).catch(
      (error: unknown) => {
        // Keycloak refuses to write an account whose attributes break the rules of today; it deletes it all the same.
        if (isGateError(error) && error.code === "account_rejected") return undefined
        throw error
      },
    )
    await removeUser({ issuer, subject: id })
    if (account === null) return
    await deleteAccount(id)
    await removeUser({ issuer, subject: id })
  }
}
