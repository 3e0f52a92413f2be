import { invalidFields, readFields } from "../fields.js"
import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { endSession as endInKeycloak, listSessions } from "./keycloak/sessions.js"
import { isOutage, tryAgain } from "./try-again.js"

/**
 * Ends one session of a person in Keycloak, in all applications that share it; `id` is one of `sessions(subject)`.
 *
 * An id that is not one of theirs is refused, so a person can be given the choice. An offline session and the browser session
 * that it began in have one id, and both end. After `keycloak_unavailable` call again: if
 * the id is unknown by then, it has ended. Its tokens are refused here in any case.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when subject or id is no usable text, or the person has no such session
 * (`id`, rule `unknown`)
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 * @see https://www.keycloak.org/docs-api/latest/rest-api/#_users
 */
export type EndSession = (subject: string, id: string) => Promise<void>

export const endSession: AccountVerb<EndSession> = async ({ begin, endedOne }, subject, given) => {
  const owner = readSubject(subject)
  const { values, problems } = readFields({ id: given }, { id: { maxLength: 255 } })
  if (values.id === undefined) throw invalidFields(problems)
  const { id } = values
  const { channel, deadline } = begin("accounts")
  // Keycloak ends any session of the realm by its id, whosever it is.
  const theirs = (await tryAgain(deadline, () => listSessions(channel, owner))).filter(one => one.id === id)
  if (theirs.length === 0) throw invalidFields([{ field: "id", rule: "unknown", params: [] }])
  try {
    for (const { offline } of theirs) await tryAgain(deadline, () => endInKeycloak(channel, id, offline))
  } catch (error) {
    // Keycloak may have ended it, and whoever calls again can't find it any more.
    if (isOutage(error)) await endedOne(id)
    throw error
  }
  await endedOne(id)
}
