import { invalidFields, readFields } from "../fields.js"

/**
 * A subject as text that addresses one account.
 *
 * Keycloak's paths without it address all users or the realm, so an empty one must never get there.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when it is no text, empty, too long, `.` or `..`
 */
export function readSubject(subject: unknown): string {
  const { values, problems } = readFields({ subject }, { subject: { maxLength: 255 } })
  if (values.subject === undefined) throw invalidFields(problems)
  if (values.subject === "." || values.subject === "..")
    throw invalidFields([{ field: "subject", rule: "not_a_subject", params: [] }])
  return values.subject
}
