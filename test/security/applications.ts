import { createServer } from "node:http"
import { connect } from "node:net"
import { getRequestListener } from "@hono/node-server"
import { bodyParser } from "@koa/bodyparser"
import Router from "@koa/router"
import express from "express"
import fastify, { type FastifyInstance } from "fastify"
import { Hono } from "hono"
import Koa from "koa"
import * as onExpress from "../../src/adapters/express.js"
import * as onFastify from "../../src/adapters/fastify.js"
import * as onHono from "../../src/adapters/hono.js"
import * as onKoa from "../../src/adapters/koa.js"
import * as onWeb from "../../src/adapters/web.js"
import type { Gate, Principal } from "../../src/index.js"
import type { Requirements } from "../../src/verify/requirements.js"
import { type Listening, listen } from "../adapters/listen.js"

/**
 * One application per framework: `/open` (anonymous is allowed), `/me`, `/editor` (client role), `/orders` (scope) and
 * `/jobs` (a service) for every method, the same under `/mounted` in a sub-application, and `/login` and `/register` for
 * POST. What `tell` makes of the principal is what its handlers answer.
 */
export const applications: readonly [name: string, start: (gate: Gate<unknown>, tell?: Tell) => Promise<Listening>][] =
  [
    ["Express", startExpress],
    ["Fastify", startFastify],
    ["Koa", startKoa],
    ["Web", startWeb],
    ["Hono", startHono],
  ]

type Tell = (principal: Principal<unknown> | null) => object

const guards: Readonly<Record<string, Requirements>> = {
  "/me": {},
  "/editor": { clientRoles: { "shop-api": ["editor"] } },
  "/orders": { scopes: ["orders:read"] },
  "/jobs": { kind: "service" },
}

/** Whoever reaches a handler is told so, and as whom. */
const reached: Tell = principal => ({ reached: true, subject: principal?.subject ?? null })

async function startExpress(gate: Gate<unknown>, tell = reached): Promise<Listening> {
  const { authenticate, requireUser, registerHandler, loginHandler } = onExpress
  const routes = () => {
    const router = express.Router()
    router.all("/open", (request, response) => void response.json(tell(request.principal)))
    for (const [path, needed] of Object.entries(guards)) {
      router.all(path, requireUser(needed), (request, response) => void response.json(tell(request.principal)))
    }
    return router
  }
  const app = express().set("env", "test")
  app.use(authenticate(gate), express.json(), express.urlencoded())
  app.post("/login", loginHandler(gate)).post("/register", registerHandler(gate))
  return listen(app.use(routes()).use("/mounted", express().use(routes())))
}

async function startFastify(gate: Gate<unknown>, tell = reached): Promise<Listening> {
  const { authenticate, requireUser, registerHandler, loginHandler } = onFastify
  const app = fastify()
  await app.register(authenticate(gate))
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )
  const routes = async (scope: FastifyInstance) => {
    scope.all("/open", async request => tell(request.principal))
    for (const [path, needed] of Object.entries(guards)) {
      scope.all(path, { onRequest: requireUser(needed) }, async request => tell(request.principal))
    }
  }
  app.post("/login", loginHandler(gate)).post("/register", registerHandler(gate))
  await app.register(routes)
  await app.register(routes, { prefix: "/mounted" })
  await app.listen({ port: 0, host: "127.0.0.1" })
  return { url: app.listeningOrigin, close: () => app.close() }
}

async function startKoa(gate: Gate<unknown>, tell = reached): Promise<Listening> {
  const { authenticate, requireUser, registerHandler, loginHandler } = onKoa
  const routes = (prefix: string) => {
    const router = new Router({ prefix })
    router.all("/open", ctx => {
      ctx.body = tell(ctx.state.principal)
    })
    for (const [path, needed] of Object.entries(guards)) {
      router.all(path, requireUser(needed), ctx => {
        ctx.body = tell(ctx.state.principal)
      })
    }
    return router.routes()
  }
  const app = new Koa()
  app.silent = true
  const router = new Router()
  router.post("/login", loginHandler(gate)).post("/register", registerHandler(gate))
  app.use(authenticate(gate)).use(bodyParser()).use(router.routes()).use(routes("")).use(routes("/mounted"))
  return listen(app.callback())
}

async function startWeb(gate: Gate<unknown>, tell = reached): Promise<Listening> {
  const { guard, verifyRequest, refusalResponse, registerHandler, loginHandler } = onWeb
  const told: Readonly<Record<string, onWeb.WebHandler>> = {
    async "/open"(request) {
      try {
        return Response.json(tell(await verifyRequest(gate, request)))
      } catch (error) {
        const refusal = refusalResponse(gate, error)
        if (refusal === null) throw error
        return refusal
      }
    },
    ...Object.fromEntries(
      Object.entries(guards).map(([path, needed]) => [
        path,
        guard(gate, needed, (_: Request, principal) => Response.json(tell(principal))),
      ]),
    ),
  }
  const posts: typeof told = { "/login": loginHandler(gate), "/register": registerHandler(gate) }
  const answer = async (request: Request) => {
    const path = new URL(request.url).pathname
    const handler = (request.method === "POST" && posts[path]) || told[path.replace(/^\/mounted/, "")]
    return handler?.(request) ?? new Response(null, { status: 404 })
  }
  const errorHandler = (error: unknown) => new Response(null, { status: (error as { status?: number }).status ?? 500 })
  return listen(createServer(getRequestListener(answer, { errorHandler, overrideGlobalObjects: false })))
}

async function startHono(gate: Gate<unknown>, tell = reached): Promise<Listening> {
  const { authenticate, requireUser, registerHandler, loginHandler } = onHono
  const routes = () => {
    const router = new Hono().all("/open", c => c.json(tell(c.get("principal"))))
    for (const [path, needed] of Object.entries(guards)) {
      router.all(path, requireUser(needed), c => c.json(tell(c.get("principal"))))
    }
    return router
  }
  const app = new Hono().use(authenticate(gate))
  app.onError((error, c) => c.body(null, (error as { status?: 500 }).status ?? 500))
  app.post("/login", loginHandler(gate)).post("/register", registerHandler(gate))
  app.route("/", routes()).route("/mounted", routes())
  return listen(createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false })))
}

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** All that was sent, head and body. */
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Sends these lines as they are, so that fields can be doubled, misspelt and broken, and reads until the end. */
export async function send(url: string, lines: readonly string[], body = ""): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname)
    socket.on("data", chunk => chunks.push(chunk))
    socket.on("error", reject)
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")))
    const [first = "", ...fields] = lines
    socket.write([first, "Host: localhost", "Connection: close", ...fields, "", body].join("\r\n"), "latin1")
  })
  return parse(text)
}

export function parse(text: string): RawAnswer {
  const [head = "", ...rest] = text.split("\r\n\r\n")
  const [statusLine = "", ...fields] = head.split("\r\n")
  const headers = new Map(
    fields.map(field => [field.slice(0, field.indexOf(":")).toLowerCase(), field.slice(field.indexOf(":") + 1).trim()]),
  )
  const json = /\{.*\}/s.exec(rest.join("\r\n\r\n"))?.[0]
  return { status: Number(statusLine.split(" ")[1]), headers, text, body: json === undefined ? {} : JSON.parse(json) }
}
