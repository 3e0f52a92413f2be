import { codeAnswers } from "./error-codes.js"
import { type GateError, isAnswered } from "./errors.js"

/** The HTTP answer to an error of ours; `body` is sent as JSON, and `headers` say so. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

/** Of every answer with a body: about a person, or with tokens in it (RFC 6749 §5.1). */
export const jsonNotStored = {
  "Cache-Control": "no-store",
  "Content-Type": "application/json; charset=utf-8",
} as const

/** The answer to an error of ours, or `null` for an error that is not ours. */
export function refusalFor(error: unknown): Refusal | null {
  if (!isAnswered(error)) return null
  const { code, status, headers } = error
  // What was said, and not what stands for it otherwise, which is not enumerable.
  const { fields, field, required } = { ...error }
  const body: Record<string, unknown> = { error: code, error_description: codeAnswers[code].says }
  if (fields !== undefined && status < 500) body.fields = fields
  if (field !== undefined) body.field = field
  if (required !== undefined) body.required = required
  return { status, headers: { ...headers, ...jsonNotStored }, body }
}

/** Adds the challenge of RFC 6750 §3 to an error met while reading a bearer token; other errors stay as they are. */
export function withChallenge(error: unknown, realm: string): unknown {
  if (!isAnswered(error) || error.headers["WWW-Authenticate"] !== undefined) return error
  const challenge = challengeFor(error, realm)
  if (challenge === null) return error
  Object.defineProperty(error, "headers", {
    value: { ...error.headers, "WWW-Authenticate": challenge },
    enumerable: true,
  })
  return error
}

function challengeFor({ code, required }: GateError, realm: string): string | null {
  const { challenge, says } = codeAnswers[code]
  if (challenge === null) return null
  // A realm name may hold quotes and umlauts, which a header may not.
  const scheme = `Bearer realm="${encodeURIComponent(realm)}"`
  if (challenge === "realm") return scheme
  const scopes = required?.scopes?.filter(isScopeToken) ?? []
  return `${scheme}, error="${code}", error_description="${says}"${scopes.length > 0 ? `, scope="${scopes.join(" ")}"` : ""}`
}

// RFC 6749 §3.3 scope-token: it goes into a challenge as it is.
export function isScopeToken(scope: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)
}
