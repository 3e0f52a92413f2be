import { GateError, invalidToken } from "../errors.js"

// RFC 9110 §11.4 auth-scheme is a token; RFC 6750 §2.1 allows exactly one blank and a b64token after it.
const scheme = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/
const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/

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
 * @throws {GateError} `invalid_request` when the header is malformed; `invalid_token` (reason `malformed`) when the token
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
  if (header.length - name.length - 1 > maxTokenBytes) {
    throw invalidToken("malformed", `Refused a token of more than ${maxTokenBytes} bytes (\`maxTokenBytes\`).`)
  }
  return header.slice(name.length + 1)
}

/**
 * The error behind a token that was refused with this one. A signed JWT has no characters that no token has, so this is
 * only asked about what turned out to be none: with such characters the request is malformed (400), otherwise the token
 * is bad (401).
 */
export function whyRefused(token: string, error: unknown): unknown {
  return bearerToken.test(token) ? error : malformed("what follows `Bearer ` is not one single token")
}

function malformed(why: string): GateError {
  return new GateError("invalid_request", `Refused a malformed Authorization header: ${why}.`)
}
