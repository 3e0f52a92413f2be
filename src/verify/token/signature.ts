import { constants, createPublicKey, type JsonWebKey, KeyObject, verify } from "node:crypto"
import type { JWK } from "jose"
import type { Jwk } from "./fetch-keys.js"

/**
 * The signature check itself. Every request with a new token passes here, so it uses OpenSSL through node:crypto in the
 * three ways that were measured to be the cheapest for the main thread (`npm run bench`):
 *
 * - the callback form: the arithmetic runs in Node's thread pool, and many requests at once share its threads. A check
 *   that comes alone stays here if it takes less than being handed over and woken for the answer (`createShortCut`);
 * - bare KeyObjects: an options object beside the key costs more than the whole rest of the call. Only PS* needs one;
 * - ES signatures turned into DER here: Node's own `dsaEncoding: "ieee-p1363"` needs that options object.
 *
 * Whatever is not exactly right is refused before OpenSSL sees it: key type, curve, size, and length of the signature.
 */
export interface SignatureKey {
  /** Whether this key made the signature over these bytes. Never throws for a bad signature. */
  readonly verifies: (signed: Buffer, signature: Buffer) => Promise<boolean>
}

interface Algorithm {
  readonly kty: "RSA" | "EC" | "OKP"
  /** Node's name of the hash; null where the algorithm brings its own. */
  readonly hash: "sha256" | "sha384" | "sha512" | null
  /** Names of JWK curves; none for RSA. */
  readonly curves: readonly string[]
  /** Bytes of `r` and of `s` (RFC 7518 §3.4). */
  readonly integerBytes?: number
  readonly isPss?: boolean
}

const rsa = (hash: Algorithm["hash"], isPss: boolean): Algorithm => ({ kty: "RSA", hash, curves: [], isPss })
const ec = (hash: Algorithm["hash"], curve: string, integerBytes: number): Algorithm => ({
  kty: "EC",
  hash,
  curves: [curve],
  integerBytes,
})

/** RFC 7518 §3.1 and RFC 8037 §3.1: every asymmetric algorithm that Keycloak signs with. A Map: `__proto__` is no algorithm. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map([
  ["RS256", rsa("sha256", false)],
  ["RS384", rsa("sha384", false)],
  ["RS512", rsa("sha512", false)],
  ["PS256", rsa("sha256", true)],
  ["PS384", rsa("sha384", true)],
  ["PS512", rsa("sha512", true)],
  ["ES256", ec("sha256", "P-256", 32)],
  ["ES384", ec("sha384", "P-384", 48)],
  ["ES512", ec("sha512", "P-521", 66)],
  ["EdDSA", { kty: "OKP", hash: null, curves: ["Ed25519", "Ed448"] }],
])

// RFC 7518 §3.3.
const leastRsaBits = 2048
// A longer key takes the main thread more than the thread pool does (3072 bits: 47 and 41 µs where 2048 take 25 and 35).
const mostShortRsaBits = 2048
const signatureBytes: Readonly<Record<string, number>> = { Ed25519: 64, Ed448: 114 }

/**
 * A published key made ready to check signatures of one algorithm, or null where the key is not meant or not fit for it.
 *
 * A key is good for the type, curve, algorithm and use that it names, and no other (RFC 7517 §4, RFC 8725 §3.1).
 *
 * @throws what jose throws for a key that is broken in itself
 */
export async function importSignatureKey(jwk: Jwk, alg: string): Promise<SignatureKey | null> {
  const algorithm = algorithms.get(alg)
  if (algorithm === undefined || !isMeantFor(jwk, alg, algorithm)) return null
  const key = await importKey(jwk, alg)
  if (algorithm.kty === "RSA") return rsaKey(key, algorithm)
  if (algorithm.kty === "EC") return ecKey(key, algorithm)
  return edKey(key, signatureBytes[String(jwk.crv)] ?? 0)
}

function isMeantFor({ kty, crv, alg, key_ops, d }: Jwk, tokenAlg: string, algorithm: Algorithm): boolean {
  if (kty !== algorithm.kty || (alg !== undefined && alg !== tokenAlg)) return false
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes("verify"))) return false
  // Whoever reads a private key can sign with it.
  if (d !== undefined) return false
  return kty === "RSA" || (typeof crv === "string" && algorithm.curves.includes(crv))
}

