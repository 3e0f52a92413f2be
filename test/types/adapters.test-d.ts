import Router from "@koa/router"
import express from "express"
import fastify, { type FastifyRequest } from "fastify"
import { Hono } from "hono"
import Koa from "koa"
import { describe, expectTypeOf, it } from "vitest"
import * as onExpress from "../../src/adapters/express.js"
import * as onFastify from "../../src/adapters/fastify.js"
import * as onHono from "../../src/adapters/hono.js"
import * as onKoa from "../../src/adapters/koa.js"
import * as onWeb from "../../src/adapters/web.js"
import {
  createGate,
  type MemoryUser,
  memoryUserStore,
  type Principal,
  type ServicePrincipal,
  type UserPrincipal,
} from "../../src/index.js"
import type { RegisteredUser } from "../../src/users/registered-user.js"

const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" }
const gate = createGate({ ...options, userStore: memoryUserStore() })

describe("Register, not declared in this program", () => {
  it("leaves the application's row unknown, so that a gate of any row type can be mounted", () => {
    expectTypeOf<RegisteredUser>().toBeUnknown()
    expectTypeOf(onExpress.authenticate).toBeCallableWith(gate)
    expectTypeOf(onExpress.authenticate).toBeCallableWith(createGate(options))
  })

  it("leaves the row of a gate itself typed", () => {
    expectTypeOf(gate.verifyBearer("")).resolves.toEqualTypeOf<Principal<MemoryUser> | null>()
  })
})

describe("Express", () => {
  it("leaves route parameters typed behind a guard", () => {
    express().get("/users/:id", onExpress.requireUser(), (request, response) => {
      expectTypeOf(request.params.id).toEqualTypeOf<string>()
      expectTypeOf(request.principal).toEqualTypeOf<Principal<unknown> | null>()
      response.json(onExpress.principalOf(request).subject)
    })
  })

  it("takes guards in lists, on routers and before other middleware", () => {
    const router = express.Router()
    router.use(onExpress.authenticate(gate), onExpress.requireUser())
    router.use("/admin", [onExpress.requireUser({ realmRoles: ["admin"] })])
    router.route("/x").all(onExpress.requireUser()).post(express.json(), onExpress.loginHandler(gate))
    router.post("/reset", onExpress.passwordResetHandler(gate, { redirectUri: "https://shop.example.test/" }))
    router.post("/users/:id/password", onExpress.requireUser(), onExpress.changePasswordHandler(gate))
    router.post("/backchannel-logout", onExpress.backchannelLogoutHandler(gate, { clients: ["shop-web"] }))
  })
})

describe("registerHandler's `extra`", () => {
  it("sees the framework's own request", () => {
    express().post("/a", onExpress.registerHandler(gate, { extra: request => [request.ip, request.body.plan] }))
    fastify().post("/a", onFastify.registerHandler(gate, { extra: async request => [request.ip, request.body] }))
    new Koa().use(onKoa.registerHandler(gate, { extra: ctx => [ctx.ip, ctx.request.body] }))
  })
})

describe("Fastify", () => {
  it("leaves route types as they are behind a guard", () => {
    fastify().get<{ Params: { id: string } }>("/users/:id", { onRequest: onFastify.requireUser() }, async request => {
      expectTypeOf(request.params).toEqualTypeOf<{ id: string }>()
      expectTypeOf(request.principal).toEqualTypeOf<Principal<unknown> | null>()
      return onFastify.principalOf(request, "user").user
    })
  })

  it("takes guards in lists and at later hooks, and handlers with other options", () => {
    const app = fastify()
    app.get("/a", { preHandler: [onFastify.requireUser()] }, async () => "")
    app.addHook("onRequest", onFastify.requireUser())
    app.post("/login", { bodyLimit: 4096 }, onFastify.loginHandler(gate))
    app.route({ method: "POST", url: "/logout", handler: onFastify.logoutHandler(gate) })
    app.post("/reset", onFastify.passwordResetHandler(gate, { lifespanSeconds: 600 }))
    app.post("/password", { onRequest: onFastify.requireUser() }, onFastify.changePasswordHandler(gate))
    app.post("/backchannel-logout", onFastify.backchannelLogoutHandler(gate))
    app.route({ method: "POST", url: "/logout", ...onFastify.backchannelLogoutHandler(gate), logLevel: "warn" })
  })

  it("can be registered on a server of HTTP/2", () => {
    const app = fastify({ http2: true })
    app.register(onFastify.authenticate(gate))
    app.get("/me", { onRequest: onFastify.requireUser() }, async request => onFastify.principalOf(request).subject)
    app.post("/login", onFastify.loginHandler(gate))
  })

  it("reads the principal of any request", () => {
    expectTypeOf(onFastify.principalOf).toBeCallableWith({} as FastifyRequest<{ Body: { a: 1 } }>)
  })
})

