import express, { type ErrorRequestHandler, type Express, type Request } from "express"
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
import { createGate, type Gate, memoryUserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { adapterContract, createClient, type Route, type Setup } from "../contracts/adapter.js"
import { openShop } from "../support/shop.ts"
import { listen } from "./listen.js"

adapterContract("Express", async setup => listen(createApplication(setup)))

describe("Express alone", () => {
  let realm: TestRealm
  const open: { close(): unknown }[] = []

  beforeAll(async () => {
    realm = await openShop()
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  function makeGate(clientId = "shop-api"): Gate<unknown> {
    const userStore = memoryUserStore()
    const gate = createGate({ serverUrl: realm.url, realm: "shop", clientId, userStore, onEvent: () => {} })
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

  it("answers with every missing field where no body parser is mounted", async () => {
    const client = await start(express().post("/login", loginHandler(makeGate())))
    const answer = await client.send("POST", "/login", { json: { username: "ada", password: "p" } })
    expect(answer).toMatchObject({ status: 400, body: { fields: [{ field: "username" }, { field: "password" }] } })
  })
})

function createApplication({ gate, onError, routes, strayRoutes, handlers, onApplicationError }: Setup): Express {
  const app = express()
  // Keeps Express's own handler from printing stacks.
  app.set("env", "test")
  app.use(express.json({ strict: false }), express.urlencoded())
  addRoutes(app, strayRoutes)
  if (handlers) app.post("/stray/password", changePasswordHandler(gate, { onError }))
  app.use(authenticate(gate, { onError }))
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
    app.all(path, (request, response) => {
      response.json(handle({ principal: request.principal, principalOf: kind => accessor(request, kind) }))
    })
  }
}

function accessor(request: Request, kind?: "user" | "service") {
  if (kind === "service") return principalOf(request, kind)
  return kind === "user" ? principalOf(request, kind) : principalOf(request)
}