/** jose reads the key and checks it; 20 ms of import, so it is loaded with the first key. It knows no Ed448. */
async function importKey(jwk: Jwk, alg: string): Promise<KeyObject> {
  // Only what makes the key: `use`, `x5c` and the like don't concern jose.
  const { kty, crv, x, y, n, e } = jwk
  const publicPart = { kty, crv, x, y, n, e } as JWK & JsonWebKey
  if (crv === "Ed448") return createPublicKey({ key: publicPart, format: "jwk" })
  const { importJWK } = await import("jose")
  const imported = await importJWK(publicPart, alg)
  if (imported instanceof Uint8Array) throw new TypeError("a symmetric key checks no signature here")
  return KeyObject.from(imported)
}

function rsaKey(key: KeyObject, { hash, isPss }: Algorithm): SignatureKey | null {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < leastRsaBits) return null
  // RFC 7518 §3.5: the salt is as long as the hash.
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  const verifyWith = isPss ? pss : key
  const bytes = Math.ceil(bits / 8)
  return {
    verifies(signed, signature) {
      if (signature.length !== bytes) return no
      if (bits <= mostShortRsaBits && shortCut.isOpen()) return verify(hash, signed, verifyWith, signature) ? yes : no
      return check(hash, signed, verifyWith, signature)
    },
  }
}

function ecKey(key: KeyObject, { hash, integerBytes = 0 }: Algorithm): SignatureKey {
  return {
    verifies(signed, signature) {
      const der = signature.length === 2 * integerBytes ? toDer(signature, integerBytes) : null
      return der === null ? no : check(hash, signed, key, der)
    },
  }
}

function edKey(key: KeyObject, bytes: number): SignatureKey {
  return { verifies: (signed, signature) => (signature.length === bytes ? check(null, signed, key, signature) : no) }
}

const yes = Promise.resolve(true)
const no = Promise.resolve(false)

function check(
  hash: string | null,
  signed: Buffer,
  key: Parameters<typeof verify>[2],
  signature: Buffer,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(hash, signed, key, signature, (error, isRight) => {
      shortCut.handedBack()
      if (error === null) resolve(isRight)
      else reject(error)
    })
    shortCut.handedOver()
  })
}

/**
 * Whether checks come one at a time, as far as the thread pool has seen.
 *
 * A check here holds up the main thread, so nobody could see that others wait. Hence one in sixty-four goes to the
 * thread pool, and only if it meets no other there, the next 63 stay.
 */
function createShortCut() {
  let underWay = 0
  let hasMet = false
  let left = 0
  return {
    isOpen: () => left-- > 0,
    handedOver(): void {
      left = 0
      hasMet = underWay > 0
      underWay++
    },
    handedBack(): void {
      underWay--
      if (!hasMet) left = 63
    },
  }
}

const shortCut = createShortCut()

/**
 * `r ‖ s` as ASN.1's SEQUENCE of two INTEGERs; null where one of them is zero, which no signature has (CVE-2022-21449).
 *
 * An INTEGER has no leading zero bytes but one before a set high bit. Lengths stay below 256: at most 2 × (2 + 67).
 */
function toDer(raw: Buffer, integerBytes: number): Buffer | null {
  const r = firstSignificant(raw, 0, integerBytes)
  const s = firstSignificant(raw, integerBytes, 2 * integerBytes)
  if (r === integerBytes || s === 2 * integerBytes) return null
  const rLength = integerBytes - r + signByte(raw, r)
  const sLength = 2 * integerBytes - s + signByte(raw, s)
  const length = 4 + rLength + sLength
  const head = length < 128 ? 2 : 3
  const der = Buffer.allocUnsafe(head + length)
  der[0] = 0x30
  if (head === 3) der[1] = 0x81
  der[head - 1] = length
  writeInteger(der, head, rLength, raw.subarray(r, integerBytes))
  writeInteger(der, head + 2 + rLength, sLength, raw.subarray(s))
  return der
}

function writeInteger(der: Buffer, at: number, length: number, bytes: Buffer): void {
  der[at] = 0x02
  der[at + 1] = length
  der[at + 2] = 0 // overwritten where there is no sign byte
  der.set(bytes, at + 2 + length - bytes.length)
}

function firstSignificant(raw: Buffer, from: number, to: number): number {
  let at = from
  while (at < to && raw[at] === 0) at++
  return at
}

function signByte(raw: Buffer, at: number): 0 | 1 {
  return (raw[at] ?? 0) >= 0x80 ? 1 : 0
}