describe("Koa", () => {
  it("types ctx.state of an application that says PrincipalState, and of one that chains", () => {
    new Koa<onKoa.PrincipalState>()
      .use(onKoa.authenticate(gate))
      .use(onKoa.requireUser())
      .use(ctx => {
        expectTypeOf(ctx.state.principal).toEqualTypeOf<Principal<unknown> | null>()
        ctx.body = onKoa.principalOf(ctx, "user").user
      })
    expectTypeOf(new Koa().use(onKoa.authenticate(gate)).use(onKoa.requireUser())).toExtend<Koa>()
  })

  it("fits routers with a state and a context of their own", () => {
    interface State extends onKoa.PrincipalState {
      readonly language: string
    }
    interface Context {
      readonly db: { query(): void }
    }
    const router = new Router<State, Context>()
    router.use(onKoa.authenticate(gate))
    router.get("/me", onKoa.requireUser(), ctx => {
      expectTypeOf(ctx.state.language).toEqualTypeOf<string>()
      ctx.db.query()
      ctx.body = onKoa.principalOf(ctx).subject
    })
    router.post("/login", onKoa.loginHandler(gate))
    router.post("/reset", onKoa.passwordResetHandler(gate, { lifespanSeconds: undefined }))
    router.post("/password", onKoa.requireUser(), onKoa.changePasswordHandler(gate))
    router.post("/backchannel-logout", onKoa.backchannelLogoutHandler(gate))
    new Koa<State, Context>().use(router.routes())
    new Koa().use(new Router().get("/me", onKoa.requireUser(), ctx => void onKoa.principalOf(ctx)).routes())
  })
})

describe("principalOf", () => {
  it("narrows by kind", () => {
    const request = {} as express.Request
    expectTypeOf(onExpress.principalOf(request)).toEqualTypeOf<Principal<unknown>>()
    expectTypeOf(onExpress.principalOf(request, "user")).toEqualTypeOf<UserPrincipal<unknown>>()
    expectTypeOf(onExpress.principalOf(request, "service").user).toEqualTypeOf<null>()
    // @ts-expect-error: no such kind
    onExpress.principalOf(request, "robot")
    // @ts-expect-error: a response has no principal
    onExpress.principalOf({} as express.Response)
  })
})

describe("the handlers of accounts", () => {
  it("take what the application sets, and nothing misspelt", () => {
    for (const { passwordResetHandler, changePasswordHandler } of [onExpress, onFastify, onKoa]) {
      passwordResetHandler(gate, { onError: "pass" })
      // @ts-expect-error: redirectUri
      passwordResetHandler(gate, { redirectURI: "https://shop.example.test/" })
      // @ts-expect-error: whose password it is comes from the request
      changePasswordHandler(gate, { username: "ada" })
    }
  })
})

describe("requireUser's `allow`", () => {
  it("has the framework's request, and the principal of the kind that the guard lets in", () => {
    onExpress.requireUser({
      allow(principal, request) {
        expectTypeOf(principal).toEqualTypeOf<UserPrincipal<unknown>>()
        return request.params.id === principal.subject && request.ip !== undefined
      },
    })
    onFastify.requireUser({
      scopes: ["orders:read"],
      allow: async (principal, request) => principal.kind === "user" && request.routeOptions.url === "/x",
    })
    onKoa.requireUser({ kind: "any", allow: (principal, ctx) => ctx.path === principal.subject })
    onExpress.requireUser({
      kind: "service",
      allow(principal) {
        expectTypeOf(principal).toEqualTypeOf<ServicePrincipal>()
        return true
      },
    })
    onExpress.requireUser({
      kind: "any",
      allow(principal) {
        expectTypeOf(principal).toEqualTypeOf<Principal<unknown>>()
        return true
      },
    })
  })

  it("is a function that answers true or false", () => {
    for (const requireUser of [onExpress.requireUser, onFastify.requireUser, onKoa.requireUser]) {
      // @ts-expect-error: no function
      requireUser({ allow: true })
      // @ts-expect-error: undefined is no function
      requireUser({ allow: undefined })
      // @ts-expect-error: it says neither yes nor no
      requireUser({ allow: () => "yes" })
      // @ts-expect-error: it forgets to answer
      requireUser({ allow: () => {} })
    }
  })
})

