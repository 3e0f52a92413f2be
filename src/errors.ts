import { codeAnswers, type GateErrorCode } from "./error-codes.js"
import { inQuotes } from "./foreign-text.js"

/** Why a token was refused; for logs, never sent to the caller. */
export type InvalidTokenReason =
  | "malformed"
  | "too_large"
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

/** What a `GateError` may say beside its code and its message. */
export interface GateErrorDetails {
  /** For logs, never sent. */
  readonly reason?: InvalidTokenReason | UnavailableReason
  /** What is wrong with which field; sent with a status below 500. */
  readonly fields?: readonly FieldProblem[]
  /** The field that is taken, null where nobody can tell; sent. */
  readonly field?: string | null
  /** What was required; sent, and its scopes are named in the challenge. */
  readonly required?: RequiredAccess
  /** When to come again, sent as `Retry-After`; a fraction is rounded up. */
  readonly retryAfterSeconds?: number | null | undefined
  /** Where `syncUsers` goes on. */
  readonly cursor?: string
  /** For logs, never sent. */
  readonly cause?: unknown
}

// A registered symbol, because an application that mixes CommonJS and ES modules loads this class twice.
const brand = Symbol.for("keycloak-gate.error")

/**
 * Everything this library throws on its own account. Throw one yourself, and it is answered as the library's own are.
 *
 * `message`, `reason` and `cause` are for logs: they name what failed, why, and the mend, and hold no secret. What a
 * caller may see comes from `refusalFor`. `status`, `statusCode`, `expose` and `headers` are where Express, Fastify and
 * Koa look for them.
 *
 * @throws {GateError} `config_invalid` when there is no such code
 * @example
 * if (order.owner !== principal.subject) throw new GateError("insufficient_scope", `Order ${order.id} is not theirs.`)
 */
export class GateError extends Error {
  // Also of the class, which the build gives a shorter name.
  static override get name(): string {
    return "GateError"
  }
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
  /** When to come again, in whole seconds, or null. */
  readonly retryAfterSeconds: number | null
  /** Where `syncUsers` goes on. */
  declare readonly cursor?: string

  constructor(code: GateErrorCode, message: string, details: GateErrorDetails = {}) {
    // What is no object says nothing, and is no reason to lose the error.
    const said: GateErrorDetails = Object(details)
    super(message, "cause" in said ? { cause: said.cause } : undefined)
    if (!isCode(code)) {
      const found = typeof code === "string" ? inQuotes(code) : `of type ${typeof code}`
      throw new GateError("config_invalid", `There is no code ${found}: ${Object.keys(codeAnswers).join(", ")}.`)
    }
    const { reason, fields, field, required, retryAfterSeconds, cursor } = said
    this.code = code
    this.status = codeAnswers[code].status
    this.statusCode = this.status
    this.expose = false
    this.retryAfterSeconds = wholeSeconds(retryAfterSeconds)
    this.headers = this.retryAfterSeconds === null ? {} : { "Retry-After": String(this.retryAfterSeconds) }
    if (reason !== undefined) this.reason = reason
    if (fields !== undefined) this.fields = fields
    if (field !== undefined) this.field = field
    if (required !== undefined) this.required = required
    if (cursor !== undefined) this.cursor = cursor
    for (const [name, value] of Object.entries({ ...unsaid[code] }))
      if (!Object.hasOwn(this, name)) Object.defineProperty(this, name, { value })
    Object.defineProperty(this, brand, { value: true })
  }

  /** `instanceof` knows the errors of every copy of this library. A class that extends this one knows its own alone. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a class that extends this one inherits this function.
    return this === GateError ? isGateError(value) : Function.prototype[Symbol.hasInstance].call(this, value)
  }
}

// RFC 9110 §10.2.3: whole seconds, not below 0.
function wholeSeconds(seconds: number | null | undefined): number | null {
  return typeof seconds === "number" && Number.isFinite(seconds) ? Math.ceil(Math.max(0, seconds)) : null
}

/** What `AnyGateError` promises of a code, where it was not said. Not enumerable, since it is no part of the answer. */
const unsaid: Readonly<Partial<Record<GateErrorCode, GateErrorDetails>>> = {
  invalid_token: { reason: "claims" },
  user_exists: { field: null },
  account_rejected: { fields: [] },
}

function isCode(code: unknown): code is GateErrorCode {
  return typeof code === "string" && Object.hasOwn(codeAnswers, code)
}

/** An error of ours with an answer; that of a newer copy of this library may have a code that is not known here. */
export function isAnswered(error: unknown): error is GateError {
  return isGateError(error) && isCode(error.code)
}

type Coded<Code extends GateErrorCode, More = unknown> = Code extends GateErrorCode
  ? GateError & { readonly code: Code } & More
  : never

/**
 * An error of this library, of which its `code` tells what else is on it: `switch (error.code)` narrows it. A class can't.
 */
export type AnyGateError =
  | Coded<"invalid_token", { readonly reason: InvalidTokenReason }>
  | Coded<"keycloak_unavailable", { readonly reason?: UnavailableReason }>
  | Coded<"user_exists", { readonly field: string | null }>
  | Coded<"account_rejected", { readonly fields: readonly FieldProblem[] }>
  | Coded<Exclude<GateErrorCode, "invalid_token" | "keycloak_unavailable" | "user_exists" | "account_rejected">>

/** Tells this library's errors from all others, also across its CommonJS and ES module builds; its `code` narrows it. */
export function isGateError(error: unknown): error is AnyGateError {
  return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[brand] === true
}

/** A token that was refused, with the reason for the log. */
export function invalidToken(reason: InvalidTokenReason, message: string, cause?: unknown): GateError {
  return new GateError("invalid_token", message, cause === undefined ? { reason } : { reason, cause })
}

/** What may be printed about a refused token. */
export interface TokenWarning {
  /**
   * `"proven"`: what the error says of the token is what the realm has signed, or Keycloak's own answer. The others: the
   * text says nothing of the token, which may be anybody's.
   */
  readonly topic: "proven" | "inactive" | "another issuer" | "too large" | "logout token"
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

const setUpFaults = new WeakSet<object>()

/** Marks a refusal whose reason is a caller's fault as a rule, and this time one of the set-up. */
export function ofSetUp(error: GateError): GateError {
  setUpFaults.add(error)
  return error
}

export function isOfSetUp(error: GateError): boolean {
  return setUpFaults.has(error)
}
