import type { RequestListener } from "node:http"
import express, { type RequestHandler } from "express"
import { authenticate, requireUser } from "keycloak-gate/express"
import type { TokenSet } from "../token-set.ts"
import { gateFor } from "./gate.ts"

/** Express 5 with these guards before its one route. */
export function expressWith(...guards: readonly RequestHandler[]): RequestListener {
  const app = express()
  app.get("/me", ...guards, (_request, response) => void response.send("ok"))
  // Express's own would print the stack of each refusal.
  app.use(((_error, _request, response, _next) => void response.status(401).end()) as express.ErrorRequestHandler)
  return app
}

export function open(): RequestListener {
  return expressWith()
}

export function guarded(tokens: TokenSet): RequestListener {
  return expressWith(authenticate(gateFor(tokens)), requireUser())
}

export function guardedWithoutCache(tokens: TokenSet): RequestListener {
  return expressWith(authenticate(gateFor(tokens, { verifiedTokenCache: false })), requireUser())
}
