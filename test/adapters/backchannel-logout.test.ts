import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { connect } from "node:net"
import { getRequestListener } from "@hono/node-server"
import { bodyParser } from "@koa/bodyparser"
import express, { type RequestHandler } from "express"
import express4 from "express4"
import fastify from "fastify"
import { Hono, type MiddlewareHandler } from "hono"
import Koa from "koa"
import Koa2 from "koa2"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as onExpress from "../../src/adapters/express.js"
import * as onFastify from "../../src/adapters/fastify.js"
import * as onHono from "../../src/adapters/hono.js"
import * as onKoa from "../../src/adapters/koa.js"
import * as onWeb from "../../src/adapters/web.js"
import { createGate, type Gate, isGateError } from "../../src/index.js"
import { type Issuer, startIssuer } from "../support/issuer.ts"
import { signByHand } from "../support/sign-by-hand.ts"
import { type Listening, listen } from "./listen.js"

type Options = onExpress.BackchannelLogoutOptions

const member = "http://schemas.openid.net/event/backchannel-logout"
const seconds = () => Math.floor(Date.now() / 1000)

function onApp(
  app: express.Express,
  gate: Gate<unknown>,
  options: Options,
  ...before: RequestHandler[]
): Promise<Listening> {
  app.all("/logout", ...before, onExpress.backchannelLogoutHandler(gate, options))
  app.use(((error, _request, response, _next) => {
    response.status(418).send(isGateError(error) ? error.code : "not ours")
  }) satisfies express.ErrorRequestHandler)
  return listen(app)
}

async function onServer(gate: Gate<unknown>, options: Options, parsers: "none" | "form" | "own"): Promise<Listening> {
  const app = fastify()
  const type = "application/x-www-form-urlencoded"
  // What @fastify/formbody does.
  if (parsers === "form") {
    app.addContentTypeParser(type, { parseAs: "string" }, (_request, body, done) =>
      done(null, Object.fromEntries(new URLSearchParams(body as string))),
    )
  }
  if (parsers === "own") app.removeAllContentTypeParsers()
  app.setErrorHandler((error, _request, reply) => reply.code(418).send(isGateError(error) ? error.code : "not ours"))
  app.post("/logout", onFastify.backchannelLogoutHandler(gate, options))
  app.route({ method: ["GET", "PUT", "DELETE"], url: "/logout", ...onFastify.backchannelLogoutHandler(gate, options) })
  await app.ready()
  const { url } = await listen(app.server)
  return { url, close: () => app.close() }
}

function onContext(
  Framework: typeof Koa,
  gate: Gate<unknown>,
  options: Options,
  ...before: Koa.Middleware[]
): Promise<Listening> {
  const app = new Framework()
  app.use(async (ctx, next) => {
    await next().catch((error: unknown) => {
      ctx.status = 418
      ctx.body = isGateError(error) ? error.code : "not ours"
    })
  })
  for (const one of before) app.use(one)
  app.use(onKoa.backchannelLogoutHandler(gate, options))
  return listen(app.callback())
}

function onRequests(gate: Gate<unknown>, options: Options): Promise<Listening> {
  const handle = onWeb.backchannelLogoutHandler(gate, options)
  const failed = (error: unknown) => new Response(isGateError(error) ? error.code : "not ours", { status: 418 })
  return listen(getRequestListener(request => handle(request).catch(failed)))
}

function onHonos(gate: Gate<unknown>, options: Options, ...before: MiddlewareHandler[]): Promise<Listening> {
  const app = new Hono()
  app.onError((error, c) => c.text(isGateError(error) ? error.code : "not ours", 418))
  for (const one of before) app.use(one)
  app.all("/logout", onHono.backchannelLogoutHandler(gate, options))
  return listen(getRequestListener(app.fetch))
}

const applications: Readonly<Record<string, (gate: Gate<unknown>, options: Options) => Promise<Listening>>> = {
  "Express without a parser": (gate, options) => onApp(express(), gate, options),
  "Express that parses forms": (gate, options) => onApp(express(), gate, options, express.urlencoded()),
  "Express that parses JSON alone": (gate, options) => onApp(express(), gate, options, express.json()),
  "Express that reads bytes": (gate, options) => onApp(express(), gate, options, express.raw({ type: () => true })),
  "Express that reads text": (gate, options) => onApp(express(), gate, options, express.text({ type: () => true })),
  "Express 4 without a parser": (gate, options) => onApp(express4() as never, gate, options),
  "Express 4 that parses JSON alone": (gate, options) =>
    onApp(express4() as never, gate, options, express4.json() as never),
  "Express 4 that parses forms": (gate, options) =>
    onApp(express4() as never, gate, options, express4.urlencoded({ extended: true }) as never),
  "Fastify without a parser": (gate, options) => onServer(gate, options, "none"),
  "Fastify that parses forms": (gate, options) => onServer(gate, options, "form"),
  "Fastify that parses nothing": (gate, options) => onServer(gate, options, "own"),
  "Koa without a parser": (gate, options) => onContext(Koa, gate, options),
  "Koa that parses forms": (gate, options) => onContext(Koa, gate, options, bodyParser()),
  "the web's own Request": onRequests,
  "Hono without a parser": (gate, options) => onHonos(gate, options),
  "Hono that parses forms": (gate, options) =>
    onHonos(gate, options, async (c, next) => {
      if (c.req.header("content-type")?.includes("urlencoded")) await c.req.parseBody()
      await next()
    }),
  "Koa 2 without a parser": (gate, options) => onContext(Koa2 as never, gate, options),
}

