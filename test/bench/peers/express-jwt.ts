import type { RequestListener } from "node:http"
import { expressjwt } from "express-jwt"
import { expressJwtSecret } from "jwks-rsa"
import type { Contestant } from "../contestants/contestant.ts"
import { expressWith } from "../guards/express.ts"
import type { TokenSet } from "../token-set.ts"
import { askMiddleware } from "./ask-middleware.ts"

export function bare(tokens: TokenSet): Contestant {
  return askMiddleware(middleware(tokens))
}

export function onExpress(tokens: TokenSet): RequestListener {
  return expressWith(middleware(tokens))
}

function middleware({ issuer, audience, certsUrl, alg }: TokenSet) {
  return expressjwt({
    // As its own documentation has it.
    secret: expressJwtSecret({ jwksUri: certsUrl, cache: true, rateLimit: true, jwksRequestsPerMinute: 5 }) as never,
    algorithms: [alg as never],
    issuer,
    audience,
  })
}
