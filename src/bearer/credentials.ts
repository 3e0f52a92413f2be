import { GateError, invalidToken } from "../errors.js"

// RFC 9110 §11.4 auth-scheme is a token; RFC 6750 §2.1 allows exactly one blank and a b64token after it.
const scheme = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/
const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/

/**
 * The bearer token in the values of an `Authorization` header, or `null` when none was presented.
 *
 * @throws {GateError} `invalid_request` when the header is given twice or malformed; `invalid_token` (reason
 * `malformed`) when the token is longer than `maxTokenBytes`
 * @see RFC 6750 §2.1, RFC 9110 §11.4
 */
export function readBearer(
  authorization: string | readonly string[] | null | undefined,
  maxTokenBytes: number,
): string | null {
  const header = onlyValue(authorization)
  if (header === null || header === "") return null
  const name = scheme.exec(header)?.[0]
  if (name === undefined) throw malformed("it does not start with an authentication scheme")
  if (name.toLowerCase() !== "bearer") return null
  if (header[name.length] !== " ") throw malformed("`Bearer` must be followed by one blank and the token")
  if (header.length - name.length - 1 > maxTokenBytes) {
    throw invalidToken("malformed", `Refused a token of more than ${maxTokenBytes} bytes (\`maxTokenBytes\`).`)
  }
  const token = header.slice(name.length + 1)
  if (!bearerToken.test(token)) throw malformed("what follows `Bearer ` is not one single token")
  return token
}

function onlyValue(authorization: unknown): string | null {
  if (authorization === null || authorization === undefined) return null
  if (typeof authorization === "string") return authorization
  if (!Array.isArray(authorization)) throw malformed("it is neither a string nor an array of strings")
  if (authorization.length === 0) return null
  if (authorization.length > 1) throw malformed("it was sent more than once (RFC 9110 §5.3)")
  return onlyValue(authorization[0])
}

function malformed(why: string): GateError {
  return new GateError("invalid_request", `Refused a malformed Authorization header: ${why}.`)
}
