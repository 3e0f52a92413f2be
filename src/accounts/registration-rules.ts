import { type FieldProblem, GateError } from "../errors.js"
import { invalidFields, named } from "../fields.js"
import { inQuotes } from "../foreign-text.js"
import { createShare, type Sharing } from "../keycloak/share.js"
import type { RegistrationRules } from "./keycloak/rules.js"

/** A registration whose fields are usable texts, or absent. */
export interface CheckedFields extends AccountNames {
  readonly username: string | null
  readonly attributes: Readonly<Record<string, readonly string[]>>
}

interface AccountNames {
  readonly email: string | null
  readonly firstName: string | null
  readonly lastName: string | null
}

const maxAgeMs = 300_000
// Keycloak 26.7.4 lets anybody register such a name; its own service accounts have them.
const reservedPrefix = "service-account-"

export interface RulesCache {
  readonly get: () => Promise<RegistrationRules>
  /** Those that were read last, however long ago; null before the first time. */
  readonly known: () => RegistrationRules | null
  readonly forget: () => void
}

/**
 * The realm's rules, read when first needed and again after five minutes or after Keycloak refused a registration.
 * `elapsed`: milliseconds of a clock that is never set back.
 */
export function createRulesCache(
  readRules: () => Promise<RegistrationRules>,
  elapsed: () => number,
  sharing: Sharing,
): RulesCache {
  let cached: { rules: RegistrationRules; askedAt: number } | null = null
  const share = createShare<RegistrationRules>(sharing)
  return {
    async get(): Promise<RegistrationRules> {
      const now = elapsed()
      // Of a time to come: a test's clock has begun anew.
      if (cached !== null && cached.askedAt <= now && now - cached.askedAt < maxAgeMs) return cached.rules
      return share("rules", async () => {
        const rules = await readRules()
        cached = { rules, askedAt: now }
        return rules
      })
    },
    known: () => cached?.rules ?? null,
    forget(): void {
      cached = null
    },
  }
}

/** Refused before anything is sent, whatever the realm allows. */
export function checkReserved(username: string | null): void {
  // Also where letters only look like these: full-width ones, for example.
  if (username?.normalize("NFKC").toLowerCase().startsWith(reservedPrefix))
    throw rejected([{ field: "username", rule: "reserved_prefix", params: [reservedPrefix] }])
}

/**
 * Whether a username passes for the e-mail of somebody else. Keycloak takes it (26.7.4), and whoever has that e-mail can't
 * register any more. Without an own e-mail, a name is just a name.
 */
export function isSomebodysEmail(username: string, email: string | null): boolean {
  // An at sign with text on both sides, be it one of those that only look like it.
  const looksLikeEmail = /.@./su.test(username.normalize("NFKC"))
  return looksLikeEmail && email !== null && username.toLowerCase() !== email.toLowerCase()
}

export function notOwnEmail(): GateError {
  return rejected([{ field: "username", rule: "must_equal_email", params: [] }])
}

/**
 * The names that the account will have: without those that the realm's user profile lets nobody but the person write.
 *
 * @throws {GateError} `invalid_request` when a name that is required is absent
 * @throws {GateError} `account_rejected`, `keycloak_refused_us` for what Keycloak would accept and then not let in, or
 * silently change
 */
export function checkRules(given: CheckedFields, rules: RegistrationRules): AccountNames & { username: string } {
  const { attributes, ...names } = given
  const needed = [rules.emailAsUsername ? "email" : "username", ...rules.required]
  const missing = missingNames(given, rules.emailAsUsername ? needed.filter(name => name !== "username") : needed)
  const username = names.username ?? names.email
  if (missing.length > 0 || username === null) throw invalidFields(missing)
  const problems: FieldProblem[] = rules.required
    .filter(field => !isName(field) && !Object.hasOwn(attributes, field))
    .map(isRequired)
  if (rules.emailAsUsername && username.toLowerCase() !== names.email?.toLowerCase())
    problems.push({ field: "username", rule: "must_equal_email", params: [] })
  for (const [field, values] of Object.entries(attributes)) {
    // Keycloak's own word, which it says to whoever sends them all the same.
    if (values.length > 1 && rules.singleValued.includes(field))
      problems.push({ field, rule: "error-invalid-multivalued-size", params: [0, 1] })
  }
  if (problems.length > 0) throw rejected(problems)

  assertKept([...Object.keys(attributes), ...rules.required.filter(isName)], rules)
  const kept = (name: keyof AccountNames) => (rules.writable.includes(name) ? names[name] : null)
  // As a username it is kept whatever the profile says.
  const email = rules.emailAsUsername ? names.email : kept("email")
  return { username, email, firstName: kept("firstName"), lastName: kept("lastName") }
}

/** Which of these are names that are absent. */
export function missingNames(given: CheckedFields, needed: readonly string[]): FieldProblem[] {
  return [...new Set(needed)].filter(field => isName(field) && given[field] === null).map(isRequired)
}

function isName(field: string): field is "username" | keyof AccountNames {
  return ["username", "email", "firstName", "lastName"].includes(field)
}

function isRequired(field: string): FieldProblem {
  return { field, rule: "required", params: [] }
}

/** @throws {GateError} `keycloak_refused_us` when Keycloak would take one of these attributes and drop it */
export function assertKept(attributes: readonly string[], rules: RegistrationRules): void {
  const dropped = attributes.find(name => !isKept(name, rules))
  if (dropped === undefined) return
  throw new GateError(
    "keycloak_refused_us",
    `Keycloak would silently drop the attribute ${inQuotes(dropped)}: ${whyDropped(dropped, rules)}`,
  )
}

function isKept(name: string, { known, writable, keepsUnknown }: RegistrationRules): boolean {
  return writable.includes(name) || (keepsUnknown && !known.includes(name))
}

function whyDropped(name: string, { known }: RegistrationRules): string {
  const where = "Realm settings → User profile"
  return known.includes(name)
    ? `the realm's user profile does not let administrators edit it. Allow that under ${where} → the attribute → Permission.`
    : `the realm's user profile does not know it. Add it under ${where} → Create attribute, or allow unmanaged attributes there.`
}

export function rejected(fields: readonly FieldProblem[]): GateError {
  return new GateError("account_rejected", `The realm's rules refuse the account: ${named(fields)}.`, { fields })
}
