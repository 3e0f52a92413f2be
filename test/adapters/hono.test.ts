import { createServer } from "node:http"
import { getRequestListener } from "@hono/node-server"
import { type Context, Hono } from "hono"
import { cors } from "hono/cors"
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
} from "../../src/adapters/hono.js"
import { createGate, type Gate, GateError, type GateEvent, memoryUserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { adapterContract, type Route, type Setup } from "../contracts/adapter.js"
import { openShop } from "../support/shop.ts"
import { listen } from "./listen.js"

// Hono's own error handler prints what it can't answer.
vi.spyOn(console, "error").mockImplementation(() => undefined)

adapterContract("Hono", async setup => listen(serve(createApplication(setup))), {
  guardsApart: true,
  passesErrors: true,
  middlewareAboutHandlers: false,
})

describe("Hono alone", () => {
  let realm: TestRealm
  const open: Gate<unknown>[] = []

  beforeAll(async () => {
    realm = await openShop()
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
  })

  function makeGate(clientId = "shop-api", events: GateEvent[] = []): Gate<unknown> {
    const userStore = memoryUserStore()
    const onEvent = (event: GateEvent) => void events.push(event)
    const gate: Gate<unknown> = createGate({ serverUrl: realm.url, realm: "shop", clientId, userStore, onEvent })
    open.push(gate)
    return gate
  }
  const bearer = async (claims = {}) => ({
    headers: { Authorization: `Bearer ${await realm.issueToken("ada", claims)}` },
  })
  const post = (body: unknown) => ({
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  })

  it("guards the routes of an application that is mounted behind one authenticate", async () => {
    const mounted = new Hono().get("/me", requireUser(), c => c.json(c.get("principal").subject))
    const app = new Hono().use(authenticate(makeGate())).route("/mounted", mounted)
    expect((await app.request("/mounted/me")).status).toBe(401)
    expect(await (await app.request("/mounted/me", await bearer({ sub: "s-1" }))).json()).toBe("s-1")
  })

  it("keeps two gates apart on two applications", async () => {
    const of = (clientId: string) =>
      new Hono().use(authenticate(makeGate(clientId))).get("/me", requireUser(), c => c.body(null, 204))
    const app = new Hono().route("/shop", of("shop-api")).route("/billing", of("billing"))
    const asBilling = await bearer({ aud: "billing" })
    expect((await app.request("/shop/me", asBilling)).status).toBe(401)
    expect((await app.request("/billing/me", asBilling)).status).toBe(204)
  })

  it("keeps the headers of CORS on a refusal", async () => {
    const app = new Hono().use(cors({ origin: "https://web.example.test" })).use(authenticate(makeGate()))
    app
      .get("/me", requireUser(), c => c.body(null))
      .get("/own", () => Promise.reject(new GateError("user_exists", "x")))
    const ask = (path: string) => app.request(path, { headers: { Origin: "https://web.example.test" } })
    for (const [path, status] of [
      ["/me", 401],
      ["/own", 409],
    ] as const) {
      const answer = await ask(path)
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([
        status,
        "https://web.example.test",
      ])
    }
  })

  it("answers a GateError of a handler where the application has no error handler, with the challenge", async () => {
    const app = new Hono().use(authenticate(makeGate()))
    app.get("/theirs", () => Promise.reject(new Error("theirs")))
    app.get("/ours", () => Promise.reject(new GateError("insufficient_scope", "order 4711 is not theirs")))
    app.get("/me", c => c.json(principalOf(c).subject))
    const ours = await app.request("/ours")
    expect([ours.status, await ours.json()]).toMatchObject([403, { error: "insufficient_scope" }])
    expect(ours.headers.get("www-authenticate")).toContain('error="insufficient_scope"')
    expect((await app.request("/me")).headers.get("www-authenticate")).toBe('Bearer realm="shop"')
    expect([(await app.request("/theirs")).status, await (await app.request("/theirs")).text()]).toEqual([
      500,
      "Internal Server Error",
    ])
  })

  it("leaves the answer to an error handler of the application's, whatever it says", async () => {
    const app = new Hono().use(authenticate(makeGate())).onError((_, c) => c.text("theirs", 500))
    app.get("/ours", () => Promise.reject(new GateError("insufficient_scope", "x")))
    expect(await (await app.request("/ours")).text()).toBe("theirs")
  })

  it.each([
    ["json", (c: Context) => c.req.json()],
    ["text", (c: Context) => c.req.text()],
    ["bytes", (c: Context) => c.req.arrayBuffer()],
  ])("reads a body that a validator has read before it as %s", async (_, read) => {
    const heard: unknown[] = []
    const loginWithPassword = async (given: unknown) => {
      heard.push(given)
      throw new GateError("invalid_credentials", "x")
    }
    const gate = { ...makeGate(), loginWithPassword } as unknown as Gate<unknown>
    const app = new Hono().use(async (c, next) => {
      await read(c)
      await next()
    })
    app.post("/login", loginHandler(gate))
    expect((await app.request("/login", post({ username: "ada", password: "p" }))).status).toBe(401)
    expect(heard).toEqual([{ username: "ada", password: "p" }])
  })

  it("tells the log where somebody has read the body past Hono", async () => {
    const events: GateEvent[] = []
    const app = new Hono().use(async (c, next) => {
      await c.req.raw.text()
      await next()
    })
    app.post("/login", loginHandler(makeGate("shop-api", events)))
    const sent = post({ username: "ada" })
    const headers = { ...sent.headers, "Content-Length": String(sent.body.length) }
    expect((await app.request("/login", { ...sent, headers })).status).toBe(400)
    expect(events).toMatchObject([{ error: { code: "config_invalid" } }, { error: { code: "invalid_request" } }])
  })

  it("lets nobody in where a guard is mounted and not made", async () => {
    const app = new Hono().get("/", requireUser as never, c => c.text("in"))
    expect(await (await app.request("/")).text()).not.toBe("in")
  })
})

function createApplication(setup: Setup): Hono {
  const { gate, onError, routes, replacePrincipal, strayRoutes, handlers, onApplicationError } = setup
  const app = new Hono()
  if (onApplicationError !== null) {
    app.onError((error, c) => {
      onApplicationError(error)
      return c.json({ application: true }, 500)
    })
  }
  addRoutes(app, strayRoutes)
  if (handlers) app.post("/stray/password", changePasswordHandler(gate, { onError }))
  app.use(authenticate(gate, { onError }))
  if (replacePrincipal !== undefined) {
    app.use(async (c, next) => {
      const principal = c.get("principal")
      if (principal !== null) c.set("principal", replacePrincipal(principal) as never)
      await next()
    })
  }
  addRoutes(app, routes)
  if (handlers) {
    const extra = async (c: Context) => ((await c.req.json().catch(() => ({}))) as { plan?: string } | null)?.plan
    app.post("/register", registerHandler(gate, { onError, attributes: ["phone"], extra }))
    app.post("/login", loginHandler(gate, { onError }))
    app.post("/refresh", refreshHandler(gate, { onError }))
    app.post("/logout", logoutHandler(gate, { onError }))
    app.post("/password-reset", passwordResetHandler(gate, { onError }))
    app.post("/password", changePasswordHandler(gate, { onError }))
  }
  return app
}

function addRoutes(app: Hono, routes: readonly Route[]): void {
  for (const { path, guard, handle } of routes) {
    if (guard !== undefined) app.use(path, requireUser(...(guard as [])))
    app.on(["GET", "POST"], path, async c =>
      c.json((await handle({ principal: c.get("principal"), principalOf: kind => accessor(c, kind) })) as object),
    )
  }
}

function accessor(c: Context, kind?: "user" | "service") {
  if (kind === "service") return principalOf(c, kind)
  return kind === "user" ? principalOf(c, kind) : principalOf(c)
}

function serve(app: Hono) {
  return createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
}
