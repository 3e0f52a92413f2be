import { GateError, invalidToken, warnable } from "../errors.js"

// RFC 9110 §11.4 auth-scheme is a token; RFC 6750 §2.1 allows exactly one blank and a b64token after it.
const scheme = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/
const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/

/** What a request presents. */
export interface Presented {
  /** null: the token came by itself, in no header. */
  readonly scheme: "Bearer" | null
  readonly token: string
}

/** How credentials are read out of what an application hands over. */
export interface Credentials {
  readonly scheme: Presented["scheme"]
  /** The text by which they are known again, or null where there are none. */
  readonly textOf: (given: unknown) => string | null
  /** null: these are no Bearer credentials. */
  readonly tokenIn: (text: string, maxTokenBytes: number) => string | null
}

/**
 * The one value of the `Authorization` field, or `null` when it was not sent.
 *
 * @throws {GateError} `invalid_request` when the field is given twice or is no text
 * @see RFC 9110 §5.3
 */
export function onlyHeader(authorization: unknown): string | null {
  if (typeof authorization === "string") return authorization
  if (authorization === null || authorization === undefined) return null
  if (!Array.isArray(authorization)) throw malformed("it is neither a string nor an array of strings")
  if (authorization.length > 1) throw malformed("it was sent more than once (RFC 9110 §5.3)")
  return onlyHeader(authorization[0])
}

/**
 * The bearer token in an `Authorization` header, or `null` when another scheme or nothing was presented.
 *
 * @throws {GateError} `invalid_request` when the header is malformed; `invalid_token` (reason `too_large`) when the token
 * is longer than `maxTokenBytes`
 * @see RFC 6750 §2.1, RFC 9110 §11.4
 */
export function readBearer(header: string, maxTokenBytes: number): string | null {
  if (header === "") return null
  // Nearly everybody spells it like this.
  const name = header.startsWith("Bearer ") ? "Bearer" : scheme.exec(header)?.[0]
  if (name === undefined) throw malformed("it does not start with an authentication scheme")
  if (name !== "Bearer" && name.toLowerCase() !== "bearer") return null
  if (header[name.length] !== " ") throw malformed("`Bearer` must be followed by one blank and the token")
  return bounded(header, name.length + 1, maxTokenBytes)
}

/** The values of an `Authorization` header. */
export const inHeader: Credentials = { scheme: "Bearer", textOf: onlyHeader, tokenIn: readBearer }

/** A token by itself, known again by the header that would bring it. */
export const byItself: Credentials = {
  scheme: null,
  textOf(token) {
    if (token === null || token === undefined || token === "") return null
    if (typeof token !== "string") throw invalidToken("malformed", "Refused a token that is no string.")
    return `Bearer ${token}`
  },
  tokenIn: (text, maxTokenBytes) => bounded(text, "Bearer ".length, maxTokenBytes),
}

function bounded(text: string, start: number, maxTokenBytes: number): string {
  if (text.length - start <= maxTokenBytes) return text.slice(start)
  throw warnable(tooLarge(maxTokenBytes), { topic: "too large" })
}

/** Says nothing of the token, which nobody has looked at. */
function tooLarge(maxTokenBytes: number): GateError {
  return invalidToken(
    "too_large",
    `Refused a token of more than ${maxTokenBytes} bytes (\`maxTokenBytes\`). If it is one of Keycloak's, roles and groups ` +
      "make it long: switch off Clients → (client) → Client scopes → (client)-dedicated → Scope → Full scope allowed. Or raise " +
      "`maxTokenBytes`; Node itself refuses headers of more than 16 kB unless --max-http-header-size says more.",
  )
}

/**
 * The error behind a token that was refused with this one. A signed JWT has no characters that no token has, so this is
 * only asked about what turned out to be none: a header with such characters is malformed (400), otherwise the token is
 * bad (401).
 */
export function whyRefused({ scheme, token }: Presented, error: unknown): unknown {
  if (scheme === null || bearerToken.test(token)) return error
  return malformed("what follows `Bearer ` is not one single token")
}

function malformed(why: string): GateError {
  return new GateError("invalid_request", `Refused a malformed Authorization header: ${why}.`)
}
