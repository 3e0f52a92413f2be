import { constants, createHmac, type KeyObject, randomBytes, sign } from "node:crypto"

/** A part of a token: an object as JSON, or text and bytes exactly as given. */
type Part = object | string | Uint8Array

/** A signed token that no careful library would make: any header, any payload, any algorithm under any name. */
export function signByHand(
  header: Part,
  payload: Part,
  algorithm: string,
  key: KeyObject | string | Uint8Array,
): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signatureOf(input, algorithm, key).toString("base64url")}`
}

const noise = randomBytes(256).toString("base64url")

/** A token's claims with noise for a signature, by its own key or under another key id and algorithm. */
export function forge(token: string, kid?: string, alg = "RS256"): string {
  const [header, payload] = token.split(".")
  const head = kid === undefined ? header : encode({ alg, typ: "JWT", kid })
  return `${head}.${payload}.${noise}`
}

export function encode(part: Part): string {
  const isBytes = typeof part === "string" || part instanceof Uint8Array
  return Buffer.from(isBytes ? (part as string) : JSON.stringify(part)).toString("base64url")
}

/** The raw bytes of a signature (RFC 7518 §3); `key` is the secret itself for HS algorithms. */
export function signatureOf(input: string, algorithm: string, key: KeyObject | string | Uint8Array): Buffer {
  const hash = `sha${algorithm.slice(-3)}`
  const data = Buffer.from(input)
  if (algorithm.startsWith("HS")) return createHmac(hash, key).update(data).digest()
  const privateKey = key as KeyObject
  if (algorithm === "EdDSA") return sign(null, data, privateKey)
  if (algorithm.startsWith("ES")) return sign(hash, data, { key: privateKey, dsaEncoding: "ieee-p1363" })
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST } = constants
  if (algorithm.startsWith("RS")) return sign(hash, data, { key: privateKey, padding: RSA_PKCS1_PADDING })
  return sign(hash, data, { key: privateKey, padding: RSA_PKCS1_PSS_PADDING, saltLength: RSA_PSS_SALTLEN_DIGEST })
}
