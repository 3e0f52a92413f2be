import * as crypto from "node:crypto"
import { NotKnown } from "../answer.js"

/** How a password is told from a wrong one, and what the Admin API shows of it. */
export interface Password {
  readonly isRight: (candidate: string) => boolean
  /** Stored, but Keycloak can't read it back: every login fails with a server error. */
  readonly isUnreadable: boolean
  /** The first login makes another hash of it, by the realm's policy. */
  readonly isForeign: boolean
  readonly credentialData: string
}

/** A password as the credential of an account. */
export interface StoredPassword extends Password {
  readonly id: string
  readonly userLabel: string | null
  readonly createdDate: number
}

/** What Keycloak does by itself, where the realm's policy names no other algorithm. */
const ownHash = JSON.stringify({
  hashIterations: 5,
  algorithm: "argon2",
  additionalParameters: { hashLength: ["32"], memory: ["7168"], type: ["id"], version: ["1.3"], parallelism: ["1"] },
})

/** Kept as it is: this realm lives in the memory of one test. */
export function plainPassword(value: string): Password {
  const bytes = Buffer.from(value)
  return {
    isRight: candidate => sameBytes(Buffer.from(candidate), bytes),
    isUnreadable: value === "",
    isForeign: false,
    credentialData: ownHash,
  }
}

/** As a credential of its own, or in the place of `before`. */
export function storedPassword(password: Password, given: Partial<StoredPassword> = {}): StoredPassword {
  const { id = crypto.randomUUID(), userLabel = null, createdDate = Date.now() } = given
  return { ...password, id, userLabel, createdDate }
}

interface Hash {
  readonly algorithm: string
  readonly iterations: number
  readonly value: Buffer
  readonly salt: Buffer
  readonly parameters: Readonly<Record<string, readonly string[]>>
}

/** The one of a realm file. Its server may have an extension for an algorithm that is not known here. */
export function hashOfFile(secretData: string, credentialData: string): Password {
  const { algorithm } = JSON.parse(credentialData) as { algorithm?: unknown }
  if (algorithm === "argon2" || String(algorithm) in digests) return hashedPassword(secretData, credentialData)
  const isRight = () => {
    throw new NotKnown(`can't check a password that is hashed with ${algorithm}: write it into the file as a value.`)
  }
  return { isRight, isUnreadable: false, isForeign: true, credentialData }
}

/** A hash from elsewhere. Keycloak takes any, and of most mistakes nobody hears: no password fits then. */
export function hashedPassword(secretData: string, credentialData: string): Password {
  const hash = readHash(secretData, credentialData)
  const check = hash === null ? null : checkOf(hash)
  return {
    isUnreadable: (JSON.parse(credentialData) as { algorithm?: unknown }).algorithm === undefined,
    isForeign: true,
    credentialData,
    isRight: candidate => check !== null && hash !== null && sameBytes(check(candidate), hash.value),
  }
}

function readHash(secretData: string, credentialData: string): Hash | null {
  const { value, salt } = JSON.parse(secretData) as { value?: unknown; salt?: unknown }
  const { hashIterations, algorithm, additionalParameters } = JSON.parse(credentialData) as Record<string, unknown>
  const bytes = fromBase64(value)
  const nonce = fromBase64(salt)
  if (bytes === null || nonce === null || nonce.length === 0) return null
  return {
    algorithm: String(algorithm),
    iterations: Number(hashIterations),
    value: bytes,
    salt: nonce,
    parameters: (additionalParameters ?? {}) as Hash["parameters"],
  }
}

/** With its padding, and in the alphabet with `+` and `/`. */
function fromBase64(text: unknown): Buffer | null {
  if (typeof text !== "string") return null
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text ? bytes : null
}

const digests: Readonly<Record<string, string>> = {
  pbkdf2: "sha1",
  "pbkdf2-sha256": "sha256",
  "pbkdf2-sha512": "sha512",
}

/** Null: nothing fits. */
function checkOf(hash: Hash): ((candidate: string) => Buffer) | null {
  const { algorithm, iterations, value, salt } = hash
  if (!(iterations > 0)) return null
  if (algorithm === "argon2") return argon2CheckOf(hash)
  const digest = digests[algorithm]
  if (digest === undefined) return null
  return candidate => crypto.pbkdf2Sync(candidate, salt, iterations, value.length, digest)
}

function argon2CheckOf({ iterations, value, salt, parameters }: Hash): ((candidate: string) => Buffer) | null {
  const one = (name: string) => parameters[name]?.[0]
  const names = ["hashLength", "memory", "type", "version", "parallelism"]
  const [, memory, type, version, parallelism] = names.map(one)
  if (names.some(name => one(name) === undefined) || version !== "1.3" || salt.length < 8) return null
  return candidate => {
    // Node has it since 24.7.
    if (crypto.argon2Sync === undefined)
      throw new NotKnown("can't check a password that is hashed with argon2: write it into the file as a value.")
    return crypto.argon2Sync(`argon2${type}` as "argon2id", {
      message: candidate,
      nonce: salt,
      parallelism: Number(parallelism),
      tagLength: value.length,
      memory: Number(memory),
      passes: iterations,
    })
  }
}

function sameBytes(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && crypto.timingSafeEqual(one, other)
}
