import { isUtf8 } from "node:buffer"
import { invalidToken } from "../errors.js"
import { hasDuplicateMembers } from "./duplicate-members.js"

/** The parts of a signed token, taken apart but not verified. */
export interface CompactToken {
  /** Still encoded: few headers are distinct, so each is read once (`readHeader`). */
  readonly encodedHeader: string
  readonly payload: Readonly<Record<string, unknown>>
  /** The bytes that were signed: `header.payload` (RFC 7515 §5.2). */
  readonly signed: Buffer
  readonly signature: Buffer
}

/**
 * Takes a JWS compact serialisation apart, strictly: one spelling per token.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`
 * @see RFC 7515 §2, §3.1; RFC 4648 §3.5
 */
export function splitToken(token: string): CompactToken {
  const headerEnd = token.indexOf(".")
  const payloadEnd = token.indexOf(".", headerEnd + 1)
  if (headerEnd < 1 || payloadEnd <= headerEnd + 1 || token.includes(".", payloadEnd + 1)) {
    throw invalidToken("malformed", "Refused a token that has not exactly three parts: it is no signed JWT.")
  }
  // UTF-8 is longer than the text where that is not ASCII: Node's base64 decoder cuts such characters down to a byte. It
  // also takes the other base64 alphabet.
  const bytes = Buffer.from(token, "utf8")
  if (bytes.length !== token.length || token.includes("+") || token.includes("/")) throw notCanonical()
  return {
    encodedHeader: token.slice(0, headerEnd),
    payload: parseObject(decodeText(token.slice(headerEnd + 1, payloadEnd))),
    signed: bytes.subarray(0, payloadEnd),
    signature: decode(token.slice(payloadEnd + 1)),
  }
}

/**
 * The JOSE header: a JSON object that names no member twice.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`
 * @see RFC 7515 §4
 */
export function readHeader(encodedHeader: string): Readonly<Record<string, unknown>> {
  const text = decodeText(encodedHeader)
  const header = parseObject(text)
  // Two readers of one token could each believe another `alg` or `kid`.
  if (hasDuplicateMembers(text)) {
    throw invalidToken("malformed", "Refused a token whose header names a member twice.")
  }
  return header
}

function decode(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url")
  if (!isCanonical(part, bytes.length)) throw notCanonical()
  return bytes
}

// What is read as text at once needs no memory of its own; few tokens have a payload that does not fit.
const scratch = Buffer.allocUnsafeSlow(8192)

function decodeText(part: string): string {
  const bytes = part.length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(part.length)
  const length = bytes.write(part, "base64url")
  if (!isCanonical(part, length)) throw notCanonical()
  const text = bytes.toString("utf8", 0, length)
  // Whatever is no UTF-8 reads as U+FFFD, which a text may also hold by right.
  if (text.includes("\ufffd") && !isUtf8(bytes.subarray(0, length))) throw notJson()
  return text
}

// The decoder skips what it does not know, so two things are checked beside it: the length (nothing was skipped), and the
// bits that the last character leaves unused. Encoding the bytes again and comparing would prove the same at twice the price.
function isCanonical(part: string, byteLength: number): boolean {
  const unused = unusedBits[part.length % 4]
  return (
    part !== "" &&
    unused !== undefined &&
    byteLength === (part.length * 3) >> 2 &&
    (unused === 0 || (alphabet.indexOf(part.charAt(part.length - 1)) & ((1 << unused) - 1)) === 0)
  )
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
// By the length of the last group of characters; one alone can't hold a byte.
const unusedBits: readonly (number | undefined)[] = [0, undefined, 4, 2]

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let json: unknown
  try {
    // A byte order mark is no JSON and stays in the text (RFC 8259 §8.1).
    json = JSON.parse(text)
  } catch {
    // Without the cause: V8's SyntaxError quotes the text, and with it a piece of the token.
    throw notJson()
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalidToken("malformed", "Refused a token whose header or payload is no JSON object.")
  }
  return json as Record<string, unknown>
}

function notJson() {
  return invalidToken("malformed", "Refused a token whose header or payload is no JSON in UTF-8.")
}

function notCanonical() {
  return invalidToken("malformed", "Refused a token that is not canonical base64url.")
}

/**
 * Whether Keycloak calls a token a lightweight one, which says next to nothing. The beginning of `jti` tells: session, token
 * and grant in two letters each, as in `onltro:…` (26.7.4).
 */
export function isLightweight({ jti }: Readonly<Record<string, unknown>>): boolean {
  return typeof jti === "string" && /^..lt..:/.test(jti)
}
