import type { RequestListener } from "node:http"
import { authenticate, requireUser } from "keycloak-gate/koa"
import Koa, { type Middleware } from "koa"
import type { TokenSet } from "../token-set.ts"
import { gateFor } from "./gate.ts"

/** Koa 3 with these guards before its answer. */
export function koaWith(...guards: readonly Middleware[]): RequestListener {
  const app = new Koa()
  for (const guard of guards) app.use(guard)
  app.use(ctx => {
    ctx.body = "ok"
  })
  return app.callback()
}

export function open(): RequestListener {
  return koaWith()
}

export function guarded(tokens: TokenSet): RequestListener {
  return koaWith(authenticate(gateFor(tokens)), requireUser())
}

export function guardedWithoutCache(tokens: TokenSet): RequestListener {
  return koaWith(authenticate(gateFor(tokens, { verifiedTokenCache: false })), requireUser())
}
