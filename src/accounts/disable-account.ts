import { isGateError } from "../errors.js"
import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { setEnabled } from "./set-enabled.js"

/**
 * Shuts an account and ends its sessions, offline ones too.
 *
 * After `keycloak_unavailable` the account may be shut, and its sessions still open. Calling again finishes it. Sessions of an
 * account that was shut are ended later even if nobody calls again. Access tokens are refused from then on in this process,
 * and in others with `shared`. Elsewhere they stay valid until they expire where verification is `"local"`. Keycloak writes an account only if all of its attributes meet the rules of today, so one that
 * does not has to be mended first; its sessions are ended all the same.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text or unknown
 * @throws {GateError} `account_rejected` (with `fields`) when what the account holds breaks the realm's rules, or it is
 * `read_only`
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 */
export type DisableAccount = (subject: string) => Promise<void>

export const disableAccount: AccountVerb<DisableAccount> = async ({ begin }, subject) => {
  const id = readSubject(subject)
  const { changeAccount, sessions } = begin("accounts")
  try {
    await setEnabled(changeAccount, id, false)
  } catch (error) {
    if (isGateError(error) && error.code === "account_rejected") await sessions.end(id)
    throw error
  }
  await sessions.end(id)
}
