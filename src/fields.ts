import { type FieldProblem, GateError } from "./errors.js"

/** What one text field of a request may be. */
export interface FieldRule {
  readonly maxLength: number
  readonly optional?: boolean
  /** Blanks alone count as a value: they do in a password. */
  readonly blank?: boolean
}

// Control characters, halves of surrogate pairs and line separators: Keycloak refuses them late or stores them, and
// logs break at them (CWE-117).
const forbidden = /[\p{Cc}\p{Cs}\u2028\u2029]/u

/** Reads named text fields out of whatever a request brought, and everything that is wrong with them. */
export function readFields<Name extends string>(
  input: unknown,
  rules: Readonly<Record<Name, FieldRule>>,
): { values: Partial<Record<Name, string>>; problems: readonly FieldProblem[] } {
  const given = (typeof input === "object" && input !== null ? input : {}) as Record<string, unknown>
  const values: Partial<Record<Name, string>> = {}
  const problems: FieldProblem[] = []
  for (const [field, rule] of Object.entries(rules) as [Name, FieldRule][]) {
    const value = Object.hasOwn(given, field) ? given[field] : undefined
    if (value === undefined && rule.optional === true) continue
    const problem = problemOf(value, rule)
    if (problem === null) values[field] = value as string
    else problems.push({ field, ...problem })
  }
  return { values, problems }
}

/** The error for fields that can't be used; none of them was sent anywhere. */
export function invalidFields(fields: readonly FieldProblem[]): GateError {
  const named = fields.map(({ field, rule }) => `\`${field}\` (${rule})`).join(", ")
  return new GateError("invalid_request", `Refused a request because of its fields ${named}.`, { fields })
}

function problemOf(value: unknown, { maxLength, blank }: FieldRule): Pick<FieldProblem, "rule" | "params"> | null {
  if (value === undefined || value === null) return { rule: "required", params: [] }
  if (typeof value !== "string") return { rule: "not_a_string", params: [] }
  if (value === "" || (blank !== true && value.trim() === "")) return { rule: "empty", params: [] }
  if (value.length > maxLength) return { rule: "too_long", params: [maxLength] }
  if (forbidden.test(value)) return { rule: "control_characters", params: [] }
  return null
}

/** Everything that is wrong with switches that may be left out. */
export function readFlags(input: unknown, names: readonly string[]): readonly FieldProblem[] {
  const given = (typeof input === "object" && input !== null ? input : {}) as Record<string, unknown>
  return names
    .filter(name => given[name] !== undefined && typeof given[name] !== "boolean")
    .map(field => ({ field, rule: "not_a_boolean", params: [] }))
}
