import * as crypto from "node:crypto"
import { NotKnown } from "../answer.js"

/** How a password is told from a wrong one. */
export interface Password {
  readonly isRight: (candidate: string) => boolean
  /** Stored, but Keycloak can't read it back: every login fails with a server error. */
  readonly isUnreadable: boolean
}

/** Kept as it is: this realm lives in the memory of one test. */
export function plainPassword(value: string): Password {
  const bytes = Buffer.from(value)
  return { isRight: candidate => sameBytes(Buffer.from(candidate), bytes), isUnreadable: value === "" }
}

const digests: Readonly<Record<string, string>> = {
  pbkdf2: "sha1",
  "pbkdf2-sha256": "sha256",
  "pbkdf2-sha512": "sha512",
}

interface Argon2 {
  readonly type?: readonly string[]
  readonly memory?: readonly string[]
  readonly parallelism?: readonly string[]
}

/** A hash out of a realm file; a login says so where its algorithm can't be computed here. */
export function hashedPassword(secretData: string, credentialData: string): Password {
  const { value, salt } = JSON.parse(secretData) as { value: string; salt: string }
  const { hashIterations, algorithm, additionalParameters } = JSON.parse(credentialData) as {
    hashIterations: number
    algorithm: string
    additionalParameters?: Argon2
  }
  const hash = Buffer.from(value, "base64")
  const nonce = Buffer.from(salt, "base64")
  const digest = digests[algorithm]

  function hashOf(candidate: string): Buffer {
    if (digest !== undefined) return crypto.pbkdf2Sync(candidate, nonce, hashIterations, hash.length, digest)
    const { type = ["id"], memory = ["7168"], parallelism = ["1"] } = additionalParameters ?? {}
    // Node has it since 24.7.
    if (algorithm !== "argon2" || crypto.argon2Sync === undefined)
      throw new NotKnown(`can't check a password that is hashed with ${algorithm}: write it into the file as a value.`)
    return crypto.argon2Sync(`argon2${type[0]}` as "argon2id", {
      message: candidate,
      nonce,
      parallelism: Number(parallelism[0]),
      tagLength: hash.length,
      memory: Number(memory[0]),
      passes: hashIterations,
    })
  }

  return { isUnreadable: false, isRight: candidate => sameBytes(hashOf(candidate), hash) }
}

function sameBytes(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && crypto.timingSafeEqual(one, other)
}
