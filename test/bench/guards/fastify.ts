import type { RequestListener } from "node:http"
import Fastify, { type FastifyInstance, type onRequestHookHandler } from "fastify"
import { authenticate, requireUser } from "keycloak-gate/fastify"
import type { TokenSet } from "../token-set.ts"
import { gateFor } from "./gate.ts"

/** Fastify 5 with one route, for which `prepare` may return the hook that guards it. */
export async function fastifyWith(
  prepare: (app: FastifyInstance) => Promise<onRequestHookHandler | null>,
): Promise<RequestListener> {
  const app = Fastify()
  const onRequest = await prepare(app)
  app.get("/me", onRequest === null ? {} : { onRequest }, async () => "ok")
  await app.ready()
  return app.routing
}

export function open(): Promise<RequestListener> {
  return fastifyWith(async () => null)
}

export function guarded(tokens: TokenSet): Promise<RequestListener> {
  return fastifyWith(async app => {
    await app.register(authenticate(gateFor(tokens)))
    return requireUser()
  })
}

export function guardedWithoutCache(tokens: TokenSet): Promise<RequestListener> {
  return fastifyWith(async app => {
    await app.register(authenticate(gateFor(tokens, { verifiedTokenCache: false })))
    return requireUser()
  })
}
