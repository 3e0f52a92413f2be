import { pbkdf2Sync, timingSafeEqual } from "node:crypto"

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

/** A hash out of a realm file, or null where its algorithm is not one of PBKDF2. */
export function hashedPassword(secretData: string, credentialData: string): Password | null {
  const { value, salt } = JSON.parse(secretData) as { value: string; salt: string }
  const { hashIterations, algorithm } = JSON.parse(credentialData) as { hashIterations: number; algorithm: string }
  const digest = digests[algorithm]
  if (digest === undefined) return null
  const hash = Buffer.from(value, "base64")
  return {
    isUnreadable: false,
    isRight: candidate =>
      sameBytes(pbkdf2Sync(candidate, Buffer.from(salt, "base64"), hashIterations, hash.length, digest), hash),
  }
}

function sameBytes(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
