import type { FieldProblem } from "../errors.js"
import type { Endpoint } from "../events.js"
import { quoted, quotedName } from "./quoted.js"

/** An answer of Keycloak that refuses something. */
export interface KeycloakError {
  readonly kind: KeycloakErrorKind
  readonly status: number
  /** Foreign text, as the next one is. Empty: there is none. */
  readonly error: string
  /** `error_description`, or the Admin API's `errorMessage`. */
  readonly description: string
  /** Fields that its rules refuse, without what a person typed. */
  readonly fields: readonly FieldProblem[]
}

/**
 * What Keycloak means. `"unknown"`: it speaks in its form, and says something else than is listed here. `"foreign"`: the
 * body has not the form of Keycloak's errors, so something before it may have answered.
 */
export type KeycloakErrorKind =
  | "account_absent"
  | "account_disabled"
  | "account_unfinished"
  | "authenticator_other"
  | "bearer_only"
  | "certificate_wanted"
  | "change_collided"
  | "client_absent"
  | "client_or_secret_wrong"
  | "client_public"
  | "client_unknown"
  | "consent_wanted"
  | "create_undecided"
  | "direct_grants_off"
  | "dpop_wanted"
  | "email_missing"
  | "email_taken"
  | "foreign"
  | "grant_refused"
  | "group_absent"
  | "https_wanted"
  | "login_prohibited"
  | "mail_failed"
  | "name_taken"
  | "openid_missing"
  | "password_refused"
  | "path_absent"
  | "read_only"
  | "realm_absent"
  | "realm_disabled"
  | "redirect_refused"
  | "role_missing"
  | "rules_broken"
  | "scope_refused"
  | "secret_wrong"
  | "service_account_off"
  | "session_absent"
  | "token_lightweight"
  | "token_not_taken"
  | "token_refused"
  | "unknown"
  | "username_missing"
  | "username_taken"

export interface Saying {
  readonly kind: KeycloakErrorKind
  readonly status: number
  /** `error` and then, after a colon, `error_description` or `errorMessage`. */
  readonly words: string | RegExp
  /** Left out: in both versions that the tests run on, 26.4.7 and 26.7.4. */
  readonly onlyIn?: "26.4.7" | "26.7.4"
}

type Refusing = Exclude<Endpoint, "keys" | "discovery">

/**
 * All sentences of Keycloak on which behaviour hangs, by the endpoint that says them. The first that fits is meant.
 *
 * Keycloak speaks English to programs, whatever language the realm speaks. `test/live/words.test.ts` provokes each sentence.
 */
export const sayings: Readonly<Record<Refusing, readonly Saying[]>> = {
  token: [
    { kind: "realm_absent", status: 404, words: "Realm does not exist" },
    { kind: "path_absent", status: 404, words: "Unable to find matching target resource method" },
    { kind: "realm_disabled", status: 403, words: "access_denied: Realm not enabled" },
    {
      kind: "direct_grants_off",
      status: 400,
      words: "unauthorized_client: Client not allowed for direct access grants",
    },
    {
      kind: "service_account_off",
      status: 401,
      words: "unauthorized_client: Client not enabled to retrieve service account",
    },
    {
      kind: "client_public",
      status: 401,
      words: "unauthorized_client: Public client not allowed to retrieve service account",
    },
    { kind: "https_wanted", status: 403, words: "invalid_request: HTTPS required" },
    {
      kind: "authenticator_other",
      status: 400,
      words: "invalid_client: Parameter client_assertion_type is missing",
    },
    { kind: "authenticator_other", status: 400, words: "invalid_client: Missing client_id parameter" },
    { kind: "consent_wanted", status: 400, words: "invalid_client: Client requires user consent" },
    {
      kind: "certificate_wanted",
      status: 400,
      words: "invalid_request: Client Certification missing for MTLS HoK Token Binding",
    },
    // The older version says of such a client that its secret is wrong.
    { kind: "bearer_only", status: 400, words: "invalid_client: Bearer-only not allowed", onlyIn: "26.7.4" },
    { kind: "dpop_wanted", status: 400, words: "invalid_request: DPoP proof is missing" },
    { kind: "secret_wrong", status: 401, words: "unauthorized_client: Invalid client or Invalid client credentials" },
    { kind: "client_unknown", status: 401, words: "invalid_client: Invalid client or Invalid client credentials" },
    { kind: "scope_refused", status: 400, words: /^invalid_scope\b/ },
    { kind: "scope_refused", status: 400, words: /^not_allowed\b/ },
    // Only whoever has the right password hears these two.
    { kind: "account_disabled", status: 400, words: "invalid_grant: Account disabled" },
    { kind: "account_unfinished", status: 400, words: "invalid_grant: Account is not fully set up" },
    // By a client policy; the code is that of a wrong password.
    {
      kind: "login_prohibited",
      status: 400,
      words: "invalid_grant: resource owner password credentials grant is prohibited.",
    },
    { kind: "grant_refused", status: 400, words: /^invalid_grant\b/ },
    // Of a wrong password.
    { kind: "grant_refused", status: 401, words: /^invalid_grant\b/, onlyIn: "26.4.7" },
  ],
  logout: [{ kind: "grant_refused", status: 400, words: /^invalid_grant\b/ }],
  introspection: [
    { kind: "secret_wrong", status: 401, words: "invalid_client: Client authentication failed.", onlyIn: "26.7.4" },
    { kind: "client_or_secret_wrong", status: 401, words: "invalid_request: Authentication failed.", onlyIn: "26.4.7" },
  ],
  userinfo: [
    // The older version takes such tokens.
    {
      kind: "token_lightweight",
      status: 401,
      words: "invalid_token: Lightweight access token not allowed for userinfo endpoint",
      onlyIn: "26.7.4",
    },
    { kind: "token_refused", status: 401, words: /^invalid_token\b/ },
    { kind: "openid_missing", status: 403, words: /^insufficient_scope\b/ },
  ],
  admin: [
    { kind: "realm_absent", status: 404, words: "Realm not found." },
    { kind: "token_not_taken", status: 401, words: "HTTP 401 Unauthorized" },
    { kind: "role_missing", status: 403, words: "HTTP 403 Forbidden" },
    { kind: "account_absent", status: 404, words: "User not found" },
    { kind: "client_absent", status: 404, words: "Client not found" },
    { kind: "group_absent", status: 404, words: "Group path does not exist" },
    // Keycloak writes it with three s.
    { kind: "session_absent", status: 404, words: /^sess+ion not found$/i },
    { kind: "username_taken", status: 409, words: "User exists with same username" },
    { kind: "email_taken", status: 409, words: "User exists with same email" },
    // One of the two, as the loser of a race hears.
    { kind: "name_taken", status: 409, words: /^User exists\b/ },
    // What others of them hear. Only a second create learns more.
    { kind: "create_undecided", status: 400, words: "Could not create user" },
    { kind: "username_missing", status: 400, words: "User name is missing" },
    { kind: "password_refused", status: 400, words: /^invalidPassword/ },
    // Of blanks alone, which a policy is not asked about.
    { kind: "password_refused", status: 400, words: "Empty password not allowed" },
    // Of two changes at once of one password: the database keeps one.
    { kind: "change_collided", status: 400, words: /^Batch update returned unexpected row count\b/ },
    // Of an account in a directory (LDAP) that Keycloak only reads.
    { kind: "read_only", status: 400, words: "Can't reset password as account is read only" },
    { kind: "read_only", status: 400, words: /^The user is read-only\./ },
    { kind: "account_disabled", status: 400, words: "User is disabled" },
    { kind: "email_missing", status: 400, words: "User email missing" },
    { kind: "redirect_refused", status: 400, words: "Invalid redirect uri." },
    { kind: "mail_failed", status: 500, words: /^Failed to send/i },
  ],
}

