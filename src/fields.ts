import { type FieldProblem, GateError } from "./errors.js"
import { printable } from "./foreign-text.js"

/** What one text field of a request may be. */
export interface FieldRule {
  readonly maxLength: number
  /** Whether it may be absent; `"or empty"`: a form sends what was left out as an empty text. */
  readonly optional?: boolean | "or empty"
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
  // Without prototype: an attribute may be named `__proto__`.
  const values: Partial<Record<Name, string>> = Object.create(null)
  const problems: FieldProblem[] = []
  for (const [field, rule] of Object.entries(rules) as [Name, FieldRule][]) {
    const value = Object.hasOwn(given, field) ? given[field] : undefined
    if (value === undefined && rule.optional) continue
    if (rule.optional === "or empty" && typeof value === "string" && value.trim() === "") continue
    const problem = problemOf(value, rule)
    if (problem === null) values[field] = value as string
    else problems.push({ field, ...problem })
  }
  return { values, problems }
}

// What a registration has fields for: Keycloak takes an attribute of such a name for the field itself.
const notAttributes = ["username", "email", "firstName", "lastName", "emailVerified", "attributes"]
/** As many as a request may bring, and as many values as one of them may have. */
export const maxAttributes = 200

/** Names of the attributes that a request brought, and what is wrong with the others: they are foreign text, as values are. */
export function readAttributeNames(attributes: unknown): {
  names: readonly string[]
  problems: readonly FieldProblem[]
} {
  const whole = (rule: string, params: readonly number[] = []) => ({
    names: [],
    problems: [{ field: "attributes", rule, params }],
  })
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) return whole("not_an_object")
  const all = Object.keys(attributes)
  if (all.length > maxAttributes) return whole("too_many", [maxAttributes])
  const names = all.filter(isAttributeName)
  const problems = all
    .filter(name => !names.includes(name))
    .map(field => ({ field, rule: "not_an_attribute", params: [] }))
  return { names, problems }
}

export function isAttributeName(name: string): boolean {
  return !notAttributes.includes(name) && problemOf(name, { maxLength: 255 }) === null
}

/** The error for fields that can't be used; none of them was sent anywhere. */
export function invalidFields(fields: readonly FieldProblem[]): GateError {
  const bounded = boundFields(fields)
  return new GateError("invalid_request", `Refused a request because of its fields ${named(bounded)}.`, {
    fields: bounded,
  })
}

/** Fields and rules of somebody else's naming, for an error that is logged and answered. */
export function boundFields(fields: readonly FieldProblem[]): readonly FieldProblem[] {
  return fields.slice(0, maxAttributes).map(({ field, rule, params }) => ({
    field: printable(field, 255),
    rule: printable(rule, 255),
    params,
  }))
}

/** The first of them, for a message. */
export function named(fields: readonly FieldProblem[]): string {
  const first = fields.slice(0, 10).map(({ field, rule }) => `\`${printable(field)}\` (${printable(rule)})`)
  return first.join(", ") + (fields.length > first.length ? ` and ${fields.length - first.length} more` : "")
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
