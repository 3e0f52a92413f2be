import type { GateError, GateErrorCode } from "./errors.js"
import { isGateError } from "./errors.js"

/** The HTTP answer to an error of ours; `body` is sent as JSON. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

// Constant sentences: nothing of a token or of a request may reach an answer (RFC 6750 §3 allows %x20-21 / %x23-5B /
// %x5D-7E only, so no quotes either).
const descriptions: Readonly<Record<GateErrorCode, string>> = {
  config_invalid: "The application has set up its authentication wrongly.",
  closed: "The application is shutting down.",
  credentials_missing: "This resource needs an access token.",
  invalid_request: "The request is malformed.",
  invalid_token: "The access token is not valid here.",
  insufficient_scope: "The access token is valid but does not allow this.",
  invalid_credentials: "The credentials are not valid.",
  account_disabled: "The account is disabled.",
  account_setup_required: "The account needs to be completed before it can log in.",
  session_ended: "The session has ended; log in again.",
  user_exists: "An account with this username or e-mail exists already.",
  account_rejected: "The account or its password does not meet the rules.",
  keycloak_unavailable: "The login service cannot be reached; try again later.",
  keycloak_refused_us: "The login service does not accept this application.",
  store_unavailable: "The application's own data cannot be reached; try again later.",
}

/** The one HTTP table: the answer to an error of ours, or `null` for an error that is not ours. */
export function refusalFor(error: unknown): Refusal | null {
  if (!isGateError(error)) return null
  const { code, status, headers, fields, field, required } = error
  const body: Record<string, unknown> = { error: code, error_description: descriptions[code] }
  if (fields !== undefined && status < 500) body.fields = fields
  if (field !== undefined) body.field = field
  if (required !== undefined) body.required = required
  return { status, headers: { ...headers, "Cache-Control": "no-store" }, body }
}

/** Adds the challenge of RFC 6750 §3 to an error met while reading a bearer token; other errors stay as they are. */
export function withChallenge(error: unknown, realm: string): unknown {
  if (!isGateError(error) || error.headers["WWW-Authenticate"] !== undefined) return error
  const challenge = challengeFor(error, realm)
  if (challenge === null) return error
  Object.defineProperty(error, "headers", {
    value: { ...error.headers, "WWW-Authenticate": challenge },
    enumerable: true,
  })
  return error
}

function challengeFor(error: GateError, realm: string): string | null {
  const { code, required } = error
  // A realm name may hold quotes and umlauts, which a header may not.
  const scheme = `Bearer realm="${encodeURIComponent(realm)}"`
  if (code === "credentials_missing") return scheme // §3.1: no error code when no credentials were presented
  if (code !== "invalid_request" && code !== "invalid_token" && code !== "insufficient_scope") return null
  const scope = required?.scopes === undefined ? "" : `, scope="${required.scopes.join(" ")}"`
  return `${scheme}, error="${code}", error_description="${descriptions[code]}"${scope}`
}
