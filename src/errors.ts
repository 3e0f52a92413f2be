/** What went wrong, by whose fault it is; each code has one HTTP status, see the README's error table. */
export type GateErrorCode =
  | "config_invalid"
  | "closed"
  | "credentials_missing"
  | "invalid_request"
  | "invalid_token"
  | "insufficient_scope"
  | "invalid_credentials"
  | "account_disabled"
  | "account_setup_required"
  | "session_ended"
  | "user_exists"
  | "account_rejected"
  | "keycloak_unavailable"
  | "keycloak_refused_us"
  | "store_unavailable"

/** Why a token was refused; for logs, never sent to the caller. */
export type InvalidTokenReason =
  | "malformed"
  | "signature"
  | "key"
  | "algorithm"
  | "expired"
  | "not_yet_valid"
  | "issuer"
  | "audience"
  | "type"
  | "bound"
  | "claims"
  | "revoked"

/** Why Keycloak was not asked: the line of those who wait for a place was full, or the place came too late. */
export type UnavailableReason = "overload"

/** One field that was refused: `rule` is ours for malformed input and Keycloak's own key for its rules. */
export interface FieldProblem {
  readonly field: string
  readonly rule: string
  readonly params: readonly (string | number)[]
}

/** What a guard asked for and the principal lacks. */
export interface RequiredAccess {
  readonly realmRoles?: readonly string[]
  readonly clientRoles?: Readonly<Record<string, readonly string[]>>
  readonly scopes?: readonly string[]
  readonly groups?: readonly string[]
  readonly any?: boolean
  readonly kind?: "user" | "service" | "any"
}

export interface GateErrorDetails {
  readonly reason?: InvalidTokenReason | UnavailableReason
  readonly fields?: readonly FieldProblem[]
  readonly field?: string | null
  readonly required?: RequiredAccess
  readonly retryAfterSeconds?: number | null | undefined
  readonly cursor?: string
  readonly cause?: unknown
}

const statusOf: Readonly<Record<GateErrorCode, number>> = {
  config_invalid: 500,
  closed: 503,
  credentials_missing: 401,
  invalid_request: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  invalid_credentials: 401,
  account_disabled: 403,
  account_setup_required: 403,
  session_ended: 401,
  user_exists: 409,
  account_rejected: 422,
  keycloak_unavailable: 503,
  keycloak_refused_us: 500,
  store_unavailable: 503,
}

// A registered symbol, because an application that mixes CommonJS and ES modules loads this class twice.
const brand = Symbol.for("keycloak-gate.error")

/**
 * Everything this library throws on its own account; recognise it with `isGateError`, never with `instanceof`.
 *
 * `message`, `reason` and `cause` are for logs: they name what failed, why, and the mend, and hold no secret. What a
 * caller may see comes from `refusalFor`. `status`, `statusCode`, `expose` and `headers` are where Express, Fastify and
 * Koa look for them.
 */
export class GateError extends Error {
  // Also of the class, which the build gives a shorter name.
  static override readonly name: string = "GateError"
  override readonly name = "GateError"
  readonly code: GateErrorCode
  readonly status: number
  readonly statusCode: number
  readonly expose: boolean
  readonly headers: Readonly<Record<string, string>>
  declare readonly reason?: InvalidTokenReason | UnavailableReason
  declare readonly fields?: readonly FieldProblem[]
  declare readonly field?: string | null
  declare readonly required?: RequiredAccess
  /** What Keycloak asked for, or null. */
  readonly retryAfterSeconds: number | null
  /** Where `syncUsers` goes on. */
  declare readonly cursor?: string

  constructor(code: GateErrorCode, message: string, details: GateErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined)
    this.code = code
    this.status = statusOf[code]
    this.statusCode = this.status
    this.expose = false
    this.retryAfterSeconds = details.retryAfterSeconds ?? null
    this.headers = this.retryAfterSeconds === null ? {} : { "Retry-After": String(this.retryAfterSeconds) }
    if (details.reason !== undefined) this.reason = details.reason
    if (details.fields !== undefined) this.fields = details.fields
    if (details.field !== undefined) this.field = details.field
    if (details.required !== undefined) this.required = details.required
    if (details.cursor !== undefined) this.cursor = details.cursor
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Tells this library's errors from all others, also across its CommonJS and ES module builds. */
export function isGateError(error: unknown): error is GateError {
  return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[brand] === true
}

/** A token that was refused, with the reason for the log. */
export function invalidToken(reason: InvalidTokenReason, message: string, cause?: unknown): GateError {
  return new GateError("invalid_token", message, cause === undefined ? { reason } : { reason, cause })
}

/** What may be printed about a refused token. */
export interface TokenWarning {
  /**
   * `"proven"`: what the error says of the token is what the realm has signed, or Keycloak's own answer. `"inactive"`,
   * `"another issuer"`: the text says nothing of the token, which may be anybody's.
   */
  readonly topic: "proven" | "inactive" | "another issuer"
  /** Default: the error's message. */
  readonly text?: string
}

// Not on the error itself: nobody who logs it need see it.
const tokenWarnings = new WeakMap<object, TokenWarning>()

/** Marks a refusal that may be warned of. Others may not: everybody can send tokens that say anything. */
export function warnable<Thrown>(error: Thrown, warning: TokenWarning = { topic: "proven" }): Thrown {
  if (isGateError(error)) tokenWarnings.set(error, warning)
  return error
}

export function tokenWarningOf(error: GateError): TokenWarning | null {
  return tokenWarnings.get(error) ?? null
}
