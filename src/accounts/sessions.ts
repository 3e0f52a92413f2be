import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { type AccountSession, listSessions } from "./keycloak/sessions.js"

/**
 * The sessions of a person, the one seen last first; none for an account that does not exist.
 *
 * An offline session and the browser session that it began in have one id, and are two entries.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 * @see https://www.keycloak.org/docs-api/latest/rest-api/#_users
 */
export type Sessions = (subject: string) => Promise<readonly AccountSession[]>

export const sessions: AccountVerb<Sessions> = async ({ begin }, subject) => {
  const id = readSubject(subject)
  const found = await listSessions(begin("accounts").channel, id)
  return Object.freeze([...found].sort((one, other) => other.lastSeenAt.getTime() - one.lastSeenAt.getTime()))
}
