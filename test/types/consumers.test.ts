import { execFile } from "node:child_process"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { brokenElsewhere } from "../runtimes/compilers.ts"
import { installPacked } from "../runtimes/packed.ts"

const run = promisify(execFile)
const root = join(import.meta.dirname, "../..")
const modules = join(root, "node_modules")

// What an application writes once, to have its row's type in every handler, and its names in every guard.
const register = `
  export interface Row { readonly id: number; readonly email: string | null }
  declare global {
    namespace KeycloakGate {
      interface Register {
        user: Row
        realmRoles: "admin" | "customer"
        clientRoles: { "shop-api": "editor" | "reader"; billing: "clerk" }
        groups: "/staff"
        scopes: "orders:read"
      }
    }
  }
`
const guards = `
  for (const { requireUser } of [onExpress, onFastify, onKoa]) {
    requireUser({
      realmRoles: ["admin", "customer"], clientRoles: { "shop-api": ["editor"] }, groups: ["/staff"], scopes: ["orders:read"],
    })
    requireUser({ allow: principal => principal.user.id > 1 && principal.realmRoles.includes(String(principal.user.email)) })
    // @ts-expect-error: no such realm role
    requireUser({ realmRoles: ["admim"] })
    // @ts-expect-error: no such client
    requireUser({ clientRoles: { shop: ["editor"] } })
    // @ts-expect-error: a role of the other client
    requireUser({ clientRoles: { billing: ["editor"] } })
    // @ts-expect-error: no such group
    requireUser({ groups: ["/boss"] })
    // @ts-expect-error: no such scope
    requireUser({ scopes: ["orders:write"] })
  }
  export async function held(token: string, role: string): Promise<boolean> {
    const requirements = { realmRoles: ["customer" as const] }
    const { principal, renew, close } = await gate.hold(token, { requirements, onEnd: reason => reason === "expired" })
    // @ts-expect-error: no such realm role
    await gate.verifyToken(token, { realmRoles: ["admim"] })
    // @ts-expect-error: no such scope
    await gate.verifyBearer(token, { scopes: ["orders:write"] })
    // @ts-expect-error: no such role
    await gate.hold(token, { requirements: { clientRoles: { "shop-api": ["admin"] } }, onEnd: close })
    const { realmRoles }: { realmRoles: readonly string[] } = await renew(token)
    return realmRoles.includes(role) || principal.scopes.includes(role)
  }
`
const store = `
  const userStore: UserStore<Row> = {
    async findUser({ issuer, subject }) { return subject === issuer ? null : { id: 1, email: null } },
    async saveUser({ email }) { return { id: 1, email } },
    async removeUser() {},
  }
  const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" }
  export const gate = createGate({ ...options, userStore })
`
const routes = `
  const app = express()
  app.use(onExpress.authenticate(gate))
  app.get("/users/:id", onExpress.requireUser({ realmRoles: ["admin"] }), (request, response) => {
    const id: string = request.params.id
    const email: string | null = onExpress.principalOf(request, "user").user.email
    if (request.principal?.kind === "user") response.json([request.principal.user.id + 1, email, id])
  })
  app.post("/login", express.json(), onExpress.loginHandler(gate))

  const server = fastify()
  server.register(onFastify.authenticate(gate, { onError: "pass" }))
  server.get("/me", { onRequest: onFastify.requireUser() }, async request => {
    if (request.principal?.kind === "user") return request.principal.user.id + 1
    return onFastify.principalOf(request, "user").user.email
  })
  server.post("/register", onFastify.registerHandler(gate, { attributes: ["phone"] }))

  const router = new Router<onKoa.PrincipalState>()
  router.get("/me", onKoa.requireUser(), ctx => {
    if (ctx.state.principal?.kind === "user") ctx.body = ctx.state.principal.user.id + 1
    ctx.body = onKoa.principalOf(ctx, "user").user.email
  })
  new Koa<onKoa.PrincipalState>().use(onKoa.authenticate(gate)).use(router.routes())

  const hono = new Hono<{ Bindings: { readonly key: string } }>().use(onHono.authenticate(gate))
  hono.get("/users/:id", onHono.requireUser(), c => {
    const [id, key, email]: [string, string, string | null] = [c.req.param("id"), c.env.key, c.get("principal").user.email]
    return c.json([id, key, email, onHono.principalOf(c, "user").user.id + 1, c.var.principal.user.id + 1])
  })
  hono.get("/open", c => c.json(c.get("principal")?.subject)).post("/login", onHono.loginHandler(gate))

  interface Context { readonly params: Promise<{ readonly id: string }> }
  export const GET = onWeb.guard(gate, {}, async (request: Request, principal, { params }: Context) =>
    Response.json([request.url, principal.user.email, (await params).id]))
  export const login: (request: Request) => Promise<Response> = onWeb.loginHandler(gate)
  @onNest.RequireUser()
  export class Orders {
    @onNest.RequireUser({ realmRoles: ["admin"], allow: principal => principal.user.id > 1 })
    show(@onNest.CurrentUser() user: onNest.RegisteredUser, @onNest.CurrentPrincipal() principal: { readonly username: string | null }) {
      return [user.id + 1, principal.username]
    }
    @onNest.Public()
    hello() {}
  }
  export const nestModules: readonly object[] = [
    onNest.GateModule.forRoot({ gate, global: undefined }),
    onNest.GateModule.forRootAsync({ inject: [onNest.GATE], useFactory: async () => ({ gate }) }),
  ]
  // @ts-expect-error: no such realm role
  onNest.RequireUser({ realmRoles: ["admim"] })
  export async function whoOnTheWeb(request: Request): Promise<number | Response | null> {
    try {
      const principal = await onWeb.verifyRequest(gate, request)
      return principal?.kind === "user" ? principal.user.id : (await onWeb.verifyRequest(gate, request, {})).user.id
    } catch (error) {
      return onWeb.refusalResponse(gate, error)
    }
  }
`
const esmImports = `
  import { Router } from "@koa/router"
  import express from "express"
  import fastify from "fastify"
  import { Hono } from "hono"
  import Koa from "koa"
  import {
    createGate, GateError, type GateErrorDetails, type InvalidTokenReason, isGateError, memoryUserStore, optionsFromEnv, type Principal, type UserStore,
  } from "keycloak-gate"
  import * as onExpress from "keycloak-gate/express"
  import * as onFastify from "keycloak-gate/fastify"
  import * as onHono from "keycloak-gate/hono"
  import * as onKoa from "keycloak-gate/koa"
  import { optionsFromKeycloakJson, requirementsFrom } from "keycloak-gate/migrate"
  import * as onNest from "keycloak-gate/nestjs"
  import * as onWeb from "keycloak-gate/web"
  import { type IoRedisClient, redisShared } from "keycloak-gate/redis"
  import { recordMetrics } from "keycloak-gate/opentelemetry"
  import { startTestRealm, userStoreContract } from "keycloak-gate/testing"
`
const commonJsImports = `
  import { Router } from "@koa/router"
  import express = require("express")
  import fastify = require("fastify")
  import { Hono } from "hono"
  import Koa = require("koa")
  import keycloakGate = require("keycloak-gate")
  import onExpress = require("keycloak-gate/express")
  import onFastify = require("keycloak-gate/fastify")
  import onHono = require("keycloak-gate/hono")
  import onKoa = require("keycloak-gate/koa")
  import migrate = require("keycloak-gate/migrate")
  import onNest = require("keycloak-gate/nestjs")
  import onWeb = require("keycloak-gate/web")
  import redis = require("keycloak-gate/redis")
  import type { IoRedisClient } from "keycloak-gate/redis"
  import telemetry = require("keycloak-gate/opentelemetry")
  import testing = require("keycloak-gate/testing")
  import type { GateErrorDetails, InvalidTokenReason, UserStore, Principal } from "keycloak-gate"
  const { createGate, GateError, isGateError, memoryUserStore, optionsFromEnv } = keycloakGate
  const { optionsFromKeycloakJson, requirementsFrom } = migrate
  const { redisShared } = redis
  const { recordMetrics } = telemetry
  const { startTestRealm, userStoreContract } = testing
`
const rest = `
  export async function whoAsks(): Promise<Principal<Row> | null> {
    try {
      return await gate.verifyBearer(undefined)
    } catch (error) {
      if (isGateError(error) && error.code === "invalid_token") return null
      throw error
    }
  }
  export function refusal(details: GateErrorDetails) {
    return new GateError("insufficient_scope", "not theirs", details)
  }
  export function whatIsWrong(error: unknown): readonly string[] {
    if (!isGateError(error)) return []
    switch (error.code) {
      case "account_rejected":
        return error.fields.map(({ field }) => field)
      case "user_exists":
        return error.field === null ? [] : [error.field]
      case "invalid_token": {
        const reason: InvalidTokenReason = error.reason
        return [reason]
      }
      default:
        return [error.code]
    }
  }
  export function sharing(client: IoRedisClient): string | undefined {
    const shared = redisShared(client, { failClosed: undefined })
    return createGate({ ...optionsFromEnv(process.env), userStore: memoryUserStore(), shared }).health().shared?.store
  }
  export const stopRecording: () => void = recordMetrics({ gates: [gate], meterProvider: undefined }).stop
  export function secondsToWait(error: unknown): number | null {
    return error instanceof GateError ? error.retryAfterSeconds : null
  }
  export async function tested(): Promise<string> {
    const realm = await startTestRealm({ realm: { realm: "shop", enabled: true }, clientId: undefined })
    const { id } = realm.addUser({ username: "ada", email: null, attributes: { plan: ["pro"] } })
    const token = await realm.issueToken({ username: "ada" }, { exp: 1 })
    const { pending } = await createGate({ ...realm.gateOptions, userStore: memoryUserStore() }).registerUser({
      username: "bob", email: "bob@example.test", firstName: "Bob", lastName: "B", password: "Bob-2026!",
    })
    await realm.stop()
    return id + token + pending.length + realm.requests.length + typeof userStoreContract
  }
  export const migrated = createGate({ ...optionsFromKeycloakJson("keycloak.json"), userStore: memoryUserStore() })
  export const guard = onExpress.requireUser(requirementsFrom("realm:admin", { clientId: "shop-api" }))
  export const another = createGate({ ...optionsFromEnv({}), userStore: memoryUserStore() })
`

