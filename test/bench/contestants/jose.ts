import { createLocalJWKSet, createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from "jose"
import type { TokenSet } from "../token-set.ts"
import type { Contestant } from "./contestant.ts"

export function local(tokens: TokenSet): Contestant {
  return withKeys(tokens, createLocalJWKSet({ keys: [tokens.jwk] }))
}

export function remote(tokens: TokenSet): Contestant {
  return withKeys(tokens, createRemoteJWKSet(new URL(tokens.certsUrl)))
}

function withKeys({ issuer, audience, alg }: TokenSet, keys: JWTVerifyGetKey): Contestant {
  const options = { issuer, audience, algorithms: [alg] }
  return { verify: authorization => jwtVerify(authorization.slice("Bearer ".length), keys, options) }
}
