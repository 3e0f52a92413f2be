import { invalidToken } from "../errors.js"
import { hasDuplicateMembers } from "./duplicate-members.js"

/** The parts of a signed token, decoded but not verified. */
export interface CompactToken {
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Readonly<Record<string, unknown>>
}

/**
 * Takes a JWS compact serialisation apart, strictly: one spelling per token.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`
 * @see RFC 7515 §2, §3.1; RFC 4648 §3.5
 */
export function splitToken(token: string): CompactToken {
  const parts = token.split(".", 4)
  const [header, payload, signature] = parts
  if (parts.length !== 3 || !header || !payload || !signature) {
    throw invalidToken("malformed", "Refused a token that has not exactly three parts: it is no signed JWT.")
  }
  if (!isCanonical(signature)) throw notCanonical()
  const headerText = decode(header)
  const decoded = { header: parse(headerText), payload: parse(decode(payload)) }
  if (hasDuplicateMembers(headerText)) {
    throw invalidToken("malformed", "Refused a token whose header names a member twice.")
  }
  return decoded
}

function decode(part: string): string {
  if (!isCanonical(part)) throw notCanonical()
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(part, "base64url"))
  } catch {
    throw invalidToken("malformed", "Refused a token whose header or payload is no UTF-8.")
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // Without the cause: V8's SyntaxError quotes the text, and with it a piece of the token.
    throw invalidToken("malformed", "Refused a token whose header or payload is no JSON.")
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalidToken("malformed", "Refused a token whose header or payload is no JSON object.")
  }
  return json as Record<string, unknown>
}

// Buffer.from skips what it does not know, so the text is compared with its own re-encoding.
function isCanonical(part: string): boolean {
  return Buffer.from(part, "base64url").toString("base64url") === part
}

function notCanonical() {
  return invalidToken("malformed", "Refused a token that is not canonical base64url.")
}
