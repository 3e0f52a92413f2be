import { createHmac } from "node:crypto"

/** A one-time-code generator of an account (RFC 6238). */
export interface OneTimeCode {
  /** Takes a code once, unless the realm lets codes be used again. */
  readonly accept: (code: string, isReusable: boolean) => boolean
}

const hashes: Readonly<Record<string, string>> = { HmacSHA1: "sha1", HmacSHA256: "sha256", HmacSHA512: "sha512" }
const lookAhead = 1

/** A credential of type `otp` out of a realm file, or null where it is not time-based. */
export function oneTimeCode(secretData: string, credentialData: string): OneTimeCode | null {
  const { value } = JSON.parse(secretData) as { value: string }
  const { subType, digits, period, algorithm } = JSON.parse(credentialData) as {
    subType: string
    digits: number
    period: number
    algorithm: string
  }
  const hash = hashes[algorithm]
  if (subType !== "totp" || hash === undefined) return null
  const used = new Set<number>()

  return {
    accept(code, isReusable) {
      const step = Math.floor(Date.now() / 1000 / period)
      const steps = [step - lookAhead, step, step + lookAhead]
      const found = steps.find(candidate => codeAt(value, candidate, digits, hash) === code)
      if (found === undefined || (used.has(found) && !isReusable)) return false
      used.add(found)
      return true
    },
  }
}

/** Keycloak uses the secret's own bytes as the key, not what they would be in base32. */
function codeAt(secret: string, step: number, digits: number, hash: string): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac(hash, secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 0xf
  const number = mac.readUInt32BE(offset) & 0x7fffffff
  return String(number % 10 ** digits).padStart(digits, "0")
}
