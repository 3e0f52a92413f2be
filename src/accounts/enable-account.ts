import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { setEnabled } from "./set-enabled.js"

/**
 * Opens an account that was disabled, by whoever it was. After `keycloak_unavailable` it may be open; calling again finishes it.
 *
 * @throws {GateError} as `disableAccount`
 */
export type EnableAccount = (subject: string) => Promise<void>

export const enableAccount: AccountVerb<EnableAccount> = async ({ begin }, subject) => {
  await setEnabled(begin("accounts").changeAccount, readSubject(subject), true)
}
