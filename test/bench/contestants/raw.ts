import { createPublicKey, type KeyObject, verify } from "node:crypto"
import type { TokenSet } from "../token-set.ts"
import type { Contestant } from "./contestant.ts"

/**
 * The base: one synchronous `crypto.verify` per token, on a bare KeyObject, with everything about the token prepared.
 *
 * For ECDSA that includes the conversion to DER, which Node does faster than `dsaEncoding: "ieee-p1363"` would.
 */
export function raw(tokens: TokenSet): Contestant {
  return prepare(tokens, (hash, data, key, signature) => verify(hash, data, key, signature))
}

/** The same in the thread pool, with nothing around it: nobody who checks signatures there can take less. */
export function inThreadPool(tokens: TokenSet): Contestant {
  return prepare(tokens, (hash, data, key, signature) => {
    return new Promise((resolve, reject) => {
      verify(hash, data, key, signature, (error, isRight) => (error === null ? resolve(isRight) : reject(error)))
    })
  })
}

type Check = (hash: "sha256" | null, data: Buffer, key: KeyObject, signature: Buffer) => unknown

function prepare(tokens: TokenSet, check: Check): Contestant {
  const key = createPublicKey({ key: tokens.jwk, format: "jwk" })
  const hash = tokens.alg === "EdDSA" ? null : "sha256"
  // 2000 of them stay in the processor's caches no worse than a request's own token does.
  const prepared = Array.from({ length: Math.min(tokens.count, 2000) }, (_, index) =>
    parts(tokens.authorization(index), key),
  )
  return {
    checks: "signature",
    verify(authorization) {
      const { data, signature } = parts(authorization, key)
      return check(hash, data, key, signature)
    },
    verifyAt(index) {
      const { data, signature } = prepared[index % prepared.length] as Parts
      return check(hash, data, key, signature)
    },
  }
}

interface Parts {
  readonly data: Buffer
  readonly signature: Buffer
}

function parts(authorization: string, key: KeyObject): Parts {
  const token = authorization.slice("Bearer ".length)
  const dot = token.lastIndexOf(".")
  const signature = Buffer.from(token.slice(dot + 1), "base64url")
  return {
    data: Buffer.from(token.slice(0, dot), "latin1"),
    signature: key.asymmetricKeyType === "ec" ? toDer(signature) : signature,
  }
}

/** RFC 7518 §3.4 to RFC 3279 §2.2.3: R and S of 32 bytes each to a SEQUENCE of two INTEGERs. */
function toDer(signature: Buffer): Buffer {
  const [r, s] = [integer(signature.subarray(0, 32)), integer(signature.subarray(32))]
  return Buffer.concat([Buffer.of(0x30, r.length + s.length), r, s])
}

function integer(bytes: Buffer): Buffer {
  const start = bytes.findIndex(byte => byte !== 0)
  const digits = bytes.subarray(start)
  const sign = (digits[0] ?? 0) > 0x7f ? [0] : []
  return Buffer.concat([Buffer.of(0x02, digits.length + sign.length, ...sign), digits])
}
