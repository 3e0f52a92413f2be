import type { RequestListener } from "node:http"
import { koaJwtSecret } from "jwks-rsa"
import koaJwt from "koa-jwt"
import { koaWith } from "../guards/koa.ts"
import type { TokenSet } from "../token-set.ts"

export function onKoa({ issuer, audience, certsUrl, alg }: TokenSet): RequestListener {
  return koaWith(
    koaJwt({
      // As its own documentation has it.
      secret: koaJwtSecret({ jwksUri: certsUrl, cache: true, rateLimit: true, jwksRequestsPerMinute: 5 }) as never,
      algorithms: [alg],
      issuer,
      audience,
    } as never) as never,
  )
}
