import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"

/**
 * Ends every session of an account in Keycloak, in all applications and on all devices, offline sessions too.
 *
 * After `keycloak_unavailable` some may be open still. Calling again finishes it, and those that began before are ended later
 * even if nobody calls again. An account that does not exist has no session, so that is no error. Their access
 * tokens are refused from then on in this process, and in others with `shared`. Elsewhere they stay valid until they expire
 * where verification is `"local"`.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached; `keycloak_refused_us` when the service account
 * lacks `manage-users`; `config_invalid` without a client secret; `closed` after `close()`
 * @see https://www.keycloak.org/docs-api/latest/rest-api/#_users
 */
export type LogoutEverywhere = (subject: string) => Promise<void>

export const logoutEverywhere: AccountVerb<LogoutEverywhere> = async ({ begin }, subject) => {
  await begin("accounts").sessions.end(readSubject(subject))
}
