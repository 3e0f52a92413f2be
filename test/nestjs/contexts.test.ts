import { once } from "node:events"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, GateError, memoryUserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { openShop } from "../support/shop.ts"
import { type Loaded, type Nest, openNest } from "./nest.ts"

describe.each([11, 12] as const)("NestJS %i", version => {
  let nest: Nest
  let realm: TestRealm
  let common: Loaded
  let door: Loaded
  const open: { close(): unknown }[] = []
  beforeAll(async () => {
    nest = await openNest(version)
    realm = await openShop()
    common = await nest.load("@nestjs/common")
    door = await nest.load("keycloak-gate/nestjs")
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  function makeGate(): Gate<unknown> {
    const gate: Gate<unknown> = createGate({
      ...realm.gateOptions,
      userStore: memoryUserStore(),
      onEvent: () => undefined,
    })
    open.push(gate)
    return gate
  }

  /** Decorates a method, and its parameters in their order. */
  function decorate(target: Loaded, name: string, decorators: readonly Loaded[], parameters: readonly Loaded[] = []) {
    const method = Object.getOwnPropertyDescriptor(target.prototype, name)
    for (const one of decorators) one(target.prototype, name, method)
    for (const [index, one] of parameters.entries()) one(target.prototype, name, index)
  }

  async function start(
    module: object,
    platform: "express" | "fastify" = "express",
    adapt: (app: Loaded) => void = () => undefined,
  ) {
    class AppModule {}
    common.Module(module)(AppModule)
    const adapters = await nest.load(`@nestjs/platform-${platform}`)
    const adapter = platform === "express" ? new adapters.ExpressAdapter() : new adapters.FastifyAdapter()
    const { NestFactory } = await nest.load("@nestjs/core")
    const app = await NestFactory.create(AppModule, adapter, { logger: false, abortOnError: false })
    open.push(app)
    adapt(app)
    await app.listen(0, "127.0.0.1")
    return String(await app.getUrl())
  }
  const bearer = async (claims = {}) => `Bearer ${await realm.issueToken("ada", claims)}`

  describe("over HTTP", () => {
    function controller() {
      class Routes {
        undecorated = () => "in"
        row(user: Loaded, principal: Loaded) {
          return { username: user.username, kind: principal.kind }
        }
        open(user: Loaded) {
          return { user }
        }
        admin() {
          return "in"
        }
        plain() {
          return "in"
        }
        injected() {
          return "in"
        }
      }
      decorate(Routes, "row", [common.Get("row"), door.RequireUser()], [door.CurrentUser(), door.CurrentPrincipal()])
      decorate(Routes, "open", [common.Get("open"), door.Public()], [door.CurrentUser()])
      decorate(Routes, "admin", [
        common.Get("admin"),
        door.RequireUser({ realmRoles: ["admin"] }),
        door.RequireUser({ scopes: ["x"] }),
      ])
      decorate(Routes, "plain", [common.Get("plain")])
      common.Controller()(Routes)
      return Routes
    }
    const ask = async (url: string, path: string, authorization?: string) => {
      const answer = await fetch(url + path, authorization === undefined ? {} : { headers: { authorization } })
      return { status: answer.status, text: await answer.text(), challenge: answer.headers.get("www-authenticate") }
    }

    it("guards what carries nothing, gives handlers their row, and needs each of several decorators", async () => {
      const url = await start({ imports: [door.GateModule.forRoot({ gate: makeGate() })], controllers: [controller()] })
      expect(await ask(url, "/plain")).toMatchObject({ status: 401, challenge: 'Bearer realm="shop"' })
      expect(await ask(url, "/plain", await bearer())).toMatchObject({ status: 200, text: "in" })
      expect((await ask(url, "/row", await bearer())).text).toBe('{"username":"ada","kind":"user"}')
      expect((await ask(url, "/open")).text).toBe('{"user":null}')
      expect(await ask(url, "/open", "Bearer x")).toMatchObject({ status: 401 })
      const admin = { realm_access: { roles: ["admin"] } }
      for (const [claims, status] of [
        [{}, 403],
        [admin, 403],
        [{ scope: "x" }, 403],
        [{ ...admin, scope: "x" }, 200],
      ] as const) {
        expect(await ask(url, "/admin", await bearer(claims))).toMatchObject({ status })
      }
    })

    it("opens a method of a guarded class to everybody, and adds a method's needs to those of its class", async () => {
      const Routes = controller()
      door.RequireUser({ realmRoles: ["staff"] })(Routes)
      const url = await start({ imports: [door.GateModule.forRoot({ gate: makeGate() })], controllers: [Routes] })
      expect(await ask(url, "/open")).toMatchObject({ status: 200 })
      expect(await ask(url, "/row", await bearer())).toMatchObject({ status: 403 })
      expect(await ask(url, "/row", await bearer({ realm_access: { roles: ["staff"] } }))).toMatchObject({
        status: 200,
      })
    })

    it("with `global: false` guards what carries a decorator alone", async () => {
      const url = await start({
        imports: [door.GateModule.forRoot({ gate: makeGate(), global: false })],
        controllers: [controller()],
      })
      expect(await ask(url, "/plain")).toMatchObject({ status: 200 })
      expect(await ask(url, "/row")).toMatchObject({ status: 401 })
    })

    it("takes a gate that is made of what Nest injects, and injects it", async () => {
      const gate = makeGate()
      const name = Symbol("name")
      class Config {}
      common.Module({ providers: [{ provide: name, useValue: gate }], exports: [name] })(Config)
      class Routes {
        readonly injected: unknown
        constructor(injected: unknown) {
          this.injected = injected
        }
        same() {
          return { same: this.injected === gate }
        }
      }
      common.Inject(door.GATE)(Routes, undefined, 0)
      decorate(Routes, "same", [common.Get("same")])
      common.Controller()(Routes)
      const useFactory = async (made: Gate<unknown>) => ({ gate: made })
      const imports = [door.GateModule.forRootAsync({ imports: [Config], inject: [name], useFactory })]
      const url = await start({ imports, controllers: [Routes] })
      expect(await ask(url, "/same")).toMatchObject({ status: 401 })
      expect((await ask(url, "/same", await bearer())).text).toBe('{"same":true}')
    })

    it("refuses wrong options and no gate", async () => {
      const { GateModule } = door
      expect(() => GateModule.forRoot({ gate: {} })).toThrow(expect.objectContaining({ code: "config_invalid" }))
      expect(() => GateModule.forRoot({ gate: makeGate(), isGlobal: true })).toThrow("isGlobal")
      expect(() => GateModule.forRootAsync({})).toThrow("useFactory")
      const imports = [GateModule.forRootAsync({ useFactory: () => ({}) })]
      await expect(start({ imports })).rejects.toMatchObject({ code: "config_invalid" })
    })
  })

  describe.each(["express", "fastify"] as const)("over GraphQL on %s", platform => {
    async function startGraphql() {
      const [{ GraphQLModule, Query, Resolver }, { ApolloDriver }] = [
        await nest.load("@nestjs/graphql"),
        await nest.load("@nestjs/apollo"),
      ]
      class Queries {
        me(principal: Loaded) {
          return principal.subject
        }
        admin() {
          return "in"
        }
        hello(principal: Loaded) {
          return principal?.username ?? "stranger"
        }
        plain() {
          return "in"
        }
        ours() {
          throw new GateError("insufficient_scope", "order 4711 is not theirs", { field: "order" })
        }
        theirs() {
          throw new Error("theirs")
        }
      }
      const text = () => Query(() => String)
      decorate(Queries, "me", [text(), door.RequireUser()], [door.CurrentPrincipal()])
      decorate(Queries, "admin", [text(), door.RequireUser({ realmRoles: ["admin"] })])
      decorate(Queries, "hello", [text(), door.Public()], [door.CurrentPrincipal()])
      decorate(Queries, "plain", [text()])
      decorate(Queries, "ours", [text(), door.Public()])
      decorate(Queries, "theirs", [text(), door.Public()])
      Resolver()(Queries)
      const graphql = GraphQLModule.forRoot({
        driver: ApolloDriver,
        autoSchemaFile: true,
        includeStacktraceInErrorResponses: true,
      })
      const url = await start(
        { imports: [door.GateModule.forRoot({ gate: makeGate() }), graphql], providers: [Queries] },
        platform,
      )
      return async (query: string, authorization?: string) => {
        const answer = await fetch(`${url}/graphql`, {
          method: "POST",
          headers: { "content-type": "application/json", ...(authorization !== undefined && { authorization }) },
          body: JSON.stringify({ query: `{ ${query} }` }),
        })
        const { data, errors } = (await answer.json()) as Loaded
        return { status: answer.status, challenge: answer.headers.get("www-authenticate"), data, error: errors?.[0] }
      }
    }

    it("lets in with a token, and greets a stranger where it may", async () => {
      const ask = await startGraphql()
      expect(await ask("me plain", await bearer({ sub: "s-1" }))).toMatchObject({
        status: 200,
        data: { me: "s-1", plain: "in" },
      })
      expect(await ask("hello")).toMatchObject({ status: 200, data: { hello: "stranger" } })
      expect(await ask("hello", await bearer())).toMatchObject({ data: { hello: "ada" } })
    })

    it("refuses with a code and the challenge, and tells nothing of the log or of a stack", async () => {
      const ask = await startGraphql()
      for (const [query, authorization, code] of [
        ["me", undefined, "credentials_missing"],
        ["plain", undefined, "credentials_missing"],
        ["hello", "Bearer x", "invalid_token"],
        ["admin", await bearer(), "insufficient_scope"],
        ["ours", undefined, "insufficient_scope"],
      ] as const) {
        const answer = await ask(query, authorization)
        // Nest's driver sets the status of an answer with data to 200, whatever `http` says.
        expect([query, answer.error.extensions.code, answer.data]).toEqual([query, code, null])
        expect(answer.challenge).toMatch(/^Bearer realm="shop"/)
        expect(JSON.stringify(answer.error)).not.toMatch(/4711|GateGuard|node_modules|requireUser|\.js:/)
      }
      expect((await ask("ours")).error.extensions.field).toBe("order")
      expect((await ask("theirs")).error).toMatchObject({
        message: "theirs",
        extensions: { code: "INTERNAL_SERVER_ERROR" },
      })
    })
  })

  describe("with gateways", () => {
    async function gateway(decorators: readonly Loaded[], connected?: (client: Loaded, request: Loaded) => unknown) {
      const { SubscribeMessage, WebSocketGateway } = await nest.load("@nestjs/websockets")
      class Gateway {
        hello(principal: Loaded) {
          return { event: "hello", data: principal?.subject ?? "stranger" }
        }
        handleConnection(client: Loaded, request: Loaded) {
          return connected?.(client, request)
        }
      }
      decorate(Gateway, "hello", [SubscribeMessage("hello")], [door.CurrentPrincipal()])
      for (const one of [WebSocketGateway(), ...decorators]) one(Gateway)
      return Gateway
    }

    it("does not start where one is neither guarded nor public", async () => {
      for (const global of [true, false]) {
        const module = {
          imports: [door.GateModule.forRoot({ gate: makeGate(), global })],
          providers: [await gateway([])],
        }
        await expect(start(module)).rejects.toMatchObject({
          code: "config_invalid",
          message: expect.stringContaining("Gateway"),
        })
        open.pop()
      }
    })

    /** What the gateway answers on Socket.IO: the event, and what came with it. */
    async function helloOnSocketIo(url: string, options: object): Promise<Loaded> {
      const { io } = await nest.load("socket.io-client")
      const socket = io(url, { transports: ["websocket"], forceNew: true, ...options })
      try {
        return await new Promise(resolve => {
          for (const event of ["hello", "exception"]) socket.on(event, (data: unknown) => resolve([event, data]))
          socket.emit("hello", {})
        })
      } finally {
        socket.disconnect()
      }
    }

    it("guards each message on Socket.IO, by the header or the token of the handshake", async () => {
      const imports = [door.GateModule.forRoot({ gate: makeGate() })]
      const url = await start({ imports, providers: [await gateway([door.RequireUser()])] })
      const token = await realm.issueToken("ada", { sub: "s-1" })
      expect(await helloOnSocketIo(url, { extraHeaders: { Authorization: `Bearer ${token}` } })).toEqual([
        "hello",
        "s-1",
      ])
      expect(await helloOnSocketIo(url, { auth: { token } })).toEqual(["hello", "s-1"])
      const refused = (error: string) => ["exception", expect.objectContaining({ status: "error", error })]
      expect(await helloOnSocketIo(url, {})).toEqual(refused("credentials_missing"))
      expect(await helloOnSocketIo(url, { auth: { token: "x" } })).toEqual(refused("invalid_token"))
    })

    it("is open to everybody on Socket.IO with Public", async () => {
      const imports = [door.GateModule.forRoot({ gate: makeGate() })]
      const url = await start({ imports, providers: [await gateway([door.Public()])] })
      expect(await helloOnSocketIo(url, {})).toEqual(["hello", "stranger"])
      expect(await helloOnSocketIo(url, { auth: { token: await realm.issueToken("ada", { sub: "s-1" }) } })).toEqual([
        "hello",
        "s-1",
      ])
    })

    it("takes the principal of a raw ws client from its hold, and refuses one without", async () => {
      const { WsAdapter } = await nest.load("@nestjs/platform-ws")
      const { WebSocket: Client } = await nest.load("ws")
      const gate = makeGate()
      const Guarded = await gateway([door.RequireUser()], async (client, request) => {
        const token = request.headers.authorization?.slice("Bearer ".length)
        if (token === undefined) return
        const hold = await gate.hold(token, { onEnd: (reason: string) => client.close(4401, reason) })
        client.on("close", hold.close)
        door.attachHold(client, hold)
        client.send("ready")
      })
      const imports = [door.GateModule.forRoot({ gate })]
      const url = await start({ imports, providers: [Guarded] }, "express", app =>
        app.useWebSocketAdapter(new WsAdapter(app)),
      )
      const hello = JSON.stringify({ event: "hello", data: {} })
      const [held, stranger] = [
        new Client(url.replace("http", "ws"), { headers: { Authorization: await bearer({ sub: "s-1" }) } }),
        new Client(url.replace("http", "ws")),
      ]
      await Promise.all([once(held, "message"), once(stranger, "open")])
      held.send(hello)
      expect(JSON.parse(String((await once(held, "message"))[0]))).toEqual({ event: "hello", data: "s-1" })
      stranger.send(hello)
      expect(JSON.parse(String((await once(stranger, "message"))[0]))).toMatchObject({
        event: "exception",
        data: { error: "credentials_missing" },
      })
      const ended = once(held, "close")
      await gate.close()
      expect(String((await ended)[1])).toBe("closed")
      stranger.terminate()
    })
  })
})
