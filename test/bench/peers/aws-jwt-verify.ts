import { JwtVerifier } from "aws-jwt-verify"
import type { Contestant } from "../contestants/contestant.ts"
import type { TokenSet } from "../token-set.ts"

/** Its own fetcher speaks https only, so it is given the keys. */
export function withLocalKeys({ jwk, issuer, audience, certsUrl }: TokenSet): Contestant {
  const verifier = JwtVerifier.create({ issuer, audience, jwksUri: certsUrl })
  verifier.cacheJwks({ keys: [jwk as never] })
  return { verify: authorization => verifier.verify(authorization.slice("Bearer ".length)) }
}