describe("requireUser", () => {
  it("takes requirements and refuses misspelt ones", () => {
    for (const requireUser of [onExpress.requireUser, onFastify.requireUser, onKoa.requireUser]) {
      requireUser({
        realmRoles: ["a"],
        clientRoles: { c: ["a"] },
        scopes: ["s"],
        groups: ["/g"],
        any: true,
        kind: "any",
      })
      // @ts-expect-error: realmRoles
      requireUser({ realmRole: ["a"] })
      // @ts-expect-error: a list
      requireUser({ realmRoles: "a" })
      // @ts-expect-error: no such kind
      requireUser({ kind: "robot" })
      // @ts-expect-error: null is no requirement
      requireUser(null)
    }
  })
})

describe("Hono", () => {
  it("has a principal that is never null behind a guard, of the kind that passes", () => {
    const app = new Hono().use(onHono.authenticate(gate))
    app.get("/open", c => {
      expectTypeOf(c.get("principal")).toEqualTypeOf<Principal<unknown> | null>()
      return c.text("")
    })
    app.get("/users/:id", onHono.requireUser(), c => {
      expectTypeOf(c.get("principal")).toEqualTypeOf<UserPrincipal<unknown>>()
      expectTypeOf(c.req.param("id")).toEqualTypeOf<string>()
      return c.json(c.var.principal.subject)
    })
    app.get("/jobs", onHono.requireUser({ kind: "service", scopes: ["jobs"] }), c => {
      expectTypeOf(c.get("principal")).toEqualTypeOf<ServicePrincipal>()
      return c.text("")
    })
    app.get("/either", onHono.requireUser({ kind: "any" }), c => {
      expectTypeOf(c.get("principal")).toEqualTypeOf<Principal<unknown>>()
      return c.text("")
    })
  })

  it("leaves the bindings of an application as they are", () => {
    const app = new Hono<{ Bindings: { readonly key: string }; Variables: { readonly language: string } }>()
    app.use(onHono.authenticate(gate)).post("/login", onHono.loginHandler(gate))
    app.get("/", onHono.requireUser({ realmRoles: ["admin"] }), c => {
      expectTypeOf(c.env.key).toEqualTypeOf<string>()
      expectTypeOf(c.get("language")).toEqualTypeOf<string>()
      return c.json(onHono.principalOf(c, "user").user)
    })
  })
})

describe("the web's Request", () => {
  class NextRequest extends Request {
    readonly nextUrl: URL = new URL(this.url)
  }

  it("fits route handlers with a context, and Workers with env and ctx", () => {
    const route = onWeb.guard(gate, {}, (request: NextRequest, principal, { id }: { readonly id: string }) => {
      expectTypeOf(principal).toEqualTypeOf<UserPrincipal<MemoryUser>>()
      return Response.json([request.nextUrl.href, id])
    })
    expectTypeOf(route).toEqualTypeOf<(request: NextRequest, context: { readonly id: string }) => Promise<Response>>()
    const worker = {
      fetch: onWeb.guard(gate, { kind: "any" }, async (_: Request, who, _env: object, _ctx: object) =>
        Response.json(who),
      ),
    }
    expectTypeOf(worker.fetch).parameters.toEqualTypeOf<[Request, object, object]>()
    const jobs = onWeb.guard(gate, { kind: "service" }, (_: Request, who) =>
      Response.json(expectTypeOf(who).toEqualTypeOf<ServicePrincipal>()),
    )
    expectTypeOf(jobs).toEqualTypeOf<(request: Request) => Promise<Response>>()
  })

  it("knows whom requirements let in, and that nobody may ask without any", () => {
    expectTypeOf(onWeb.verifyRequest(gate, {} as Request)).resolves.toEqualTypeOf<Principal<MemoryUser> | null>()
    expectTypeOf(onWeb.verifyRequest(gate, {} as Request, {})).resolves.toEqualTypeOf<UserPrincipal<MemoryUser>>()
    const someKind: { kind?: "user" | "service" | "any" } = {}
    expectTypeOf(onWeb.verifyRequest(gate, {} as Request, someKind)).resolves.toEqualTypeOf<Principal<MemoryUser>>()
  })
})