const all = Object.values(sayings).flat()

/** Reads an answer of 400 or more. `body` is parsed JSON, or the text of what is no JSON. */
export function readKeycloakError(status: number, body: unknown): KeycloakError {
  const members = membersOf(body)
  if (members === null) return { kind: "foreign", status, error: "", description: "", fields: [] }
  const error = text(members.error)
  const description = text(members.error_description) || text(members.errorMessage)
  const broken = status === 400 ? brokenRules(members) : []
  if (broken.length > 0) return { kind: "rules_broken", status, error, description, fields: broken }
  const said = [error, description].filter(Boolean).join(": ")
  const kind = all.find(one => one.status === status && fits(said, one.words))?.kind ?? "unknown"
  return { kind, status, error, description, fields: fieldsOf(kind, error, description) }
}

/** Reads the refusal of an endpoint that says why in `WWW-Authenticate` alone. */
export function readChallenge(status: number, challenge: string): KeycloakError {
  const parameter = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(challenge)?.[1]
  return readKeycloakError(status, { error: parameter("error"), error_description: parameter("error_description") })
}

/** What was said, for a message of ours; empty where nothing was. */
export function wordsOf(said: Said, secret: string | null = null): string {
  return quotedWords(said, secret).join(": ")
}

type Said = Pick<KeycloakError, "error" | "description">

/** The same, apart; `secret` is in none. */
export function quotedWords({ error, description }: Said, secret: string | null = null): readonly string[] {
  return [error, description].filter(text => text !== "").map(text => quoted(text, secret))
}

/** Whether a broken rule is that of a realm which takes each password once. */
export function isPasswordHistory(rule: string): boolean {
  return rule === "invalidPasswordHistoryMessage"
}

const firstMembers = ["error", "errorMessage", "errors", "field"]

/** The members of an error in Keycloak's form, which begins with one of these. Others answer with such members as well. */
function membersOf(body: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof body !== "object" || body === null) return null
  return firstMembers.includes(Object.keys(body)[0] ?? "") ? (body as Readonly<Record<string, unknown>>) : null
}

function text(value: unknown): string {
  return typeof value === "string" ? value : ""
}

function fits(words: string, wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? words === wanted : wanted.test(words)
}

// Of a directory's account, and of usernames that the realm does not let anybody edit.
const readOnlyField = "error-user-attribute-read-only"

/** The rules of the realm's user profile: one with its field, or a list of them. */
function brokenRules({ field, errorMessage, params, errors }: Readonly<Record<string, unknown>>): FieldProblem[] {
  const listed = Array.isArray(errors) ? errors : typeof field === "string" ? [{ field, errorMessage, params }] : []
  return listed.map(one => ({
    field: quotedName(String(one?.field)),
    rule: one?.errorMessage === readOnlyField ? "read_only" : quotedName(String(one?.errorMessage)),
    // Keycloak sends the field's name and, for some rules, what the person typed. Numbers are the rule's own.
    params: Array.isArray(one?.params) ? one.params.filter((param: unknown) => typeof param === "number") : [],
  }))
}

/** Refusals of one field that name it in no member. The password policy names the first rule that was broken. */
function fieldsOf(kind: KeycloakErrorKind, error: string, description: string): readonly FieldProblem[] {
  if (kind === "password_refused") return [{ field: "password", rule: quotedName(error), params: [] }]
  if (kind === "read_only") {
    // Behind the field the sentence names the person.
    const field = /^The user is read-only\. Not possible to write '(\w{1,64})'/.exec(description)?.[1] ?? "password"
    return [{ field, rule: "read_only", params: [] }]
  }
  if (kind === "username_missing") return [{ field: "username", rule: "required", params: [] }]
  return []
}
