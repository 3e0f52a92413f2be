import type { GateError } from "../errors.js"
import { invalidFields, readFields } from "../fields.js"

// Beside accounts, the path of all of them holds these two; dots lead out of it, to the realm itself.
const noSubjects = [".", "..", "count", "profile"]

/**
 * A subject as text that addresses one account.
 *
 * Keycloak's paths without it address all users or the realm, so an empty one must never get there.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when it is no text, empty, too long, or something else has its place
 */
export function readSubject(subject: unknown): string {
  const { values, problems } = readFields({ subject }, { subject: { maxLength: 255 } })
  if (values.subject === undefined) throw invalidFields(problems)
  if (noSubjects.includes(values.subject))
    throw invalidFields([{ field: "subject", rule: "not_a_subject", params: [] }])
  return values.subject
}

/** There is no account of this subject: it was deleted, or is one of another realm. */
export function unknownSubject(): GateError {
  return invalidFields([{ field: "subject", rule: "unknown", params: [] }])
}
