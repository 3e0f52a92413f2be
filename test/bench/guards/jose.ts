import type { RequestListener } from "node:http"
import { createRemoteJWKSet, jwtVerify } from "jose"
import type { TokenSet } from "../token-set.ts"
import { expressWith } from "./express.ts"
import { fastifyWith } from "./fastify.ts"
import { koaWith } from "./koa.ts"

/** What people write by hand: jose in a few lines of middleware. */
export function onExpress(tokens: TokenSet): RequestListener {
  const verify = verifierFor(tokens)
  return expressWith(async (request, response, next) => {
    try {
      response.locals.claims = await verify(request.headers.authorization)
    } catch {
      return void response.status(401).end()
    }
    next()
  })
}

export function onFastify(tokens: TokenSet): Promise<RequestListener> {
  const verify = verifierFor(tokens)
  return fastifyWith(async app => {
    app.decorateRequest("claims", null)
    return async (request, reply) => {
      try {
        Object.assign(request, { claims: await verify(request.headers.authorization) })
      } catch {
        return reply.code(401).send()
      }
    }
  })
}

export function onKoa(tokens: TokenSet): RequestListener {
  const verify = verifierFor(tokens)
  return koaWith(async (ctx, next) => {
    try {
      ctx.state.claims = await verify(ctx.headers.authorization)
    } catch {
      ctx.status = 401
      return
    }
    await next()
  })
}

function verifierFor({ issuer, audience, alg, certsUrl }: TokenSet) {
  const keys = createRemoteJWKSet(new URL(certsUrl))
  return async (authorization = "") => {
    const { payload } = await jwtVerify(authorization.slice("Bearer ".length), keys, {
      issuer,
      audience,
      algorithms: [alg],
    })
    return payload
  }
}
