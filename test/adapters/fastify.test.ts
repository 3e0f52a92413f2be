import { EventEmitter, once } from "node:events"
import { connect } from "node:net"
import { setImmediate } from "node:timers/promises"
import fastify, { type FastifyInstance, type FastifyRequest } from "fastify"
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import {
  authenticate,
  changePasswordHandler,
  loginHandler,
  logoutHandler,
  passwordResetHandler,
  principalOf,
  refreshHandler,
  registerHandler,
  requireUser,
} from "../../src/adapters/fastify.js"
import { createGate, type Gate, GateError, type GateEvent, isGateError, memoryUserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { adapterContract, type Route, type Setup } from "../contracts/adapter.js"
import { openShop } from "../support/shop.ts"
import type { Listening } from "./listen.js"

adapterContract("Fastify", async setup => listen(await createApplication(setup)), {
  guardsApart: true,
  passesErrors: true,
  middlewareAboutHandlers: true,
})

describe("Fastify alone", () => {
  let realm: TestRealm
  const open: { close(): unknown }[] = []

  beforeAll(async () => {
    realm = await openShop()
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  function makeGate(clientId = "shop-api", events: GateEvent[] = []): Gate<unknown> {
    const userStore = memoryUserStore()
    const onEvent = (event: GateEvent) => void events.push(event)
    const gate = createGate({ serverUrl: realm.url, realm: "shop", clientId, userStore, onEvent })
    open.push(gate)
    return gate
  }

  function makeApp(): FastifyInstance {
    const app = fastify()
    open.push(app)
    return app
  }

  const subjectOf = async (request: FastifyRequest) => ({ subject: principalOf(request).subject })

  it("verifies requests of inject, and sees a second Authorization field there too", async () => {
    const app = makeApp()
    await app.register(authenticate(makeGate()))
    app.get("/me", { onRequest: requireUser() }, subjectOf)
    const authorization = `Bearer ${await realm.issueToken("ada", { sub: "s-1" })}`
    expect((await app.inject({ url: "/me" })).statusCode).toBe(401)
    expect((await app.inject({ url: "/me", headers: { authorization } })).json()).toEqual({ subject: "s-1" })
    const twice = { authorization: [authorization, authorization] } as unknown as Record<string, string>
    expect((await app.inject({ url: "/me", headers: twice })).statusCode).toBe(400)
  })

  it("guards routes that were added before the plugin had loaded", async () => {
    const app = makeApp()
    app.register(authenticate(makeGate()))
    app.get("/me", { preHandler: [requireUser()] }, subjectOf)
    const authorization = `Bearer ${await realm.issueToken("ada", { sub: "s-1" })}`
    expect((await app.inject({ url: "/me" })).statusCode).toBe(401)
    expect((await app.inject({ url: "/me", headers: { authorization } })).statusCode).toBe(200)
  })

  it("throws config_invalid for a second gate on one scope", async () => {
    const app = makeApp()
    await app.register(authenticate(makeGate()))
    await expect(app.register(authenticate(makeGate()))).rejects.toMatchObject({ code: "config_invalid" })
  })

  it("gives each of two sibling scopes its own gate", async () => {
    const app = makeApp()
    for (const clientId of ["shop-api", "billing"]) {
      app.register(async scope => {
        await scope.register(authenticate(makeGate(clientId)))
        scope.get(`/${clientId}`, { onRequest: requireUser() }, subjectOf)
      })
    }
    const headers = { authorization: `Bearer ${await realm.issueToken("ada", { aud: "billing" })}` }
    expect((await app.inject({ url: "/shop-api", headers })).statusCode).toBe(401)
    expect((await app.inject({ url: "/billing", headers })).statusCode).toBe(200)
  })

  it("puts a child scope's gate in the place of its parent's, there alone", async () => {
    const app = makeApp()
    await app.register(authenticate(makeGate("shop-api")))
    app.get("/parent", { onRequest: requireUser() }, subjectOf)
    app.register(async child => {
      await child.register(authenticate(makeGate("billing")))
      child.get("/child", { onRequest: requireUser() }, subjectOf)
      child.register(async grandchild => {
        grandchild.get("/grandchild", { onRequest: requireUser() }, subjectOf)
      })
    })
    const statuses = async (aud: string) => {
      const headers = { authorization: `Bearer ${await realm.issueToken("ada", { aud })}` }
      const answers = ["/parent", "/child", "/grandchild"].map(url => app.inject({ url, headers }))
      return (await Promise.all(answers)).map(({ statusCode }) => statusCode)
    }
    expect(await statuses("shop-api")).toEqual([200, 401, 401])
    expect(await statuses("billing")).toEqual([401, 200, 200])
  })

  it("does not run the handler after a refusal that slow hooks delay", async () => {
    let visits = 0
    const app = makeApp()
    app.addHook("onSend", async () => {
      await setImmediate()
    })
    await app.register(authenticate(makeGate()))
    app.get("/me", { onRequest: requireUser() }, async () => ({ visits: ++visits }))
    expect((await app.inject({ url: "/me" })).statusCode).toBe(401)
    expect((await app.inject({ url: "/me", headers: { authorization: "Bearer x" } })).statusCode).toBe(401)
    expect(visits).toBe(0)
  })

  // fastify/fastify#4374: hooks go on while an answer is on its way; so they did, returned reply or not, for a lost caller
  it.each([
    ["authenticate", "/open", "Authorization: Bearer x\r\n"],
    ["requireUser", "/me", ""],
  ])(
    "does not run the handler when the caller hangs up while slow hooks delay the refusal of %s",
    async (_, path, field) => {
      const handler = vi.fn(async () => ({}))
      const app = makeApp()
      const steps = new EventEmitter()
      app.addHook("onSend", async (_request, reply) => {
        steps.emit("refusing")
        if (!reply.raw.destroyed) await once(reply.raw, "close")
        await setImmediate()
        steps.emit("gone")
      })
      await app.register(authenticate(makeGate()))
      app.get("/me", { onRequest: requireUser() }, handler).get("/open", handler)
      await app.listen({ port: 0, host: "127.0.0.1" })
      const socket = connect(Number(new URL(app.listeningOrigin).port), "127.0.0.1")
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${field}\r\n`)
      await once(steps, "refusing")
      socket.resetAndDestroy()
      await once(steps, "gone")
      expect(handler).not.toHaveBeenCalled()
    },
  )

  it('tells the caller a constant sentence with onError: "pass" and Fastify\'s own error handler', async () => {
    const app = makeApp()
    await app.register(authenticate(makeGate(), { onError: "pass" }))
    app.get("/", async () => "")
    const headers = { authorization: `Bearer ${await realm.issueToken("ada", { aud: "account", azp: "spy" })}` }
    const answer = await app.inject({ url: "/", headers })
    expect(answer.json()).toMatchObject({ statusCode: 401, code: "invalid_token" })
    expect(answer.body).not.toMatch(/account|spy|stack/)
  })

  it('keeps what the log needs as cause with onError: "pass"', async () => {
    const errors: unknown[] = []
    const app = makeApp()
    app.setErrorHandler((error, _request, reply) => {
      errors.push(error)
      return reply.code(500).send()
    })
    await app.register(authenticate(makeGate(), { onError: "pass" }))
    app.get("/", async () => "")
    await app.inject({
      url: "/",
      headers: { authorization: `Bearer ${await realm.issueToken("ada", { aud: "account" })}` },
    })
    expect(errors).toMatchObject([
      { code: "invalid_token", reason: "audience", cause: { code: "invalid_token", reason: "audience" } },
    ])
    expect(isGateError(errors[0])).toBe(true)
  })

  it("tells the caller a constant sentence where principalOf finds nobody, with Fastify's own error handler", async () => {
    const app = makeApp()
    app.get("/stray", subjectOf)
    app.register(async scope => {
      await scope.register(authenticate(makeGate(), { onError: "pass" }))
      scope.get("/open", subjectOf)
    })
    const stray = await app.inject({ url: "/stray" })
    expect([stray.statusCode, stray.json().code]).toEqual([500, "config_invalid"])
    expect((await app.inject({ url: "/open" })).json()).toMatchObject({ statusCode: 401, code: "credentials_missing" })
    for (const url of ["/stray", "/open"]) {
      expect((await app.inject({ url })).body).not.toMatch(/principalOf|authenticate\b|mount|stack/)
    }
  })

  it("leaves a route its own error handler, and tells the hooks of an error once", async () => {
    const heard: string[] = []
    const app = makeApp()
    app.addHook("onError", async (_request, _reply, error) => void heard.push(error.message))
    await app.register(authenticate(makeGate()))
    const refuse = async () => {
      throw new GateError("insufficient_scope", "not theirs")
    }
    const fail = async () => {
      throw new RangeError("the handler's own")
    }
    app.get("/own", { errorHandler: (_error, _request, reply) => void reply.code(418).send() }, refuse)
    app.get("/ours", refuse).get("/theirs", fail)
    expect((await app.inject({ url: "/own" })).statusCode).toBe(418)
    expect((await app.inject({ url: "/ours" })).json()).toMatchObject({ error: "insufficient_scope" })
    expect((await app.inject({ url: "/theirs" })).json()).toMatchObject({ message: "the handler's own" })
    expect(heard).toEqual(["not theirs", "not theirs", "the handler's own"])
  })

  it("names the missing fields where another parser takes the JSON, and tells the log of Fastify's own", async () => {
    const events: GateEvent[] = []
    const app = makeApp()
    app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, bytes, done) => done(null, bytes))
    app.post("/login", loginHandler(makeGate("shop-api", events)))
    const answer = await app.inject({ method: "POST", url: "/login", payload: { username: "ada", password: "p" } })
    expect(answer.json().fields).toMatchObject([{ field: "username" }, { field: "password" }])
    expect(events).toMatchObject([{ error: { code: "config_invalid" } }, { error: { code: "invalid_request" } }])
    expect(String((events[0] as { error: Error }).error.message)).toContain("Fastify has its own")
  })

  it("tells the log of no missing parser where the caller sends no JSON object", async () => {
    const events: GateEvent[] = []
    const app = makeApp()
    app.post("/login", loginHandler(makeGate("shop-api", events)))
    const post = (payload: string, type: string) =>
      app.inject({ method: "POST", url: "/login", payload, headers: { "content-type": type } })
    expect((await app.inject({ method: "POST", url: "/login" })).statusCode).toBe(400)
    expect((await post("username=ada", "text/plain")).statusCode).toBe(400)
    for (const json of ['"{}"', '"\\u007b\\u007d"', "null", "[]"]) {
      expect((await post(json, "application/json")).statusCode).toBe(400)
    }
    expect(events.map(event => "error" in event && event.error.code)).toEqual(Array(6).fill("invalid_request"))
  })

  it("lets nobody in where a guard is mounted and not made", async () => {
    const app = makeApp()
    app.get("/", { onRequest: requireUser as never }, async () => "in")
    expect(await app.inject({ url: "/" })).toMatchObject({ statusCode: 500 })
  })
})

async function createApplication(setup: Setup): Promise<FastifyInstance> {
  const { gate, onError, routes, replacePrincipal, strayRoutes, handlers, onApplicationError } = setup
  const app = fastify()
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, form, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(form))))
  })
  if (onApplicationError !== null) {
    app.setErrorHandler((error, _request, reply) => {
      onApplicationError(error)
      return reply.code(500).send({ application: true })
    })
  }
  addRoutes(app, strayRoutes)
  if (handlers) app.post("/stray/password", changePasswordHandler(gate, { onError }))
  await app.register(async scope => {
    await scope.register(authenticate(gate, { onError }))
    if (replacePrincipal !== undefined) {
      scope.addHook("onRequest", async request => {
        if (request.principal !== null) Object.assign(request, { principal: replacePrincipal(request.principal) })
      })
    }
    addRoutes(scope, routes)
    if (!handlers) return
    scope.post(
      "/register",
      registerHandler(gate, {
        onError,
        attributes: ["phone"],
        extra: request => (request.body as { plan?: string } | null)?.plan,
      }),
    )
    scope.post("/login", loginHandler(gate, { onError }))
    scope.post("/refresh", refreshHandler(gate, { onError }))
    scope.post("/logout", logoutHandler(gate, { onError }))
    scope.post("/password-reset", passwordResetHandler(gate, { onError }))
    scope.post("/password", changePasswordHandler(gate, { onError }))
  })
  return app
}

function addRoutes(app: FastifyInstance, routes: readonly Route[]): void {
  for (const { path, guard, handle } of routes) {
    const onRequest = guard === undefined ? [] : [requireUser(...guard)]
    app.route({
      method: ["GET", "POST"],
      url: path,
      onRequest,
      handler: async request => handle({ principal: request.principal, principalOf: kind => accessor(request, kind) }),
    })
  }
}

function accessor(request: FastifyRequest, kind?: "user" | "service") {
  if (kind === "service") return principalOf(request, kind)
  return kind === "user" ? principalOf(request, kind) : principalOf(request)
}

async function listen(app: FastifyInstance): Promise<Listening> {
  return { url: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() }
}
