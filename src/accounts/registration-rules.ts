import { type FieldProblem, GateError } from "../errors.js"
import { named } from "../fields.js"
import { inQuotes } from "../foreign-text.js"
import { createShare } from "../keycloak/share.js"
import type { RegistrationRules } from "./keycloak/rules.js"

/** What `checkRules` looks at: a registration whose fields are usable texts. */
export interface CheckedFields {
  readonly username: string | null
  readonly email: string
  readonly attributes: Readonly<Record<string, readonly string[]>>
}

const maxAgeMs = 300_000
// Keycloak 26.7.4 lets anybody register such a name; its own service accounts have them.
const reservedPrefix = "service-account-"

export interface RulesCache {
  readonly get: () => Promise<RegistrationRules>
  readonly forget: () => void
}

/**
 * The realm's rules, read when first needed and again after five minutes or after Keycloak refused a registration.
 * `elapsed`: milliseconds of a clock that is never set back.
 */
export function createRulesCache(readRules: () => Promise<RegistrationRules>, elapsed: () => number): RulesCache {
  let cached: { rules: RegistrationRules; askedAt: number } | null = null
  const share = createShare<RegistrationRules>()
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
 * Refuses what Keycloak would accept and then not let in, or would silently change.
 *
 * @throws {GateError} `account_rejected`, or `keycloak_refused_us` when Keycloak would drop an attribute
 */
export function checkRules({ username, email, attributes }: CheckedFields, rules: RegistrationRules): void {
  const problems: FieldProblem[] = rules.required
    .filter(name => !["username", "email", "firstName", "lastName"].includes(name) && !Object.hasOwn(attributes, name))
    .map(field => ({ field, rule: "required", params: [] }))
  if (rules.emailAsUsername && username !== null && username.toLowerCase() !== email.toLowerCase()) {
    problems.push({ field: "username", rule: "must_equal_email", params: [] })
  }
  if (problems.length > 0) throw rejected(problems)
  checkKept(Object.keys(attributes), rules)
}

/** @throws {GateError} `keycloak_refused_us` when Keycloak would take one of these attributes and drop it */
export function checkKept(attributes: readonly string[], rules: RegistrationRules): void {
  const dropped = attributes.find(name => !rules.attributes.includes(name))
  if (dropped !== undefined && !rules.keepsUnknownAttributes) {
    throw new GateError(
      "keycloak_refused_us",
      `Keycloak would silently drop the attribute ${inQuotes(dropped)}: the realm's user profile does not know it. Add it under Realm ` +
        "settings → User profile → Create attribute, or allow unmanaged attributes there.",
    )
  }
}

export function rejected(fields: readonly FieldProblem[]): GateError {
  return new GateError("account_rejected", `The realm's rules refuse the account: ${named(fields)}.`, { fields })
}
