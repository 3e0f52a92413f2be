import { invalidToken } from "../../errors.js"
import { readHeader, splitToken } from "../../keycloak/compact-token.js"
import { checkIssuer } from "../claims.js"
import type { VerifiedToken } from "../verify-bearer.js"
import type { Jwk } from "./fetch-keys.js"
import type { KeySet } from "./key-set.js"
import { importSignatureKey, type SignatureKey } from "./signature.js"

export type VerifyToken = (token: string) => Promise<VerifiedToken>

export interface TokenVerifierParts {
  readonly keySet: KeySet
  readonly issuer: string
  readonly algorithms: readonly string[]
  /** Default: those of access tokens. */
  readonly types?: TokenTypes
}

/** What the header of a token calls it. */
export interface TokenTypes {
  /** In small letters; undefined: it need not say. */
  readonly taken: readonly (string | undefined)[]
  /** For the message. */
  readonly named: string
}

// RFC 8725 §3.11: both are signed with the same keys.
const accessTokenTypes: TokenTypes = {
  taken: [undefined, "jwt", "at+jwt", "application/at+jwt"],
  named: "neither JWT nor at+jwt",
}
/** OpenID Connect Back-Channel Logout §2.4. */
export const logoutTokenTypes: TokenTypes = {
  taken: ["logout+jwt", "application/logout+jwt"],
  named: "not logout+jwt",
}

interface Header {
  readonly alg: string
  readonly kid: string
}

/** A header that came with a good signature, and the key that proved it. */
interface ProvenHeader extends Header {
  readonly encoded: string
  readonly jwk: Jwk
  readonly key: SignatureKey
}

const maxKeyIdLength = 256
// A realm signs with a handful of keys; a client that varies its header gains nothing but a parse per token.
const maxRememberedHeaders = 100

/**
 * Checks a token's signature without asking anybody but the key set.
 *
 * Of another issuer it takes only what a key at hand proves: `parseClaims` refuses that by its issuer as a proven fact, and
 * the operator hears of the host name that his own Keycloak puts into tokens. Whatever else it refuses, nobody has proven.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`, `algorithm`, `type`, `issuer`, `key` or `signature`
 * @throws {GateError} `keycloak_unavailable` when the keys can't be loaded
 */
export function createTokenVerifier(parts: TokenVerifierParts): VerifyToken {
  const { keySet, issuer, algorithms, types = accessTokenTypes } = parts
  /** Only headers of proven tokens are remembered, so that a flood of forged ones can't push them out. */
  const proven = new Map<string, ProvenHeader>()
  /** Nearly always that of the next token too, which need not be hashed then. */
  let latest: ProvenHeader | undefined
  const imported = new WeakMap<Jwk, Map<string, SignatureKey | null>>()

  async function importOnce(jwk: Jwk, alg: string): Promise<SignatureKey | null> {
    const known = imported.get(jwk)?.get(alg)
    if (known !== undefined) return known
    const key = await importSignatureKey(jwk, alg).catch(unusableKey)
    imported.set(jwk, (imported.get(jwk) ?? new Map()).set(alg, key))
    return key
  }

  async function keyFor({ alg, kid }: Header): Promise<{ readonly jwk: Jwk; readonly key: SignatureKey }> {
    for (const jwk of await keySet.find(kid, alg)) {
      const key = await importOnce(jwk, alg)
      if (key !== null) return { jwk, key }
    }
    throw invalidToken("key", "Refused a token signed with a key that the realm does not publish for this algorithm.")
  }

  /** The key at hand that proves a token; starts no request. */
  async function heldProof({ alg, kid }: Header, signed: Buffer, signature: Buffer): Promise<Jwk | null> {
    for (const jwk of keySet.held(kid, alg)) {
      const key = await importOnce(jwk, alg)
      if (await key?.verifies(signed, signature)) return jwk
    }
    return null
  }

  function remember(header: ProvenHeader): void {
    if (proven.size >= maxRememberedHeaders) proven.clear()
    proven.set(header.encoded, header)
    latest = header
  }

  function recall(encodedHeader: string): ProvenHeader | undefined {
    if (latest?.encoded !== encodedHeader) latest = proven.get(encodedHeader)
    return latest
  }

  return async token => {
    const { encodedHeader, payload, signed, signature } = splitToken(token)
    const before = recall(encodedHeader)
    const header = before ?? checkHeader(readHeader(encodedHeader), algorithms, types)
    if (payload.iss !== issuer) {
      // Another realm's token must not cause a request.
      const proof = await heldProof(header, signed, signature)
      if (proof !== null) return { payload, key: proof }
      checkIssuer(payload.iss, issuer)
    }
    const { jwk, key } = before !== undefined && keySet.publishes(before.jwk) ? before : await keyFor(header)
    if (!(await key.verifies(signed, signature))) {
      throw invalidToken("signature", "Refused a token whose signature does not match.")
    }
    if (jwk !== before?.jwk) remember({ ...header, encoded: encodedHeader, jwk, key })
    return { payload, key: jwk }
  }
}

function checkHeader(
  header: Readonly<Record<string, unknown>>,
  algorithms: readonly string[],
  types: TokenTypes,
): Header {
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
  if (!types.taken.includes(typeof typ === "string" ? typ.toLowerCase() : (typ as undefined))) {
    throw invalidToken("type", `Refused a token whose header \`typ\` is ${types.named}.`)
  }
  if (typeof kid !== "string" || kid === "" || kid.length > maxKeyIdLength) {
    throw invalidToken("key", "Refused a token without a usable key id (`kid`).")
  }
  return { alg, kid }
}

function unusableKey(error: unknown): never {
  throw invalidToken("key", "Refused a token whose key, as the realm publishes it, can't be used.", error)
}
