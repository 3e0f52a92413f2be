import Router from "@koa/router"
import express from "express"
import fastify from "fastify"
import Koa from "koa"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as onExpress from "../../src/adapters/express.js"
import * as onFastify from "../../src/adapters/fastify.js"
import * as onKoa from "../../src/adapters/koa.js"
import type { Gate } from "../../src/index.js"
import { type Listening, listen } from "../adapters/listen.js"
import { send } from "./applications.ts"
import { type Realm, startRealm } from "./realm.ts"

const page = "https://shop.example.test"
/** What every answer says, so that a page of the other origin may read it, and its challenge. */
const always = { "Access-Control-Allow-Origin": page, "Access-Control-Expose-Headers": "WWW-Authenticate" }
/** What a preflight is answered with: the browser asks before it sends a token. */
const toPreflight = { "Access-Control-Allow-Headers": "Authorization", "Access-Control-Allow-Methods": "GET, DELETE" }

type Start = (gate: Gate<unknown>, corsFirst: boolean) => Promise<Listening>

/** Applications that let nobody in without a token, on any path: the guard stands for the whole of them. */
const applications: readonly [name: string, start: Start][] = [
  ["Express", startExpress],
  ["Fastify", startFastify],
  ["Koa", startKoa],
]

async function startExpress(gate: Gate<unknown>, corsFirst: boolean): Promise<Listening> {
  const cors: express.RequestHandler = (request, response, next) => {
    response.set(always)
    if (request.method !== "OPTIONS") return next()
    response.set(toPreflight).status(204).end()
  }
  const gated = [onExpress.authenticate(gate), onExpress.requireUser()]
  const app = express().set("env", "test")
  app.use(...(corsFirst ? [cors, ...gated] : [...gated, cors]))
  app.get("/orders", onExpress.requireUser({ scopes: ["orders:read"] }), (_, response) => void response.json({}))
  return listen(app.get("/me", (_, response) => void response.json({})))
}

async function startFastify(gate: Gate<unknown>, corsFirst: boolean): Promise<Listening> {
  const app = fastify()
  const mountCors = () =>
    app.addHook("onRequest", (request, reply, done) => {
      reply.headers(always)
      if (request.method !== "OPTIONS") return done()
      reply.headers(toPreflight).code(204).send()
    })
  if (corsFirst) mountCors()
  await app.register(onFastify.authenticate(gate))
  app.addHook("onRequest", onFastify.requireUser())
  if (!corsFirst) mountCors()
  app.get("/orders", { onRequest: onFastify.requireUser({ scopes: ["orders:read"] }) }, async () => ({}))
  app.get("/me", async () => ({}))
  await app.listen({ port: 0, host: "127.0.0.1" })
  return { url: app.listeningOrigin, close: () => app.close() }
}

async function startKoa(gate: Gate<unknown>, corsFirst: boolean): Promise<Listening> {
  const cors: Koa.Middleware = async (ctx, next) => {
    ctx.set(always)
    if (ctx.method !== "OPTIONS") return next()
    ctx.set(toPreflight)
    ctx.status = 204
  }
  const app = new Koa()
  if (corsFirst) app.use(cors)
  app.use(onKoa.authenticate(gate)).use(onKoa.requireUser())
  if (!corsFirst) app.use(cors)
  const router = new Router().use("/orders", onKoa.requireUser({ scopes: ["orders:read"] }))
  router.get(["/me", "/orders"], ctx => {
    ctx.body = {}
  })
  return listen(app.use(router.routes()).callback())
}

let realm: Realm
beforeAll(async () => {
  realm = await startRealm()
})
afterAll(() => realm.close())

const ask = (application: Listening, line: string, ...fields: string[]) =>
  send(application.url, [`${line} HTTP/1.1`, `Origin: ${page}`, ...fields])
const bearer = (token: string) => `Authorization: Bearer ${token}`
const preflight = ["Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: authorization"]

describe.each(applications)("CORS before authenticate on %s", (_, start) => {
  let application: Listening
  beforeAll(async () => {
    application = await start(realm.gate, true)
  })
  afterAll(() => application.close())

  // Fetch standard, CORS-preflight fetch: it carries no credentials, and only a status of 200 to 299 lets the page go on
  it.each(["/me", "/orders", "/no-such-path"])("answers a preflight for %s, which has no token", async path => {
    const answer = await ask(application, `OPTIONS ${path}`, ...preflight)
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([204, undefined])
    for (const [name, value] of Object.entries({ ...always, ...toPreflight })) {
      expect(answer.headers.get(name.toLowerCase())).toBe(value)
    }
  })

  // Fetch standard, CORS check: without these headers the page sees a network error in place of the refusal
  it.each<[string, number, string, (realm: Realm) => string[]]>([
    ["without a token", 401, "/me", () => []],
    ["with a bad token", 401, "/me", ({ sign }) => [bearer(sign({ claims: { exp: 1 } }))]],
    ["with a malformed header", 400, "/me", () => ["Authorization: Bearer a b"]],
    ["without the scope", 403, "/orders", ({ sign }) => [bearer(sign())]],
  ])("is on the refusal of a request %s", async (_, status, path, fields) => {
    const answer = await ask(application, `GET ${path}`, ...fields(realm))
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([status, expect.stringContaining("Bearer")])
    for (const [name, value] of Object.entries(always)) expect(answer.headers.get(name.toLowerCase())).toBe(value)
  })

  // the same for who is let in, at first sight and when remembered
  it("is on the answer of a handler", async () => {
    const token = bearer(realm.sign())
    for (let sight = 1; sight <= 2; sight++) {
      const answer = await ask(application, "GET /me", token)
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, page])
    }
  })
})

// why the order matters: the guard meets the preflight first, and no refusal has the headers
describe.each(applications)("CORS behind authenticate on %s", (_, start) => {
  it("answers no preflight, and is on no refusal", async () => {
    const application = await start(realm.gate, false)
    for (const line of ["OPTIONS /me", "GET /me"]) {
      const answer = await ask(application, line, ...preflight)
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([401, undefined])
    }
    await application.close()
  })
})
