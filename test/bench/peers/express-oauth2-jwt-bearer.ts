import type { RequestListener } from "node:http"
import { auth } from "express-oauth2-jwt-bearer"
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
  return auth({ issuer, audience, jwksUri: certsUrl, tokenSigningAlg: alg })
}
