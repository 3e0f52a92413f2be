import { createHmac } from "node:crypto"
import { NotKnown } from "../answer.js"

/** A one-time-code generator of an account (RFC 6238). */
export interface OneTimeCode {
  /** Takes a code once, unless the realm lets codes be used again. */
  readonly accept: (code: string, policy: OneTimeCodePolicy) => boolean
}

export interface OneTimeCodePolicy {
  readonly isReusable: boolean
  /** How many steps before and after now count. */
  readonly window: number
}

const hashes: Readonly<Record<string, string>> = { HmacSHA1: "sha1", HmacSHA256: "sha256", HmacSHA512: "sha512" }

/** A credential of type `otp` out of a realm file; a login says so where it is not time-based. */
export function oneTimeCode(secretData: string, credentialData: string): OneTimeCode {
  const { value } = JSON.parse(secretData) as { value: string }
  const { subType, secretEncoding, digits, period, algorithm } = JSON.parse(credentialData) as {
    subType: string
    secretEncoding?: string
    digits: number
    period: number
    algorithm: string
  }
  const hash = hashes[algorithm]
  const key = secretEncoding === "BASE32" ? base32(value) : Buffer.from(value)
  const used = new Set<number>()

  return {
    accept(code, { isReusable, window }) {
      if (subType !== "totp" || hash === undefined) throw new NotKnown("knows one-time codes that go by the time only.")
      const first = Math.floor(Date.now() / 1000 / period) - window
      const steps = Array.from({ length: 2 * window + 1 }, (_, index) => first + index)
      const found = steps.find(candidate => codeAt(key, candidate, digits, hash) === code)
      if (found === undefined || (used.has(found) && !isReusable)) return false
      used.add(found)
      return true
    },
  }
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

/** Without it Keycloak uses the secret's own bytes as the key. */
function base32(text: string): Buffer {
  const bits = [...text.replace(/=+$/, "").toUpperCase()]
    .map(letter => alphabet.indexOf(letter).toString(2).padStart(5, "0"))
    .join("")
  return Buffer.from((bits.match(/.{8}/g) ?? []).map(byte => Number.parseInt(byte, 2)))
}

function codeAt(secret: Buffer, step: number, digits: number, hash: string): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac(hash, secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 0xf
  const number = mac.readUInt32BE(offset) & 0x7fffffff
  return String(number % 10 ** digits).padStart(digits, "0")
}
