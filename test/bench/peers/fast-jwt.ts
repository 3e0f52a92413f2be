import { createPublicKey } from "node:crypto"
import { createVerifier } from "fast-jwt"
import type { Contestant } from "../contestants/contestant.ts"
import type { TokenSet } from "../token-set.ts"

export function withoutCache(tokens: TokenSet): Contestant {
  return withOptions(tokens, {})
}

export function withCache(tokens: TokenSet): Contestant {
  return withOptions(tokens, { cache: tokens.count })
}

function withOptions({ jwk, alg, issuer, audience }: TokenSet, options: { cache?: number }): Contestant {
  const verify = createVerifier({
    key: createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" }).toString(),
    algorithms: [alg],
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims: ["exp"],
    ...options,
  })
  return { verify: authorization => verify(authorization.slice("Bearer ".length)) }
}
