import { type GateError, invalidToken, ofSetUp, warnable } from "../errors.js"
import { printable } from "../foreign-text.js"
import { readHeader, splitToken } from "../keycloak/compact-token.js"
import type { VerifyToken } from "../verify/token/token-verifier.js"
import type { Revocation } from "./revocation.js"

/** What a logout token says. */
export interface LogoutToken {
  /** `jti`: no token is taken twice. */
  readonly id: string
  /** Seconds since 1970. */
  readonly exp: number
  /** The session that it names, or, if it names none, what its person had until then. */
  readonly revocation: Revocation
}

export interface LogoutTokenParts {
  readonly verifySignature: VerifyToken
  readonly issuer: string
  readonly clockToleranceSeconds: number
  readonly maxTokenBytes: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Reads a logout token that is meant for one of these clients.
 *
 * @throws {GateError} `invalid_token` with the reason; `keycloak_unavailable` when keys can't be loaded
 */
export type ReadLogoutToken = (token: string, clients: readonly string[]) => Promise<LogoutToken>

type Payload = Readonly<Record<string, unknown>>

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

/**
 * Every check of OpenID Connect Back-Channel Logout 1.0 §2.6, in its order, but for `jti`, which whoever takes the token
 * looks after.
 */
export function createReadLogoutToken(parts: LogoutTokenParts): ReadLogoutToken {
  const { verifySignature, issuer, maxTokenBytes } = parts
  return async (token, clients) => {
    if (token.length > maxTokenBytes)
      throw invalidToken("too_large", `Refused a logout token of more than ${maxTokenBytes} bytes.`)
    checkAlgorithm(token)
    const { payload } = await verifySignature(token)
    try {
      return readClaims(payload, clients, parts)
    } catch (error) {
      throw warnable(error, { topic: "logout token" })
    }
  }

  function readClaims(payload: Payload, clients: readonly string[], expected: LogoutTokenParts): LogoutToken {
    if (payload.iss !== issuer) throw invalidToken("issuer", "Refused a logout token of another issuer.")
    checkAudience(payload.aud, clients)
    const { iat, exp } = readTimes(payload, expected)
    // Keycloak's own mark, and one more that this is no other kind of token (RFC 8725 §3.12).
    if (payload.typ !== undefined && payload.typ !== "Logout")
      throw invalidToken("type", "Refused a logout token whose `typ` is not Logout.")
    const subject = textOf(payload, "sub")
    const session = textOf(payload, "sid")
    if (!isObject(payload.events) || !isObject(payload.events[logoutEvent]))
      throw invalidToken("claims", `Refused a logout token whose \`events\` does not hold "${logoutEvent}".`)
    if (payload.nonce !== undefined)
      throw invalidToken("type", "Refused a logout token with `nonce`: ID tokens have it.")
    const id = textOf(payload, "jti")
    if (id === null) throw invalidToken("claims", "Refused a logout token without `jti`.")
    if (session !== null) return { id, exp, revocation: { kind: "session", issuer, session } }
    if (subject === null) throw invalidToken("claims", "Refused a logout token with neither `sid` nor `sub`.")
    // By Keycloak's second: the session of a later login can have tokens of it, too.
    return { id, exp, revocation: { kind: "subject", issuer, subject, before: iat, doubtUntil: iat } }
  }
}

/** Keycloak signs it as it signs ID tokens of the client, and for HS256 with a secret that is in no key set (26.7.4). */
function checkAlgorithm(token: string): void {
  const { alg } = readHeader(splitToken(token).encodedHeader)
  if (typeof alg !== "string" || !/^HS\d+$/.test(alg)) return
  throw warnable(ofSetUp(secretlySigned(alg)), { topic: "logout token" })
}

function secretlySigned(alg: string): GateError {
  return invalidToken(
    "algorithm",
    `Refused a logout token that is signed with ${printable(alg, 10)}, which nobody but Keycloak can check. If it is Keycloak's, ` +
      "sessions that end are not known here until it signs in another way: Clients → (the client whose Backchannel logout URL " +
      "leads here) → Advanced → Fine grain OpenID Connect configuration → ID token signature algorithm: RS256, or empty.",
  )
}

function checkAudience(aud: unknown, clients: readonly string[]): void {
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (audiences.every(one => typeof one === "string") && audiences.some(one => clients.includes(one))) return
  const shown = audiences.every(one => typeof one === "string")
    ? printable(audiences.join(", "), 200)
    : "of another shape"
  throw invalidToken(
    "audience",
    `Refused a logout token: its audience is ${shown}, expected ${clients.join(" or ")}. Keycloak sends one to each client of ` +
      "the session, and names that client in it: list it in `clients` of backchannelLogoutHandler.",
  )
}

function readTimes(payload: Payload, { clockToleranceSeconds, now }: LogoutTokenParts): { iat: number; exp: number } {
  const { iat, exp, nbf } = payload
  const seconds = now() / 1000
  if (!isTime(exp)) throw invalidToken("claims", "Refused a logout token without a numeric `exp`.")
  if (!isTime(iat)) throw invalidToken("claims", "Refused a logout token without a numeric `iat`.")
  if (nbf !== undefined && !isTime(nbf))
    throw invalidToken("claims", "Refused a logout token whose `nbf` is no number.")
  if (exp + clockToleranceSeconds <= seconds)
    throw invalidToken("expired", `Refused a logout token that expired ${Math.round(seconds - exp)} s ago.`)
  if (Math.max(iat, nbf ?? iat) - clockToleranceSeconds > seconds)
    throw invalidToken(
      "not_yet_valid",
      "Refused a logout token of the future: this machine's clock is behind Keycloak's.",
    )
  return { iat: Math.floor(iat), exp }
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0
}

/** Null where it is absent. */
function textOf(payload: Payload, claim: "sub" | "sid" | "jti"): string | null {
  const value = payload[claim]
  if (value === undefined) return null
  // As long as what `revoke` takes; no id of Keycloak's holds control characters.
  if (typeof value === "string" && /^[^\p{Cc}\p{Cs}\u2028\u2029]{1,255}$/u.test(value)) return value
  throw invalidToken("claims", `Refused a logout token whose \`${claim}\` is no usable text.`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
