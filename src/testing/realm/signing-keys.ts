import {
  constants,
  createHash,
  createHmac,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  randomUUID,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto"
import { promisify } from "node:util"
import { selfSigned } from "./certificate.js"

/** The realm's keys. They are made for each realm anew, beside its start; no key comes with the package. */
export interface SigningKeys {
  readonly sign: (payload: object, algorithm: string, type: string) => Promise<string>
  /** A refresh token: signed with a secret of the realm, so that nobody else can verify it. */
  readonly signSecretly: (payload: object) => string
  /** The payload of a token that one of this realm's keys has signed, or null. */
  readonly verified: (token: string) => Promise<Readonly<Record<string, unknown>> | null>
  readonly keySet: () => Promise<readonly object[]>
  readonly rotate: (removeOld: boolean) => Promise<void>
}

interface Key {
  readonly kid: string
  readonly algorithm: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly use: "sig" | "enc"
}

export const signingAlgorithms: readonly string[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
]

/** What a client may ask for: Keycloak signs with secrets of the realm too, which nobody else can check. */
export const clientSignatures: readonly string[] = [...signingAlgorithms, "HS256", "HS384", "HS512"]

// Keycloak publishes one beside its signing keys. Nobody encrypts here, and an RSA key takes long to make: one is enough
// for all realms of a process.
let encryptionKey: Promise<Key> | undefined

export function createSigningKeys(realm: string, algorithm: string): SigningKeys {
  let published: Promise<Key>[] = []
  const active = new Map<string, Promise<Key>>()
  const secrets = new Map<string, { readonly id: string; readonly bytes: Buffer }>()
  encryptionKey ??= newKey("RSA-OAEP", "enc")
  const encryption = encryptionKey

  function activate(name: string): Promise<Key> {
    const key = newKey(name, "sig")
    active.set(name, key)
    published = [key, ...published]
    return key
  }

  activate(algorithm)

  function secretFor(name: string): { readonly id: string; readonly bytes: Buffer } {
    const secret = secrets.get(name) ?? { id: randomUUID(), bytes: randomBytes(64) }
    secrets.set(name, secret)
    return secret
  }

  function signedSecretly(payload: object, name: string, type: string): string {
    const content = `${encode({ alg: name, typ: type, kid: secretFor(name).id })}.${encode(payload)}`
    return `${content}.${secretSignature(content, name).toString("base64url")}`
  }

  function secretSignature(content: string, name: string): Buffer {
    return createHmac(`sha${name.slice(2)}`, secretFor(name).bytes)
      .update(content)
      .digest()
  }

  async function isSigned(content: string, { alg, kid }: Header, signature: Buffer): Promise<boolean> {
    if (isSecret(alg)) {
      const expected = secretSignature(content, alg)
      return kid === secretFor(alg).id && signature.length === expected.length && timingSafeEqual(signature, expected)
    }
    const key = (await Promise.all(published)).find(one => one.kid === kid && one.algorithm === alg)
    return key !== undefined && verify(hashOf(alg), Buffer.from(content), cryptoKey(key.publicKey, alg), signature)
  }

  return {
    async sign(payload, name, type) {
      if (isSecret(name)) return signedSecretly(payload, name, type)
      const key = await (active.get(name) ?? activate(name))
      const content = `${encode({ alg: name, typ: type, kid: key.kid })}.${encode(payload)}`
      const signature = sign(hashOf(name), Buffer.from(content), cryptoKey(key.privateKey, name))
      return `${content}.${signature.toString("base64url")}`
    },
    signSecretly: payload => signedSecretly(payload, "HS512", "JWT"),
    async verified(token) {
      const [header = "", payload = "", signature = "", ...rest] = token.split(".")
      const head = decodePart(header) as Header | null
      const body = decodePart(payload)
      if (head === null || body === null || rest.length > 0) return null
      const isGood = await isSigned(`${header}.${payload}`, head, Buffer.from(signature, "base64url"))
      return isGood ? body : null
    },
    async keySet() {
      return (await Promise.all([...published, encryption])).map(key => publicForm(key, realm))
    },
    async rotate(removeOld) {
      if (removeOld) published = []
      await Promise.all([...active.keys()].map(activate))
    },
  }
}

interface Header {
  readonly alg: string
  readonly kid: string
}

function isSecret(algorithm: string): boolean {
  return /^HS(256|384|512)$/.test(algorithm)
}

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options?: object,
) => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>
const curves: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }

async function newKey(algorithm: string, use: "sig" | "enc"): Promise<Key> {
  const namedCurve = curves[algorithm]
  const pair =
    namedCurve !== undefined
      ? generate("ec", { namedCurve })
      : algorithm === "EdDSA"
        ? generate("ed25519", {})
        : generate("rsa", { modulusLength: 2048 })
  const kid = randomBytes(32).toString("base64url")
  return pair.then(({ publicKey, privateKey }) => ({ kid, algorithm, use, publicKey, privateKey }))
}

function publicForm(key: Key, realm: string): object {
  const { kid, algorithm: alg, use, publicKey } = key
  const { kty, ...parameters } = publicKey.export({ format: "jwk" })
  if (kty !== "RSA") return { kid, kty, alg, use, ...parameters }
  const certificate = selfSigned(realm, key)
  const thumbprint = (hash: string) => createHash(hash).update(certificate).digest("base64url")
  return {
    kid,
    kty,
    alg,
    use,
    x5c: [certificate.toString("base64")],
    x5t: thumbprint("sha1"),
    "x5t#S256": thumbprint("sha256"),
    ...parameters,
  }
}

function hashOf(algorithm: string): string | null {
  return algorithm === "EdDSA" ? null : `sha${algorithm.slice(2)}`
}

function cryptoKey(key: KeyObject, algorithm: string) {
  if (algorithm.startsWith("ES")) return { key, dsaEncoding: "ieee-p1363" as const }
  if (!algorithm.startsWith("PS")) return key
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url")
}

/** The object in one part of a token, or null. */
export function decodePart(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString())
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