let issuer: Issuer
let gate: Gate<null>
beforeAll(async () => {
  issuer = await startIssuer()
  gate = createGate({ serverUrl: issuer.url, realm: "shop", clientId: "shop-api", onEvent: () => undefined })
})
afterAll(async () => {
  await gate.close()
  await issuer.close()
})

async function newSession() {
  const sid = randomUUID()
  const token = await issuer.mint({ claims: { sid } })
  const { kid, alg, privateKey } = issuer.signingKey()
  const claims = {
    exp: seconds() + 120,
    iat: seconds(),
    jti: randomUUID(),
    iss: issuer.issuer,
    aud: "shop-web",
    sid,
    events: { [member]: {} },
  }
  const logoutToken = signByHand({ alg, typ: "logout+jwt", kid }, claims, alg, privateKey)
  const lives = () =>
    gate.verifyToken(token).then(
      () => true,
      () => false,
    )
  expect(await lives()).toBe(true)
  return { form: `logout_token=${logoutToken}`, logoutToken, lives }
}

const formType = "application/x-www-form-urlencoded"
const post = (
  url: string,
  body: string | Uint8Array | ReadableStream | null,
  headers: Record<string, string> = { "content-type": formType },
) => fetch(`${url}/logout`, { method: "POST", body, headers, duplex: "half" } as RequestInit)

async function* inPieces(text: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += 100) {
    await new Promise(resolve => setImmediate(resolve))
    yield Buffer.from(text.slice(at, at + 100))
  }
}