describe("the packed package", () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "keycloak-gate-consumers-"))
    await installPacked(folder)
  }, 240_000)
  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  /** Compiles a program of its own and returns what the compiler says, of the declarations of its packages too unless told otherwise. */
  async function compile(
    name: string,
    type: "module" | "commonjs",
    files: Record<string, string>,
    changes: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const program = join(folder, name)
    const compilerOptions = {
      module: "node16",
      target: "es2023",
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
      types: ["node"],
      // Nest's decorators stand at parameters, which only the older form allows.
      experimentalDecorators: true,
      ...changes,
    }
    const all = {
      "package.json": JSON.stringify({ private: true, type }),
      "tsconfig.json": JSON.stringify({ compilerOptions, include: ["*"] }),
      ...files,
    }
    for (const [file, text] of Object.entries(all)) {
      await mkdir(dirname(join(program, file)), { recursive: true })
      await writeFile(join(program, file), text)
    }
    const compiler = [join(modules, "typescript/bin/tsc"), "-p", program, "--pretty", "false"]
    return run(process.execPath, compiler, { cwd: program, maxBuffer: 1e8 }).then(
      () => "",
      (error: { stdout: string }) => error.stdout.replace(brokenElsewhere, ""),
    )
  }

  it.for(["module", "commonjs"] as const)(
    "compiles in an application of type %s that declares its row",
    { timeout: 240_000 },
    async type => {
      const imports = type === "module" ? esmImports : commonJsImports
      expect(await compile(type, type, { "main.ts": imports + register + store + routes + guards + rest })).toBe("")
    },
  )

  it("compiles with `module: commonjs` and the resolution of old, which reads no `exports`", {
    timeout: 240_000,
  }, async () => {
    const oldest = {
      module: "commonjs",
      moduleResolution: "node10",
      ignoreDeprecations: "6.0",
      esModuleInterop: true,
      skipLibCheck: true,
    }
    const main = esmImports.replace("{ Router }", "Router") + register + store + routes + guards + rest
    expect(await compile("node10", "commonjs", { "main.ts": main }, oldest)).toBe("")
  })

  it("compiles where a CommonJS file declares the row and ES modules use it", { timeout: 240_000 }, async () => {
    const files = {
      "row.cts": `import type {} from "keycloak-gate/express"\n${register}`,
      "gate.cts": `${commonJsImports} import type { Row } from "./row.cjs"\n${store} ${rest}`,
      "routes.mts": `${esmImports} import { gate } from "./gate.cjs"\n${routes} ${guards}`,
      "errors.mts": `import { GateError } from "keycloak-gate"
        import { refusal } from "./gate.cjs"
        export const error: GateError = refusal({ retryAfterSeconds: 7 })
        export const back: ReturnType<typeof refusal> = new GateError("closed", "x")`,
      "other.mts": `import type { Row } from "./row.cjs"\n${esmImports} ${store} ${rest} ${routes}`,
      "other.cts": `${commonJsImports} import { gate } from "./gate.cjs"\n${routes} ${guards}`,
    }
    expect(await compile("mixed", "module", files)).toBe("")
  })

  it("knows by instanceof what its other build threw, either way round", async () => {
    const program = `
      import { createRequire } from "node:module"
      import { GateError as Esm } from "keycloak-gate"
      const { GateError: CommonJs } = createRequire(import.meta.url)("keycloak-gate")
      const [own, theirs] = [new Esm("closed", "x"), new CommonJs("closed", "x")]
      console.log(Esm === CommonJs, theirs instanceof Esm, own instanceof CommonJs, new Error("x") instanceof Esm)
    `
    await writeFile(join(folder, "both-builds.mjs"), program)
    const { stdout } = await run(process.execPath, [join(folder, "both-builds.mjs")])
    expect(stdout.trim()).toBe("false true true false")
  })

  it("refuses a gate of another row type wherever it is mounted", { timeout: 240_000 }, async () => {
    const main = `
      ${esmImports}
      ${register}
      const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" }
      const [otherRow, noRow] = [createGate({ ...options, userStore: memoryUserStore() }), createGate(options)]
      for (const adapter of [onExpress, onFastify, onKoa, onHono]) {
        adapter.loginHandler(otherRow)
        // @ts-expect-error: another row
        adapter.authenticate(otherRow)
        // @ts-expect-error: no row
        adapter.authenticate(noRow)
      }
      // @ts-expect-error
      onExpress.authenticate(otherRow)
      // @ts-expect-error
      onFastify.authenticate(otherRow)
      // @ts-expect-error
      onKoa.authenticate(otherRow)
      // @ts-expect-error
      onHono.authenticate(otherRow)
    `
    expect(await compile("wrong-row", "module", { "main.ts": main }, { skipLibCheck: true })).toBe("")
  })

  it("tells of each wrong option once, by its name", { timeout: 240_000 }, async () => {
    const wrong = [
      ["timeoutMs", `timeoutMs: "5000"`],
      ["timeoutMS", `timeoutMS: 5000`],
      ["verification", `verification: "remote"`],
      ["RS255", `algorithms: ["RS255"]`],
      ["maxAge", `keySet: { maxAge: 600 }`],
      ["findUser", `userStore: { findUser: 1, saveUser: async () => ({ id: 1 }), removeUser: async () => {} }`],
      ["removeUser", `userStore: { findUser: async () => null, saveUser: async () => ({ id: 1 }) }`],
      ["timeoutMs", `onEvent: event => event.type, timeoutMs: "5000"`],
    ] as const
    const calls = wrong.map(([, option]) => `createGate({ serverUrl: "x", realm: "x", clientId: "x", ${option} })`)
    const main = [`import { createGate } from "keycloak-gate"`, ...calls].join("\n")
    const said = await compile("one-message", "module", { "main.ts": main }, { skipLibCheck: true })
    const messages = said.split("\n").filter(line => line.includes(": error TS"))
    expect(messages).toHaveLength(wrong.length)
    expect(said).not.toMatch(/overload/i)
    for (const [at, [name]] of wrong.entries()) {
      const ofCall = said.split(/(?=^main\.ts\()/m)[at] ?? ""
      expect(ofCall).toMatch(new RegExp(`^main\\.ts\\(${at + 2},`))
      // The compiler points at the option, or names what is wrong with it.
      const column = Number(/,(\d+)\)/.exec(ofCall)?.[1])
      expect(`${calls[at]?.slice(column - 1)} ${ofCall}`).toContain(name)
    }
  })

  it("has the row unknown where no application declares it", { timeout: 240_000 }, async () => {
    const main = `
      ${esmImports}
      const gate = createGate({ ...optionsFromEnv({}), userStore: memoryUserStore() })
      express().use(onExpress.authenticate(gate)).get("/me", onExpress.requireUser(), (request, response) => {
        const row: unknown = onExpress.principalOf(request, "user").user
        response.json(row)
      })
      export const guarded = (name: string) => [onExpress, onFastify, onKoa].map(({ requireUser }) =>
        requireUser({ realmRoles: [name], clientRoles: { [name]: [name] }, groups: [name], scopes: [name] }))
    `
    expect(await compile("unregistered", "module", { "main.ts": main }, { skipLibCheck: true })).toBe("")
  })
})
