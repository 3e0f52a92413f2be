import { compactVerify, errors, importJWK } from "jose"
import QuickLRU from "quick-lru"
import { checkIssuer } from "../bearer/claims.js"
import { type GateError, invalidToken, isGateError } from "../errors.js"
import { splitToken } from "./compact-token.js"
import type { Jwk, KeySet } from "./key-set.js"

/** The payload of a token whose signature one of the realm's keys has made; its claims are still to be checked. */
export type VerifyToken = (token: string) => Promise<Readonly<Record<string, unknown>>>

export interface TokenVerifierOptions {
  readonly keySet: KeySet
  readonly issuer: string
  readonly algorithms: readonly string[]
  /** 0 remembers nothing. */
  readonly maxCachedTokens: number
}

type Key = Awaited<ReturnType<typeof importJWK>>

const maxKeyIdLength = 256
// RFC 8725 §3.11: a logout token (`logout+jwt`) is signed with the same key as access tokens.
const headerTypes = [undefined, "jwt", "at+jwt", "application/at+jwt"]

/**
 * Checks a token's signature without asking anybody but the key set; what was verified is remembered as long as the
 * realm publishes its key.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`, `algorithm`, `type`, `issuer`, `key` or `signature`
 * @throws {GateError} `keycloak_unavailable` when the keys can't be loaded
 */
export function createTokenVerifier({
  keySet,
  issuer,
  algorithms,
  maxCachedTokens,
}: TokenVerifierOptions): VerifyToken {
  const imported = new WeakMap<Jwk, Map<string, Promise<Key>>>()
  const verified =
    maxCachedTokens === 0
      ? null
      : new QuickLRU<string, { jwk: Jwk; payload: Readonly<Record<string, unknown>> }>({ maxSize: maxCachedTokens })

  function keyFor(jwk: Jwk, alg: string): Promise<Key> {
    const byAlgorithm = imported.get(jwk) ?? new Map<string, Promise<Key>>()
    imported.set(jwk, byAlgorithm)
    const key = byAlgorithm.get(alg) ?? importJWK(jwk, alg)
    byAlgorithm.set(alg, key)
    return key
  }

  return async token => {
    const before = verified?.get(token)
    const found = before === undefined ? undefined : await keySet.find(before.jwk.kid)
    if (before !== undefined && found === before.jwk) return before.payload

    const { header, payload } = splitToken(token)
    const { alg, kid } = checkHeader(header, algorithms)
    // Before any key is looked for: another realm's token must not cause a request.
    checkIssuer(payload.iss, issuer)
    const jwk = found === undefined ? await keySet.find(kid) : found
    if (jwk === null || !fits(jwk, alg)) {
      throw invalidToken("key", "Refused a token signed with a key that the realm does not publish for this algorithm.")
    }
    await compactVerify(token, await keyFor(jwk, alg).catch(unusableKey), { algorithms: [alg] }).catch(refuse)
    verified?.set(token, { jwk, payload })
    return payload
  }
}

function checkHeader(
  header: Readonly<Record<string, unknown>>,
  algorithms: readonly string[],
): { alg: string; kid: string } {
  const { alg, kid, typ } = header
  if (typeof alg !== "string" || !algorithms.includes(alg)) {
    // Keycloak 26.7.4 signs refresh tokens with HS512, under a key of its own.
    const hint = alg === "HS512" ? " It looks like a refresh token: send the access_token." : ""
    throw invalidToken(
      "algorithm",
      `Refused a token whose signature algorithm is not one of ${algorithms.join(", ")}.${hint}`,
    )
  }
  // RFC 7515 §4.1.11, RFC 7797 §7, RFC 7516: extensions that change what the signature means.
  if (header.crit !== undefined || header.b64 !== undefined || header.zip !== undefined || header.cty !== undefined) {
    throw invalidToken("malformed", "Refused a token with `crit`, `b64`, `zip` or `cty` in its header.")
  }
  if (!headerTypes.includes(typeof typ === "string" ? typ.toLowerCase() : (typ as undefined))) {
    throw invalidToken("type", "Refused a token whose header `typ` is neither JWT nor at+jwt.")
  }
  if (typeof kid !== "string" || kid === "" || kid.length > maxKeyIdLength) {
    throw invalidToken("key", "Refused a token without a usable key id (`kid`).")
  }
  return { alg, kid }
}

const curves: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521", EdDSA: "Ed25519" }

/** RFC 7517 §4, RFC 8725 §3.1: a key is good for the algorithm, curve and use that it names, and no other. */
function fits({ kty, crv, alg, key_ops }: Jwk, tokenAlg: string): boolean {
  const keyType = tokenAlg.startsWith("ES") ? "EC" : tokenAlg === "EdDSA" ? "OKP" : "RSA"
  if (kty !== keyType || (alg !== undefined && alg !== tokenAlg)) return false
  if (Array.isArray(key_ops) && !key_ops.includes("verify")) return false
  return keyType === "RSA" || crv === curves[tokenAlg]
}

function unusableKey(error: unknown): never {
  throw invalidToken("key", "Refused a token whose key, as the realm publishes it, can't be used.", error)
}

function refuse(error: unknown): never {
  throw refusalOf(error)
}

function refusalOf(error: unknown): unknown | GateError {
  if (isGateError(error)) return error
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return invalidToken("signature", "Refused a token whose signature does not match.")
  }
  if (error instanceof errors.JOSEError)
    return invalidToken("malformed", "Refused a token that is no valid JWS.", error)
  // jose throws a TypeError for a key that is too short for its algorithm (RFC 7518 §3.3).
  if (error instanceof TypeError)
    return invalidToken("key", "Refused a token whose key does not suit its algorithm.", error)
  return error
}