describe.each(Object.entries(applications))("backchannelLogoutHandler on %s", (_name, start) => {
  let app: Listening
  beforeAll(async () => {
    app = await start(gate, { clients: ["shop-web"] })
  })
  afterAll(() => app.close())

  const good: [string, (form: string) => Promise<Response>][] = [
    ["as Keycloak sends it", form => post(app.url, form)],
    ["with a charset", form => post(app.url, form, { "content-type": `${formType}; charset=UTF-8` })],
    ["with a charset in quotes", form => post(app.url, form, { "content-type": `${formType};charset="utf-8"` })],
    [
      "with another spelling of the type",
      form => post(app.url, form, { "content-type": "Application/X-WWW-Form-URLEncoded" }),
    ],
    ["in pieces, without a length", form => post(app.url, ReadableStream.from(inPieces(form)))],
    ["beside other fields", form => post(app.url, `state=1&${form}&x=%20`)],
    [
      "with each character escaped",
      form =>
        post(
          app.url,
          form.replace(/[.-]/g, one => `%${one.charCodeAt(0).toString(16)}`),
        ),
    ],
  ]
  it.each(good)("takes a token %s: 200, empty, not to be stored", async (_, send) => {
    const { form, lives } = await newSession()
    const answer = await send(form)
    expect([answer.status, await answer.text()]).toEqual([200, ""])
    expect(answer.headers.get("cache-control")).toBe("no-store")
    expect(await lives()).toBe(false)
  })

  const odd: [string, number, (of: { form: string; logoutToken: string }) => Promise<Response>][] = [
    ["no body", 400, () => post(app.url, null)],
    ["an empty body", 400, () => post(app.url, "")],
    ["a form without the token", 400, () => post(app.url, "token=x")],
    ["an empty token", 400, () => post(app.url, "logout_token=")],
    ["the token twice", 400, ({ form }) => post(app.url, `${form}&${form}`)],
    ["a name that is a little different", 400, ({ logoutToken }) => post(app.url, `Logout_Token=${logoutToken}`)],
    ["a name of an object's own", 400, () => post(app.url, "__proto__=x&constructor=y")],
    ["junk", 400, () => post(app.url, "\u0000%ff%%&&&==")],
    [
      "the token in the query",
      400,
      ({ form }) =>
        fetch(`${app.url}/logout?${form}`, { method: "POST", body: "x=1", headers: { "content-type": formType } }),
    ],
    [
      "JSON",
      415,
      ({ logoutToken }) =>
        post(app.url, JSON.stringify({ logout_token: logoutToken }), { "content-type": "application/json" }),
    ],
    ["text", 415, ({ form }) => post(app.url, form, { "content-type": "text/plain" })],
    [
      "a multipart form",
      415,
      ({ logoutToken }) => post(app.url, multipart(logoutToken), { "content-type": "multipart/form-data; boundary=x" }),
    ],
    ["a JWT as it is", 415, ({ logoutToken }) => post(app.url, logoutToken, { "content-type": "application/jwt" })],
    ["no type", 415, ({ form }) => post(app.url, Buffer.from(form), {})],
    ["17 kB, with their length", 413, ({ form }) => post(app.url, `${form}&x=${"x".repeat(17_000)}`)],
    [
      "17 kB in pieces, without a length",
      413,
      ({ form }) => post(app.url, ReadableStream.from(inPieces(`${form}&x=${"x".repeat(17_000)}`))),
    ],
    ["GET", 405, () => fetch(`${app.url}/logout`)],
    [
      "PUT",
      405,
      ({ form }) => fetch(`${app.url}/logout`, { method: "PUT", body: form, headers: { "content-type": formType } }),
    ],
    ["DELETE", 405, () => fetch(`${app.url}/logout`, { method: "DELETE" })],
  ]
  it.each(odd)("answers %s with %i, and the session lives", async (_, status, send) => {
    const session = await newSession()
    const answer = await send(session)
    expect(answer.status).toBe(status)
    expect(answer.headers.get("cache-control")).toBe("no-store")
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8")
    expect(answer.headers.get("allow")).toBe(status === 405 ? "POST" : null)
    expect(await answer.json()).toMatchObject({ error: "invalid_request", error_description: expect.any(String) })
    expect(await session.lives()).toBe(true)
  })

  it("hands what it refuses to the framework with onError pass", async () => {
    const passing = await start(gate, { clients: ["shop-web"], onError: "pass" })
    const answer = await post(passing.url, "logout_token=a.b.c")
    expect([answer.status, await answer.text()]).toEqual([418, "invalid_request"])
    await passing.close()
  })

  it("takes tokens for the gate's own client by default, and no others then", async () => {
    const own = await start(gate, {})
    const { form, lives } = await newSession()
    expect((await post(own.url, form)).status).toBe(400)
    expect(await lives()).toBe(true)
    await own.close()
  })

  it.each([[[]], [[""]], ["shop-web"], [[7]], [null]])("refuses %j for clients where it is mounted", async clients => {
    await expect((async () => start(gate, { clients } as never))()).rejects.toMatchObject({ code: "config_invalid" })
  })
})

function multipart(token: string): string {
  return `--x\r\nContent-Disposition: form-data; name="logout_token"\r\n\r\n${token}\r\n--x--\r\n`
}

const readersOfOurs = Object.entries(applications).filter(([name]) => !/that (parses forms|reads)/.test(name))
describe.each(readersOfOurs)("a body that nobody has read on %s", (_name, start) => {
  it.each([
    ["a charset that is not ASCII's", { "content-type": `${formType}; charset=utf-16` }],
    ["an encoding", { "content-type": formType, "content-encoding": "gzip" }],
  ])("is refused with 415 in %s", async (_, headers) => {
    const app = await start(gate, { clients: ["shop-web"] })
    const { form, lives } = await newSession()
    expect((await post(app.url, form, headers)).status).toBe(415)
    expect(await lives()).toBe(true)
    await app.close()
  })
})

describe("a caller that hangs up in its body", () => {
  it("is answered with 400, and is no error of the application", async () => {
    const cut = new ReadableStream({ start: body => body.error(new Error("aborted")) })
    const request = new Request("http://x/logout", {
      method: "POST",
      headers: { "content-type": formType },
      body: cut,
      duplex: "half",
    } as RequestInit)
    const answer = await onWeb.backchannelLogoutHandler(gate)(request)
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([400, "no-store"])
  })

  it("ends nothing, and the next one is answered", async () => {
    const app = await onServer(gate, { clients: ["shop-web"] }, "none")
    const { form, lives } = await newSession()
    const { port, hostname } = new URL(app.url)
    const socket = connect(Number(port), hostname)
    await once(socket, "connect")
    socket.write(
      `POST /logout HTTP/1.1\r\nHost: x\r\nContent-Type: ${formType}\r\nContent-Length: ${form.length}\r\n\r\n${form.slice(0, -9)}`,
    )
    await new Promise(resolve => setImmediate(resolve))
    socket.destroy()
    expect(await lives()).toBe(true)
    expect((await post(app.url, form)).status).toBe(200)
    await app.close()
  })
})
