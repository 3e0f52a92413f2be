import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from "express"
import express4 from "express4"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
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
} from "../../src/adapters/express.js"
import { createGate, type Gate, type GateEvent, memoryUserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { adapterContract, createClient, type Route, type Setup } from "../contracts/adapter.js"
import { openShop } from "../support/shop.ts"
import { listen } from "./listen.js"

describe.each([
  ["Express 5", express],
  ["Express 4", express4],
])("%s", (name, framework) => {
  const start = async (setup: Setup) => listen(createApplication(framework, setup))
  adapterContract(name, start, { guardsApart: true, passesErrors: true, middlewareAboutHandlers: false })
})

describe("Express alone", () => {
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

  async function start(app: Express) {
    app.set("env", "test")
    const application = await listen(app)
    open.push(application)
    return createClient(application.url)
  }

  it("guards routes of mounted routers and applications behind one authenticate", async () => {
    const [app, mounted, router] = [express(), express(), express.Router()]
    for (const one of [mounted, router]) {
      one.get("/me", requireUser(), (request, response) => void response.json(principalOf(request).subject))
    }
    const client = await start(app.use(authenticate(makeGate())).use("/app", mounted).use("/router", router))
    const header = `Bearer ${await realm.issueToken("ada", { sub: "s-1" })}`
    for (const path of ["/app/me", "/router/me"]) {
      expect(await client.get(path)).toMatchObject({ status: 401 })
      expect(await client.get(path, header)).toMatchObject({ status: 200, text: '"s-1"' })
    }
  })

  it("keeps two gates apart on two routers", async () => {
    const [shop, billing] = [express.Router(), express.Router()]
    shop.use(authenticate(makeGate("shop-api"))).get("/me", requireUser(), (_, response) => void response.end())
    billing.use(authenticate(makeGate("billing"))).get("/me", requireUser(), (_, response) => void response.end())
    const client = await start(express().use("/shop", shop).use("/billing", billing))
    const header = `Bearer ${await realm.issueToken("ada", { aud: "billing" })}`
    expect(await client.get("/shop/me", header)).toMatchObject({ status: 401 })
    expect(await client.get("/billing/me", header)).toMatchObject({ status: 200 })
  })

  it("lets nobody in when an error handler carries on after a refusal, not even whom an earlier gate let in", async () => {
    const app = express()
    const carryOn: ErrorRequestHandler = (_error, _request, _response, next) => next()
    app.use(authenticate(makeGate("shop-api")))
    app.use(authenticate(makeGate("billing"), { onError: "pass" }), carryOn)
    app.get("/me", requireUser(), (_, response) => void response.end("in"))
    app.use(carryOn)
    const client = await start(app)
    // What requireUser passes on is swallowed as well, so nobody answers.
    expect(await client.get("/me", `Bearer ${await realm.issueToken("ada")}`)).toMatchObject({ status: 404 })
  })

  it("passes a refusal on when the answer has begun already", async () => {
    const errors: unknown[] = []
    const app = express()
    app.use((_request, response, next) => {
      response.write("begun")
      next()
    })
    app.use(authenticate(makeGate()))
    const onError: ErrorRequestHandler = (error, _request, response, _next) => {
      errors.push(error)
      response.end(", ended")
    }
    const client = await start(app.use(onError))
    expect(await client.get("/", "Bearer x")).toMatchObject({ status: 200, text: "begun, ended" })
    expect(errors).toMatchObject([{ code: "invalid_token" }])
  })

  it.each([
    ["no body parser is mounted", express.Router()],
    ["a parser leaves bytes", express.raw({ type: "*/*" })],
    ["a parser leaves text", express.text({ type: "*/*" })],
  ])("names the missing fields where %s, and tells the log of the parser", async (_, parser) => {
    const events: GateEvent[] = []
    const client = await start(
      express()
        .use(parser)
        .post("/login", loginHandler(makeGate("shop-api", events))),
    )
    const answer = await client.send("POST", "/login", { json: { username: "ada", password: "p" } })
    expect(answer).toMatchObject({ status: 400, body: { fields: [{ field: "username" }, { field: "password" }] } })
    expect(events).toMatchObject([{ error: { code: "config_invalid" } }, { error: { code: "invalid_request" } }])
    expect(String((events[0] as { error: Error }).error.message)).toContain("express.json()")
  })

  it("tells the log of no missing parser where the caller sends no JSON, whatever it says it is", async () => {
    const events: GateEvent[] = []
    const app = express().use(express.json({ strict: false }), express.text())
    const client = await start(app.post("/login", loginHandler(makeGate("shop-api", events))))
    const bodies = [
      {},
      { text: "username=ada" },
      { form: "username=ada" },
      { json: "{}" },
      { json: null },
      { raw: '""' },
    ]
    for (const body of bodies) expect(await client.send("POST", "/login", body)).toMatchObject({ status: 400 })
    expect(events.map(event => "error" in event && event.error.code)).toEqual(Array(6).fill("invalid_request"))
  })

  it("lets nobody in where a guard is mounted and not made", async () => {
    const app = express()
    app.get("/guard", requireUser as unknown as RequestHandler, (_, response) => void response.end("in"))
    app.get("/gate", authenticate as unknown as RequestHandler, (_, response) => void response.end("in"))
    app.post("/login", loginHandler as unknown as RequestHandler)
    const onError: ErrorRequestHandler = (error, _request, response, _next) => void response.status(500).end(error.code)
    const client = await start(app.use(onError))
    for (const path of ["/guard", "/gate"]) {
      expect(await client.get(path)).toMatchObject({ status: 500, text: "config_invalid" })
    }
    expect(await client.send("POST", "/login", { json: {} })).toMatchObject({ status: 500, text: "config_invalid" })
  })
})

function createApplication(framework: typeof express, setup: Setup): Express {
  const { gate, onError, routes, replacePrincipal, strayRoutes, handlers, onApplicationError } = setup
  const app = framework()
  // Keeps Express's own handler from printing stacks.
  app.set("env", "test")
  app.use(framework.json({ strict: false }), framework.urlencoded({ extended: false }))
  addRoutes(app, strayRoutes)
  if (handlers) app.post("/stray/password", changePasswordHandler(gate, { onError }))
  app.use(authenticate(gate, { onError }))
  if (replacePrincipal !== undefined) {
    app.use((request, _response, next) => {
      if (request.principal !== null) Object.assign(request, { principal: replacePrincipal(request.principal) })
      next()
    })
  }
  addRoutes(app, routes)
  if (handlers) {
    app.post(
      "/register",
      registerHandler(gate, { onError, attributes: ["phone"], extra: request => request.body?.plan }),
    )
    app.post("/login", loginHandler(gate, { onError }))
    app.post("/refresh", refreshHandler(gate, { onError }))
    app.post("/logout", logoutHandler(gate, { onError }))
    app.post("/password-reset", passwordResetHandler(gate, { onError }))
    app.post("/password", changePasswordHandler(gate, { onError }))
  }
  const onErrorOfTheirs: ErrorRequestHandler = (error, _request, response, _next) => {
    onApplicationError?.(error)
    response.status(500).json({ application: true })
  }
  if (onApplicationError !== null) app.use(onErrorOfTheirs)
  return app
}

function addRoutes(app: Express, routes: readonly Route[]): void {
  for (const { path, guard, handle } of routes) {
    if (guard !== undefined) app.all(path, requireUser(...guard))
    app.all(path, (request, response, next) => {
      const answer = handle({ principal: request.principal, principalOf: kind => accessor(request, kind) })
      // Express 4 knows nothing of promises.
      if (answer instanceof Promise) answer.then(body => response.json(body), next)
      else response.json(answer)
    })
  }
}

function accessor(request: Request, kind?: "user" | "service") {
  if (kind === "service") return principalOf(request, kind)
  return kind === "user" ? principalOf(request, kind) : principalOf(request)
}
