import type { RequestListener } from "node:http"
import fastifyJwt from "@fastify/jwt"
import buildGetJwks from "get-jwks"
import { fastifyWith } from "../guards/fastify.ts"
import type { TokenSet } from "../token-set.ts"

export function withoutCache(tokens: TokenSet): Promise<RequestListener> {
  return withOptions(tokens, {})
}

export function withCache(tokens: TokenSet): Promise<RequestListener> {
  return withOptions(tokens, { cache: 10_000 })
}

function withOptions({ issuer, audience, alg }: TokenSet, options: { cache?: number }): Promise<RequestListener> {
  const keys = buildGetJwks({ issuersWhitelist: [issuer], jwksPath: "protocol/openid-connect/certs" })
  return fastifyWith(async app => {
    await app.register(fastifyJwt, {
      decode: { complete: true },
      secret: (_request: unknown, token: { header: { kid: string } }) =>
        keys.getPublicKey({ domain: issuer, alg, kid: token.header.kid }),
      verify: { algorithms: [alg], allowedIss: issuer, allowedAud: audience, requiredClaims: ["exp"], ...options },
    } as never)
    return async request => void (await request.jwtVerify())
  })
}
