import { bodyParser } from "@koa/bodyparser"
import Router from "@koa/router"
import Koa from "koa"
import Koa2 from "koa2"
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import {
  authenticate,
  changePasswordHandler,
  loginHandler,
  logoutHandler,
  type PrincipalState,
  passwordResetHandler,
  principalOf,
  refreshHandler,
  registerHandler,
  requireUser,
} from "../../src/adapters/koa.js"
import { createGate, type Gate, GateError, type GateEvent, memoryUserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { adapterContract, createClient, type Route, type Setup } from "../contracts/adapter.js"
import { openShop } from "../support/shop.ts"
import { listen } from "./listen.js"

describe.each([
  ["Koa 3", Koa],
  ["Koa 2", Koa2],
])("%s", (name, Framework) => {
  const start = async (setup: Setup) => listen(createApplication(Framework, setup).callback())
  adapterContract(name, start, { guardsApart: true, passesErrors: true, middlewareAboutHandlers: true })
})

describe("Koa alone", () => {
  let realm: TestRealm
  const open: { close(): unknown }[] = []

  beforeAll(async () => {
    realm = await openShop()
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  function makeGate(events: GateEvent[] = []): Gate<unknown> {
    const userStore = memoryUserStore()
    const options = { serverUrl: realm.url, realm: "shop", clientId: "shop-api", userStore }
    const gate = createGate({ ...options, onEvent: event => void events.push(event) })
    open.push(gate)
    return gate
  }

  async function start(app: Koa) {
    app.silent = true
    const application = await listen(app.callback())
    open.push(application)
    return createClient(application.url)
  }

  it("keeps headers that earlier middleware has set on a refusal, such as those of CORS", async () => {
    const app = new Koa()
    app.use(async (ctx, next) => {
      ctx.set("Access-Control-Allow-Origin", "https://shop.example.test")
      await next()
    })
    const client = await start(app.use(authenticate(makeGate())))
    const answer = await client.get("/", "Bearer x")
    expect(answer.status).toBe(401)
    expect(answer.headers["access-control-allow-origin"]).toBe("https://shop.example.test")
  })

  it('tells the caller nothing but the status with onError: "pass" and Koa\'s own error handler', async () => {
    const client = await start(new Koa().use(authenticate(makeGate(), { onError: "pass" })))
    const answer = await client.get("/", `Bearer ${await realm.issueToken("ada", { aud: "account" })}`)
    expect(answer).toMatchObject({ status: 401, text: "Unauthorized" })
  })

  it("lets nobody in where the application has replaced ctx.state", async () => {
    const app = new Koa().use(authenticate(makeGate())).use((ctx, next) => {
      Object.assign(ctx, { state: {} })
      return next()
    })
    const client = await start(app.use(requireUser()).use(ctx => void ctx.set("X-In", "yes")))
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
    expect(await client.get("/", `Bearer ${await realm.issueToken("ada")}`)).toMatchObject({ status: 500 })
    warn.mockRestore()
  })

  it("throws a refusal when the answer has begun already", async () => {
    const errors: unknown[] = []
    const app = new Koa()
    app.use(async (ctx, next) => {
      ctx.respond = false
      ctx.status = 200
      ctx.res.write("begun")
      await next().catch(error => errors.push(error))
      ctx.res.end(", ended")
    })
    const client = await start(app.use(authenticate(makeGate())))
    expect(await client.get("/", "Bearer x")).toMatchObject({ status: 200, text: "begun, ended" })
    expect(errors).toMatchObject([{ code: "invalid_token" }])
  })

  it("throws what a handler throws once the answer has begun", async () => {
    const errors: unknown[] = []
    const app = new Koa()
    app.use(async (ctx, next) => {
      ctx.respond = false
      await next().catch(error => errors.push(error))
      ctx.res.end(", ended")
    })
    app.use(authenticate(makeGate())).use(ctx => {
      ctx.status = 200
      ctx.res.write("begun")
      throw new GateError("insufficient_scope", "not theirs")
    })
    expect(await (await start(app)).get("/")).toMatchObject({ status: 200, text: "begun, ended" })
    expect(errors).toMatchObject([{ code: "insufficient_scope" }])
  })

  it("names the missing fields where no body parser is mounted, and tells the log of the parser", async () => {
    const events: GateEvent[] = []
    const client = await start(new Koa().use(loginHandler(makeGate(events))))
    const answer = await client.send("POST", "/", { json: { username: "ada", password: "p" } })
    expect(answer).toMatchObject({ status: 400, body: { fields: [{ field: "username" }, { field: "password" }] } })
    expect(events).toMatchObject([{ error: { code: "config_invalid" } }, { error: { code: "invalid_request" } }])
    expect(String((events[0] as { error: Error }).error.message)).toContain("bodyParser()")
  })

  it("tells the log of no missing parser where the caller sends no JSON", async () => {
    const events: GateEvent[] = []
    const app = new Koa()
    app.use(bodyParser()).use(loginHandler(makeGate(events)))
    const client = await start(app)
    for (const body of [{}, { text: "username=ada" }, { form: "a=b" }, { raw: "[]" }]) {
      expect(await client.send("POST", "/", body)).toMatchObject({ status: 400 })
    }
    expect(events.map(event => "error" in event && event.error.code)).toEqual(Array(4).fill("invalid_request"))
  })

  it("lets nobody in where a guard is mounted and not made", async () => {
    for (const notMade of [requireUser, authenticate, loginHandler]) {
      const app = new Koa()
      app.use((ctx, next) => (notMade as unknown as Koa.Middleware)(ctx, next)).use(ctx => void ctx.set("X-In", "yes"))
      const answer = await (await start(app)).get("/")
      expect([answer.status, answer.headers["x-in"]]).toEqual([500, undefined])
    }
  })
})

function createApplication(Framework: typeof Koa, setup: Setup): Koa {
  const { gate, onError, routes, replacePrincipal, strayRoutes, handlers, onApplicationError } = setup
  const app = new Framework()
  app.silent = true
  if (onApplicationError !== null) {
    app.use(async (ctx, next) => {
      try {
        await next()
      } catch (error) {
        onApplicationError(error)
        ctx.status = 500
        ctx.body = { application: true }
      }
    })
  }
  app.use(bodyParser({ jsonStrict: false }))
  app.use(routesOf(strayRoutes).routes())
  if (handlers) app.use(new Router().post("/stray/password", changePasswordHandler(gate, { onError })).routes())
  app.use(authenticate(gate, { onError }))
  if (replacePrincipal !== undefined) {
    app.use(async ({ state }, next) => {
      if (state.principal !== null) state.principal = replacePrincipal(state.principal)
      await next()
    })
  }
  app.use(routesOf(routes).routes())
  if (!handlers) return app
  const accounts = new Router()
  accounts.post(
    "/register",
    registerHandler(gate, {
      onError,
      attributes: ["phone"],
      extra: ctx => (ctx.request.body as { plan?: string } | undefined)?.plan,
    }),
  )
  accounts.post("/login", loginHandler(gate, { onError }))
  accounts.post("/refresh", refreshHandler(gate, { onError }))
  accounts.post("/logout", logoutHandler(gate, { onError }))
  accounts.post("/password-reset", passwordResetHandler(gate, { onError }))
  accounts.post("/password", changePasswordHandler(gate, { onError }))
  app.use(accounts.routes())
  return app
}

function routesOf(routes: readonly Route[]): Router<PrincipalState> {
  const router = new Router<PrincipalState>()
  for (const { path, guard, handle } of routes) {
    if (guard !== undefined) router.all(path, requireUser(...guard))
    router.all(path, async ctx => {
      ctx.body = await handle({ principal: ctx.state.principal, principalOf: kind => accessor(ctx, kind) })
    })
  }
  return router
}

function accessor(ctx: { readonly state: PrincipalState }, kind?: "user" | "service") {
  if (kind === "service") return principalOf(ctx, kind)
  return kind === "user" ? principalOf(ctx, kind) : principalOf(ctx)
}
