import { type GateError, invalidToken, ofSetUp, warnable } from "../errors.js"
import { printable } from "../foreign-text.js"
import { isLightweight } from "../keycloak/compact-token.js"

/** Any JSON value, frozen all the way down. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue }

/**
 * The claims of a verified Keycloak access token; only `parseClaims` makes them, and a principal hands them out deep-frozen.
 *
 * `aud` and roles keep Keycloak's shapes; read roles, scopes and groups from the principal.
 */
export interface Claims {
  readonly iss: string
  readonly sub: string
  /** Seconds since 1970. */
  readonly exp: number
  readonly iat?: number
  readonly aud?: string | readonly string[]
  readonly azp?: string
  readonly [name: string]: JsonValue | undefined
  /** Type only: keeps unverified objects out. */
  readonly "~claims": "verified"
}

/** What this application expects of a token's claims. */
export interface Expectations {
  readonly issuer: string
  /** `null`: the check was typed out of the options. */
  readonly audience: string | null
  readonly clockToleranceSeconds: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Checks the claims of a token whose signature, introspection answer or session was verified before.
 *
 * @throws {GateError} `invalid_token` with reason `type`, `bound`, `issuer`, `claims`, `expired`, `not_yet_valid` or
 * `audience`
 * @see RFC 7519 §4.1, RFC 9068 §4, and the README's "What is checked in a token"
 */
export function parseClaims(payload: Readonly<Record<string, unknown>>, expected: Expectations): Claims {
  try {
    checkAccessToken(payload, expected, true)
    checkAudience(payload, expected.audience)
    checkSubject(payload)
  } catch (error) {
    throw warnable(error)
  }
  return payload as Claims
}

/** What every access token of the realm says, a lightweight one included; exported for the look before introspection. */
export function checkAccessToken(
  payload: Readonly<Record<string, unknown>>,
  expected: Expectations,
  isProven = false,
): void {
  checkType(payload)
  checkIssuer(payload.iss, expected.issuer, isProven)
  checkTimes(payload, expected)
}

// Keycloak signs ID, logout and access tokens with one key: only the payload's `typ` tells them apart.
function checkType(payload: Readonly<Record<string, unknown>>): void {
  if (payload.typ === "ID") {
    throw invalidToken("type", "Refused an ID token: it tells an application who logged in. Send the access_token.")
  }
  // RFC 9449 §7.2, RFC 8705 §3: a bound token is worth nothing without its proof, which we do not check. A DPoP token
  // shows this twice: `cnf`, and `typ` DPoP.
  if (payload.cnf !== undefined || payload.typ === "DPoP") {
    throw invalidToken("bound", "Refused a token that is bound to a key (`cnf`): it was sent as a plain bearer token.")
  }
  if (payload.typ === "bearer") throw ofSetUp(lowerCaseBearer(payload))
  if (payload.typ !== "Bearer") {
    throw invalidToken("type", `Refused a token of type ${shown(payload.typ)}: only "Bearer" is an access token.`)
  }
  // Marks of ID and logout tokens (RFC 8725 §3.12), should a mapper have changed `typ`.
  if (payload.nonce !== undefined || payload.at_hash !== undefined || payload.events !== undefined) {
    throw invalidToken("type", "Refused a token with `nonce`, `at_hash` or `events`: no access token has them.")
  }
}

/** A switch of a client, for which Keycloak writes `typ` as it writes `token_type` of its answers (26.7.4). */
function lowerCaseBearer({ azp }: Readonly<Record<string, unknown>>): GateError {
  const asker = askerOf(azp)
  return invalidToken(
    "type",
    `Refused a token of type "bearer": Keycloak calls its access tokens "Bearer". Clients → ${asker} → Advanced → Open ID Connect ` +
      "Compatibility Modes: switch off Use lower-case bearer type in token responses.",
  )
}

/** Exact comparison; exported because local verification compares before it looks for a key. */
export function checkIssuer(issuer: unknown, expected: string, isProven = false): void {
  if (issuer === expected) return
  throw invalidToken(
    "issuer",
    `Refused a token: its issuer is ${shown(issuer)}, expected ${shown(expected)}${whatDiffers(issuer, expected, isProven)}`,
  )
}

function whatDiffers(issuer: unknown, expected: string, isProven: boolean): string {
  if (typeof issuer !== "string" || !URL.canParse(issuer)) return "."
  const [theirs, ours] = [new URL(issuer), new URL(expected)]
  const [ourServer, theirServer] = [serverOf(expected), serverOf(issuer)]
  if (theirServer === null || !isSameRealm(theirs, ours)) {
    return theirs.origin === ours.origin
      ? ". It comes from another realm of the same server."
      : ". It comes from another server."
  }
  if (theirs.pathname !== ours.pathname) {
    const address = printable(theirServer, 200)
    // Whoever signed nothing of the realm's must not tell anybody where to send passwords.
    const told = isProven ? `Keycloak's public address is ${address}` : `If ${address} is Keycloak's public address`
    return `. ${told}: set \`serverUrl\` to it and \`internalUrl\` to ${ourServer}.`
  }
  return (
    `; only the ${theirs.host === ours.host ? "scheme" : "host"} differs. Without a fixed hostname Keycloak puts the caller's host ` +
    "into every token. Use one address everywhere as `serverUrl`, give this process another one with `internalUrl`, and in " +
    "production start Keycloak with --hostname."
  )
}

function checkTimes(payload: Readonly<Record<string, unknown>>, { clockToleranceSeconds, now }: Expectations): void {
  const seconds = now() / 1000
  const { exp, nbf, iat } = payload
  // `exp: 0` is Keycloak's "never" in registration access tokens; here it is long past.
  if (typeof exp !== "number" || !Number.isFinite(exp))
    throw invalidToken("claims", "Refused a token without a numeric `exp`.")
  if (exp + clockToleranceSeconds <= seconds) {
    const issuedAgo = typeof iat === "number" ? `, issued ${Math.round(seconds - iat)} s ago` : ""
    throw invalidToken(
      "expired",
      `Refused a token that expired ${Math.round(seconds - exp)} s ago${issuedAgo}. If fresh tokens are refused too, this ` +
        "machine's clock is ahead of Keycloak's: turn on time synchronisation; don't raise clockToleranceSeconds to hide it.",
    )
  }
  for (const [name, value] of [
    ["nbf", nbf],
    ["iat", iat],
  ] as const) {
    if (value === undefined) continue
    if (typeof value !== "number" || !Number.isFinite(value))
      throw invalidToken("claims", `Refused a token whose \`${name}\` is no number.`)
    if (value - clockToleranceSeconds > seconds) {
      throw invalidToken(
        "not_yet_valid",
        `Refused a token whose \`${name}\` is ${Math.round(value - seconds)} s in the future: this machine's clock is behind ` +
          "Keycloak's, and expired tokens live that much longer. Turn on time synchronisation.",
      )
    }
  }
}

function checkAudience(payload: Readonly<Record<string, unknown>>, audience: string | null): void {
  if (audience === null) return
  const { aud } = payload
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (audiences.every(one => typeof one === "string") && audiences.includes(audience)) return
  const asker = askerOf(payload.azp)
  if (aud === undefined && isLightweight(payload)) {
    throw invalidToken(
      "audience",
      `Refused a lightweight access token of the client "${asker}": it names no audience, expected "${audience}". ` +
        `${fuller(asker)} On the Audience mapper for ${audience} switch on Add to lightweight access token.`,
    )
  }
  throw invalidToken(
    "audience",
    `Refused an access token: its audience is ${shown(aud)}, expected "${audience}" (issued to client "${asker}"). Keycloak ` +
      `names an API in \`aud\` only if a mapper says so. People with a role of the client "${audience}" get it by the role ` +
      "alone, so they may pass while others are refused. On the client that asks for tokens: " +
      `Clients → ${asker} → Client scopes → ${asker}-dedicated → Configure a new mapper → Audience → Included Client Audience = ` +
      `${audience}. Don't send the ID token instead.`,
  )
}

function checkSubject(payload: Readonly<Record<string, unknown>>): void {
  const { sub, azp } = payload
  if (typeof sub === "string" && sub.trim() !== "") return
  const asker = askerOf(azp)
  const without = "without `sub`, so there is no key for the user row."
  throw invalidToken(
    "claims",
    isLightweight(payload)
      ? `Refused a lightweight access token of the client "${asker}" ${without} ${fuller(asker)} On the mapper of \`sub\` in ` +
          "the client scope `basic` switch on Add to lightweight access token."
      : `Refused an access token ${without} Client "${asker}" lacks the client scope \`basic\`. ` +
          `Clients → ${asker} → Client scopes → Add client scope → basic (Default).`,
  )
}

/** How a token of this client says what it means. The rest of the sentence is about one claim. */
function fuller(asker: string): string {
  return (
    `Switch off Clients → ${asker} → Advanced → Always use lightweight access token, or verify by asking Keycloak ` +
    '(`verification: "introspection"`). To keep such tokens:'
  )
}

/** The client that a token was issued to. */
function askerOf(azp: unknown): string {
  return typeof azp === "string" ? printable(azp) : "the client that asks for tokens"
}

/** What stands before `/realms/`; null for no issuer of Keycloak's. */
function serverOf(issuer: string): string | null {
  return /^(.+)\/realms\/[^/]+$/.exec(issuer)?.[1] ?? null
}

function isSameRealm(one: URL, other: URL): boolean {
  return one.pathname.split("/").pop() === other.pathname.split("/").pop()
}

/** A claim for the log: on one line and not long, so that a token can't write log lines. */
function shown(value: unknown): string {
  const members = Array.isArray(value) ? value : [value]
  // Nested too deep, JSON.stringify throws; and nobody has vouched for this value yet.
  const isFlat = members.every(one => typeof one !== "object" || one === null)
  return isFlat ? printable(JSON.stringify(value) ?? "missing", 200) : "of another shape"
}

/** Frozen all the way down, with a list of what is left instead of a recursion, so that no nesting is too deep. */
export function freezeDeep(claims: Claims): Claims {
  if (Object.isFrozen(claims)) return claims
  const left: object[] = [claims]
  for (const one of left) {
    for (const member of Object.values(Object.freeze(one))) {
      if (typeof member === "object" && member !== null && !Object.isFrozen(member)) left.push(member)
    }
  }
  return claims
}
