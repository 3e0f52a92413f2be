import { request as httpRequest, type IncomingHttpHeaders } from "node:http"
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { GateError } from "../../src/errors.js"
import type { Gate } from "../../src/gate.js"
import { createGate, type GateEvent, type MemoryUser, memoryUserStore, type UserStore } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import type { Principal } from "../../src/verify/principal.js"
import type { Requirements } from "../../src/verify/requirements.js"
import { closedPort, type Listening } from "../adapters/listen.js"
import { inOwnTime } from "../support/own-clock.ts"
import { openShop } from "../support/shop.ts"

/** What a route of the contract's application sees. */
interface Visit {
  /** What the framework's own place for the principal holds. */
  readonly principal: unknown
  readonly principalOf: (kind?: "user" | "service") => Principal<unknown>
}

/** Whatever the framework's request is. */
type Guarded = Requirements & {
  readonly allow?: (principal: Principal<unknown>, request: unknown) => boolean | Promise<boolean>
}

export interface Route {
  readonly path: string
  /** Arguments of `requireUser` in front of the route; absent: no guard. */
  readonly guard?: readonly [] | readonly [Guarded]
  readonly handle: (visit: Visit) => unknown
}

/** What an application under test is made of. */
export interface Setup {
  readonly gate: Gate<unknown>
  readonly onError?: "pass" | undefined
  /** Routes (GET and POST) behind `authenticate`; bodies are parsed, forms and any JSON value too. */
  readonly routes: readonly Route[]
  /** What stands between `authenticate` and the routes makes of the principal; absent: nothing stands there. */
  readonly replacePrincipal?: ((principal: Principal<unknown>) => unknown) | undefined
  /** Routes that `authenticate` does not reach. */
  readonly strayRoutes: readonly Route[]
  /**
   * POST `/register`, with the attribute `phone` and the body's `plan` as `extra`, `/login`, `/refresh`, `/logout`,
   * `/password-reset`, `/password`; and `/stray/password`, which `authenticate` does not reach.
   */
  readonly handlers: boolean
  /**
   * Whether the application has an error handler: it calls `onApplicationError` and answers 500 with
   * `{ application: true }`. Without it the framework's own answers.
   */
  readonly onApplicationError: ((error: unknown) => void) | null
}

export type StartApplication = (setup: Setup) => Promise<Listening>

const subjectOf = ({ principal }: Visit) => ({ subject: (principal as Principal<unknown> | null)?.subject ?? null })

const routes: readonly Route[] = [
  { path: "/open", handle: subjectOf },
  { path: "/me", guard: [], handle: visit => ({ ...subjectOf(visit), user: visit.principalOf("user").user }) },
  { path: "/editor", guard: [{ clientRoles: { "shop-api": ["editor"] } }], handle: subjectOf },
  { path: "/orders", guard: [{ scopes: ["orders:read"] }], handle: subjectOf },
  { path: "/service", guard: [{ kind: "service" }], handle: visit => ({ kind: visit.principalOf("service").kind }) },
  { path: "/either", guard: [{ kind: "any" }], handle: visit => ({ kind: visit.principalOf().kind }) },
  { path: "/either-as-user", guard: [{ kind: "any" }], handle: visit => visit.principalOf("user") },
  { path: "/open-as-user", handle: visit => visit.principalOf() },
  { path: "/tamper", guard: [], handle: tamper },
  {
    path: "/not-theirs",
    handle() {
      throw ownRefusal()
    },
  },
  {
    path: "/not-theirs-later",
    async handle() {
      await null
      throw ownRefusal()
    },
  },
  {
    path: "/broken",
    guard: [],
    handle() {
      throw handlerError
    },
  },
]
const strayRoutes: readonly Route[] = [
  { path: "/stray", guard: [], handle: subjectOf },
  { path: "/stray-accessor", handle: visit => visit.principalOf() },
]
const handlerError = new TypeError("the handler's own error")
function expectedFailure(): never {
  throw handlerError
}
function expectedRefusal(): never {
  throw ownRefusal()
}
const ownRefusal = () => new GateError("insufficient_scope", "order 4711 is not theirs", { field: "order" })

/** Tries to give the principal of this request, and through shared parts those of later ones, more than it has. */
function tamper({ principalOf }: Visit): unknown {
  const principal = principalOf()
  const attempts: (() => unknown)[] = [
    () => Object.assign(principal, { subject: "somebody else" }),
    () => (principal.realmRoles as string[]).push("admin"),
    () => Object.assign(principal.clientRoles, { "shop-api": ["editor"] }),
    () => Object.assign(principal.claims, { resource_access: { "shop-api": { roles: ["editor"] } } }),
    () => (principal.claims.aud as string[]).push("other"),
  ]
  return { refused: attempts.map(refuses) }
}

function refuses(attempt: () => unknown): boolean {
  try {
    attempt()
    return false
  } catch (error) {
    return error instanceof TypeError
  }
}

/** A principal's members, as anything in the process could write them. */
const pretended = {
  kind: "user",
  issuer: "https://sso.example.test/realms/shop",
  subject: "s-eve",
  username: "eve",
  realmRoles: ["admin"],
  clientRoles: { "shop-api": ["editor"] },
  scopes: ["orders:read"],
  groups: [],
}
const forgeries: readonly (readonly [string, (principal: Principal<unknown>) => unknown])[] = [
  ["an object like one", () => pretended],
  ["a copy with one member more", principal => ({ ...principal, isAdmin: true })],
  ["a copy with all hidden members", principal => copyOf(principal)],
  ["a copy by way of JSON", principal => JSON.parse(JSON.stringify(principal))],
  ["a structured clone", principal => structuredClone({ ...principal, user: null })],
  ["an object that inherits from one", principal => Object.create(principal)],
  ["a proxy of one", principal => new Proxy(principal, {})],
  ["text", () => "ada"],
  ["true", () => true],
  ["a list with one in it", principal => [principal]],
  ["a function", principal => Object.assign(() => undefined, { kind: principal.kind })],
]

function copyOf(principal: object): object {
  return Object.create(Object.getPrototypeOf(principal), Object.getOwnPropertyDescriptors(principal))
}

interface FrameworkAsks {
  /** Whether it hands errors on (`onError: "pass"`), and has the handlers. */
  readonly passesErrors: boolean
  /** Whether what verifies and what guards are two, so that one may be mounted without the other, or between them. */
  readonly guardsApart: boolean
  /** Whether it lets middleware have what a handler behind it throws. */
  readonly middlewareAboutHandlers: boolean
}

/** Everything that is the same for every adapter; the adapter's own test adds what is peculiar to its framework. */
export function adapterContract(name: string, startApplication: StartApplication, asks: FrameworkAsks): void {
  describe(`${name} adapter`, () => {
    let realm: TestRealm
    const mint = (claims?: Readonly<Record<string, unknown>>) => realm.issueToken("ada", claims)
    const mintService = () => realm.issueToken("service-account-shop-api")
    const open: { close(): unknown }[] = []
    const events: GateEvent[] = []
    const applicationErrors: unknown[] = []

    beforeAll(async () => {
      realm = await openShop()
    })
    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one.close()
      realm.slow(0)
      events.length = 0
      applicationErrors.length = 0
    })

    interface GateChanges {
      readonly serverUrl?: string
      readonly timeoutMs?: number
      readonly userStore?: UserStore<MemoryUser> | undefined
    }

    function makeGate(changes: GateChanges = {}): Gate<unknown> {
      const gate: Gate<unknown> = createGate<MemoryUser>({
        serverUrl: realm.url,
        realm: "shop",
        clientId: "shop-api",
        userStore: memoryUserStore(),
        onEvent: event => events.push(event),
        ...changes,
      })
      open.push(gate)
      return gate
    }

    async function start(changes: Partial<Setup> = {}): Promise<Client> {
      const application = await startApplication({
        gate: changes.gate ?? makeGate(),
        routes,
        strayRoutes,
        handlers: true,
        onApplicationError: error => applicationErrors.push(error),
        ...changes,
      })
      open.push(application)
      return createClient(application.url)
    }

    describe("authenticate", () => {
      it("leaves a request without credentials anonymous", async () => {
        const client = await start()
        expect(await client.get("/open")).toMatchObject({ status: 200, body: { subject: null } })
      })

      it("leaves the principal of a valid token on the request, with the row of the user store", async () => {
        const client = await start()
        const answer = await client.get("/me", `Bearer ${await mint({ sub: "s-1" })}`)
        expect(answer).toMatchObject({ status: 200, body: { subject: "s-1", user: { subject: "s-1" } } })
      })

      it.each(["bearer", "BEARER", "bEaReR"])("takes the scheme %s for Bearer", async scheme => {
        const client = await start()
        expect(await client.get("/me", `${scheme} ${await mint()}`)).toMatchObject({ status: 200 })
      })

      it("refuses a bad token with 401 and a challenge where credentials are optional", async () => {
        const client = await start()
        const answer = await client.get("/open", `Bearer ${await mint({ aud: "account" })}`)
        expect(answer).toMatchObject({ status: 401, body: { error: "invalid_token" } })
        expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="invalid_token"/)
      })

      it.each(["Bearer", "Bearer ", "Bearer  x.y.z", "Bearer a b", "Bearer x.y.z, Basic YTpi"])(
        "refuses the malformed header %j with 400 where credentials are optional",
        async header => {
          const client = await start()
          const answer = await client.get("/open", header)
          expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request" } })
          expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="invalid_request"/)
        },
      )

      it("refuses two Authorization fields with 400, be both of them valid", async () => {
        const client = await start()
        const header = `Bearer ${await mint()}`
        const headers = ["Authorization", header, "AUTHORIZATION", header]
        expect(await client.send("GET", "/me", { headers })).toMatchObject({
          status: 400,
          body: { error: "invalid_request" },
        })
      })

      it("refuses a Bearer field that follows one of another scheme with 400", async () => {
        const client = await start()
        const headers = ["Basic YWRhOnB3", `Bearer ${await mint()}`]
        expect(await client.get("/open", headers)).toMatchObject({ status: 400 })
      })

      it("leaves credentials of another scheme to another authenticator", async () => {
        const client = await start()
        expect(await client.get("/open", "Basic YWRhOnB3")).toMatchObject({ status: 200, body: { subject: null } })
        const guarded = await client.get("/me", "Basic YWRhOnB3")
        expect(guarded.status).toBe(401)
        expect(guarded.headers["www-authenticate"]).toBe('Bearer realm="shop"')
      })

      it("never looks for a token in query, form body or cookies", async () => {
        const client = await start()
        const token = await mint()
        const anonymous = { status: 200, body: { subject: null } }
        expect(await client.get(`/open?access_token=${token}`)).toMatchObject(anonymous)
        expect(await client.send("POST", "/open", { form: `access_token=${token}` })).toMatchObject(anonymous)
        const cookie = `access_token=${token}; KEYCLOAK_IDENTITY=${token}`
        expect(await client.send("GET", "/open", { headers: ["Cookie", cookie] })).toMatchObject(anonymous)
      })

      it("answers 503, never 401, when nobody listens where the keys are", async () => {
        const serverUrl = await closedPort()
        const client = await start({ gate: makeGate({ serverUrl }) })
        const answer = await client.get("/open", `Bearer ${await mint({ iss: `${serverUrl}/realms/shop` })}`)
        expect(answer).toMatchObject({ status: 503, body: { error: "keycloak_unavailable" } })
        expect(answer.headers["www-authenticate"]).toBeUndefined()
      })

      it("answers 503 in bounded time when Keycloak accepts the connection and never speaks", async () => {
        realm.slow(60_000)
        const client = await start({ gate: makeGate({ timeoutMs: 300 }) })
        const header = `Bearer ${await mint()}`
        const { ms, result } = await inOwnTime(client.get("/me", header))
        expect(result).toMatchObject({ status: 503, body: { error: "keycloak_unavailable" } })
        expect(ms).toBeLessThan(3000)
      })

      it("hands an error of the user store to the application's error handler, untouched", async () => {
        const storeError = Object.assign(new Error("connection to the database lost"), { status: 401 })
        const userStore = memoryUserStore()
        userStore.saveUser = () => Promise.reject(storeError)
        const client = await start({ gate: makeGate({ userStore }) })
        const answer = await client.get("/open", `Bearer ${await mint()}`)
        expect(answer).toMatchObject({ status: 500, body: { application: true } })
        expect(applicationErrors).toEqual([storeError])
        expect(applicationErrors[0]).toBe(storeError)
        expect(answer.headers["www-authenticate"]).toBeUndefined()
      })

      it("leaves an error of the next handler to the application", async () => {
        const client = await start()
        const answer = await client.get("/broken", `Bearer ${await mint()}`)
        expect(answer).toMatchObject({ status: 500, body: { application: true } })
        expect(applicationErrors[0]).toBe(handlerError)
        expect(applicationErrors).toHaveLength(1)
      })

      it("gives two first requests of one person one row and one key look-up", async () => {
        const rows = new Set<string>()
        const userStore = memoryUserStore()
        const { saveUser } = userStore
        let saves = 0
        userStore.saveUser = async profile => {
          saves += 1
          rows.add(profile.subject)
          return saveUser(profile)
        }
        const client = await start({ gate: makeGate({ userStore }) })
        realm.forgetRequests()
        const header = `Bearer ${await mint({ sub: "s-2" })}`
        const answers = await Promise.all([client.get("/me", header), client.get("/me", header)])
        expect(answers.map(({ status }) => status)).toEqual([200, 200])
        expect({ rows: [...rows], saves }).toEqual({ rows: ["s-2"], saves: 1 })
        expect(realm.requests.map(({ path }) => path)).toEqual(["/realms/shop/protocol/openid-connect/certs"])
      })

      it("gives handlers a principal that they can't change, for this request or a later one", async () => {
        const client = await start()
        const header = `Bearer ${await mint()}`
        const tampered = await client.get("/tamper", header)
        expect(tampered.body).toEqual({ refused: [true, true, true, true, true] })
        expect(await client.get("/editor", header)).toMatchObject({ status: 403 })
      })

      it("answers 503 after the gate was closed", async () => {
        const gate = makeGate()
        const client = await start({ gate })
        gate.close()
        expect(await client.get("/open", `Bearer ${await mint()}`)).toMatchObject({
          status: 503,
          body: { error: "closed" },
        })
      })

      describe("before an application without a user store, on a token that its gate remembers,", () => {
        async function startRemembering() {
          const gate = makeGate({ userStore: undefined })
          const header = `Bearer ${await mint({ sub: "s-1" })}`
          await gate.verifyBearer(header)
          return { gate, header }
        }

        it("lets the same person in, each time behind the guard", async () => {
          const { gate, header } = await startRemembering()
          const client = await start({ gate })
          for (let sight = 0; sight < 2; sight++) {
            expect((await client.get("/me", header)).body).toEqual({ subject: "s-1", user: null })
            expect(await client.get("/editor", header)).toMatchObject({ status: 403 })
            expect(await client.get("/service", header)).toMatchObject({ status: 403 })
          }
        })

        it("takes no other header for it", async () => {
          const { gate, header } = await startRemembering()
          const client = await start({ gate })
          const other = await mint({ sub: "s-2" })
          expect((await client.get("/me", `Bearer ${other}`)).body).toMatchObject({ subject: "s-2" })
          const [head, , signature] = header.split(".")
          expect(await client.get("/open", [head, other.split(".")[1], signature].join("."))).toMatchObject({
            status: 401,
          })
          expect(await client.get("/open", [header, header])).toMatchObject({ status: 400 })
          expect((await client.get("/open")).body).toEqual({ subject: null })
        })

        it("lets no handler change what the next request gets", async () => {
          const { gate, header } = await startRemembering()
          const client = await start({ gate })
          expect((await client.get("/tamper", header)).body).toEqual({ refused: [true, true, true, true, true] })
          expect(await client.get("/editor", header)).toMatchObject({ status: 403 })
        })

        it("answers 503 after the gate was closed", async () => {
          const { gate, header } = await startRemembering()
          const client = await start({ gate })
          gate.close()
          expect(await client.get("/open", header)).toMatchObject({ status: 503, body: { error: "closed" } })
        })

        it("asks a verifyBearer that the application has put in its place about every request", async () => {
          const { gate, header } = await startRemembering()
          const asked = vi.fn(gate.verifyBearer as (...parameters: unknown[]) => unknown)
          const own = { ...gate }
          const client = await start({ gate: own })
          own.verifyBearer = asked as unknown as Gate<unknown>["verifyBearer"]
          for (let sight = 1; sight <= 2; sight++) {
            expect(await client.get("/me", header)).toMatchObject({ status: 200 })
            expect(asked).toHaveBeenCalledTimes(sight)
          }
        })
      })

      it("throws config_invalid when it is mounted without a gate or with a misspelt option", async () => {
        for (const wrong of [{ gate: {} as Gate<unknown> }, { onError: "next" as "pass" }]) {
          await expect(start(wrong)).rejects.toMatchObject({ code: "config_invalid" })
        }
      })
    })

    describe("requireUser", () => {
      it("challenges a request without credentials, with the realm and no error code", async () => {
        const client = await start()
        const answer = await client.get("/me")
        expect(answer).toMatchObject({ status: 401, body: { error: "credentials_missing" } })
        expect(answer.headers["www-authenticate"]).toBe('Bearer realm="shop"')
      })

      it("guards HEAD as it guards GET", async () => {
        const client = await start()
        const answer = await client.send("HEAD", "/me")
        expect(answer).toMatchObject({ status: 401, text: "" })
        expect(answer.headers["www-authenticate"]).toBe('Bearer realm="shop"')
      })

      it("refuses a principal without the role with 403 and lets one with it pass", async () => {
        const client = await start()
        const plain = await client.get("/editor", `Bearer ${await mint()}`)
        expect(plain).toMatchObject({ status: 403, body: { error: "insufficient_scope" } })
        expect(plain.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="insufficient_scope"/)
        expect(plain.headers["www-authenticate"]).not.toContain("scope=")
        const editor = await mint({ resource_access: { "shop-api": { roles: ["editor"] } } })
        expect(await client.get("/editor", `Bearer ${editor}`)).toMatchObject({ status: 200 })
      })

      it("names a missing scope in the challenge", async () => {
        const client = await start()
        const answer = await client.get("/orders", `Bearer ${await mint()}`)
        expect(answer.status).toBe(403)
        expect(answer.headers["www-authenticate"]).toMatch(/error="insufficient_scope".*, scope="orders:read"$/)
        const scoped = await mint({ scope: "profile orders:read" })
        expect(await client.get("/orders", `Bearer ${scoped}`)).toMatchObject({ status: 200 })
      })

      it("answers 401, not 403, to a request without credentials where a role is needed", async () => {
        const client = await start()
        expect(await client.get("/editor")).toMatchObject({ status: 401 })
      })

      it("refuses a client's own token unless the route asks for one", async () => {
        const client = await start()
        const service = `Bearer ${await mintService()}`
        expect(await client.get("/me", service)).toMatchObject({ status: 403, body: { error: "insufficient_scope" } })
        expect(await client.get("/service", service)).toMatchObject({ status: 200, body: { kind: "service" } })
        expect(await client.get("/either", service)).toMatchObject({ status: 200, body: { kind: "service" } })
        expect(await client.get("/service", `Bearer ${await mint()}`)).toMatchObject({ status: 403 })
      })

      if (asks.guardsApart) {
        it("is a 500 with a constant sentence where authenticate did not run, and tells the log why, once", async () => {
          const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
          const client = await start()
          for (let visit = 1; visit <= 2; visit++) {
            const answer = await client.get("/stray", `Bearer ${await mint()}`)
            expect(answer).toMatchObject({ status: 500, body: { error: "config_invalid" } })
            expect(answer.text).not.toMatch(/requireUser|authenticate\b|mount|stack/)
          }
          const options = { type: "KeycloakGateWarning", code: "config_invalid" }
          expect(warn.mock.calls).toEqual([[expect.stringContaining("authenticate(gate)"), options]])
          warn.mockRestore()
        })

        it.each(forgeries)("lets nobody in for %s in the principal's place", async (_, forge) => {
          const client = await start({ replacePrincipal: forge })
          const header = `Bearer ${await mint({ resource_access: { "shop-api": { roles: ["editor"] } } })}`
          for (const path of ["/me", "/editor", "/either"]) {
            const answer = await client.get(path, header)
            expect(answer).toMatchObject({ status: 500, body: { error: "config_invalid" } })
            expect(answer.text).not.toMatch(/principal|copied/)
          }
          const heard = events.map(event => event.type === "refusal" && event.error.message)
          expect(heard).toEqual(Array(3).fill(expect.stringContaining("`{ ...req.principal }`")))
          expect(await client.get("/open-as-user", header)).toMatchObject({ status: 500 })
        })

        it("lets nobody in for a principal that every object inherits", async () => {
          const client = await start()
          const value = { ...pretended, user: {} }
          Object.defineProperty(Object.prototype, "principal", { value, writable: true, configurable: true })
          const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
          try {
            expect(await client.get("/me")).toMatchObject({ status: 401 })
            expect(await client.get("/stray")).toMatchObject({ status: 500 })
          } finally {
            Reflect.deleteProperty(Object.prototype, "principal")
            warn.mockRestore()
          }
        })

        it("changes no password for a principal that no gate made", async () => {
          const changed = vi.fn(async () => undefined)
          const client = await start({
            gate: { ...makeGate(), changePassword: changed },
            replacePrincipal: principal => ({ ...principal, subject: "s-eve" }),
          })
          const headers = ["Authorization", `Bearer ${await mint()}`]
          const json = { username: "eve", currentPassword: "p", newPassword: "q" }
          expect(await client.send("POST", "/password", { headers, json })).toMatchObject({ status: 500 })
          expect(changed).not.toHaveBeenCalled()
        })
      }

      it("lets in whom a gate of another copy of this library let in", async () => {
        vi.resetModules()
        const other: typeof import("../../src/index.js") = await import("../../src/index.js")
        expect(other.createGate).not.toBe(createGate)
        const gate = other.createGate({ ...realm.gateOptions, userStore: memoryUserStore(), onEvent: () => undefined })
        open.push(gate)
        const client = await start({ gate: gate as unknown as Gate<unknown> })
        expect(await client.get("/me", `Bearer ${await mint()}`)).toMatchObject({ status: 200 })
      })

      it.each([
        [null],
        [{ role: ["editor"] }],
        [{ realmRoles: [] }],
        [{ realmRoles: "editor" }],
        [{ any: true }],
        [{ kind: "robot" }],
      ])("throws config_invalid for %j when the guard is made", async requirements => {
        const guarded: Route = { path: "/x", guard: [requirements as Requirements], handle: () => null }
        await expect(start({ routes: [guarded] })).rejects.toMatchObject({ code: "config_invalid" })
      })
    })

    describe("requireUser's `allow`", () => {
      const guarded = (guard: object): Route => ({ path: "/x", guard: [guard as Guarded], handle: subjectOf })

      it.each([
        ["true", () => true],
        ["a promise of true", async () => true],
      ])("lets in with %s", async (_, allow) => {
        const client = await start({ routes: [guarded({ allow })] })
        expect(await client.get("/x", `Bearer ${await mint({ sub: "s-1" })}`)).toMatchObject({
          status: 200,
          body: { subject: "s-1" },
        })
      })

      it.each([
        ["false", () => false],
        ["a promise of false", async () => false],
        ["nothing", () => undefined],
        ["1", () => 1],
        ['"yes"', async () => "yes"],
        ["an object", () => ({ allowed: true })],
        ["true in an object of its own", () => new Boolean(true)],
        ["a promise of a list", async () => [true]],
      ])("refuses with insufficient_scope at %s", async (_, allow) => {
        const client = await start({ routes: [guarded({ allow })] })
        const answer = await client.get("/x", `Bearer ${await mint()}`)
        expect(answer).toMatchObject({ status: 403, body: { error: "insufficient_scope", required: { kind: "user" } } })
        expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="insufficient_scope"/)
        expect(events).toMatchObject([{ type: "refusal", error: { code: "insufficient_scope" } }])
      })

      it("is asked last, once, with the principal and the framework's own request", async () => {
        const allow = vi.fn((_principal: Principal<unknown>, _request: unknown) => true)
        const client = await start({ routes: [guarded({ scopes: ["orders:read"], allow })] })
        for (const header of [undefined, `Bearer ${await mint()}`, `Bearer ${await mintService()}`])
          expect([401, 403]).toContain((await client.get("/x", header)).status)
        expect(allow).not.toHaveBeenCalled()
        const header = `Bearer ${await mint({ sub: "s-1", scope: "orders:read" })}`
        expect(await client.get("/x?day=1", header)).toMatchObject({ status: 200 })
        expect(allow.mock.calls).toEqual([[expect.objectContaining({ subject: "s-1" }), expect.any(Object)]])
      })

      it("names no scope in the challenge that the token has", async () => {
        const client = await start({ routes: [guarded({ scopes: ["orders:read"], allow: () => false })] })
        const answer = await client.get("/x", `Bearer ${await mint({ scope: "orders:read" })}`)
        expect(answer.status).toBe(403)
        expect(answer.headers["www-authenticate"]).not.toContain("scope=")
      })

      it.each([
        ["throws", () => expectedFailure()],
        ["rejects", async () => expectedFailure()],
      ])("leaves what it %s to the application", async (_, allow) => {
        const client = await start({ routes: [guarded({ allow })] })
        const answer = await client.get("/x", `Bearer ${await mint()}`)
        expect(answer).toMatchObject({ status: 500, body: { application: true } })
        expect(applicationErrors).toEqual([handlerError])
      })

      it.each([undefined, null, false, 0, "", "route", "router"])("lets nobody in where it throws %j", async thrown => {
        const rejecting = () => Promise.reject(thrown)
        const throwing = () => {
          throw thrown
        }
        for (const allow of [rejecting, throwing]) {
          const client = await start({ routes: [guarded({ allow })] })
          expect(await client.get("/x", `Bearer ${await mint()}`)).toMatchObject({
            status: 500,
            body: { application: true },
          })
        }
        expect(applicationErrors).toEqual([expect.any(Error), expect.any(Error)])
      })

      it.each([
        ["throws", () => expectedRefusal()],
        ["rejects with", async () => expectedRefusal()],
      ])("answers a GateError that it %s", async (_, allow) => {
        const client = await start({ routes: [guarded({ allow })] })
        const answer = await client.get("/x", `Bearer ${await mint()}`)
        expect(answer).toMatchObject({ status: 403, body: { error: "insufficient_scope", field: "order" } })
        expect(answer.headers["www-authenticate"]).toMatch(/error="insufficient_scope"/)
        expect(applicationErrors).toEqual([])
      })

      it.each([[undefined], [null], [true], ["yes"], [{}], [[]], [1]])(
        "throws config_invalid for %j when the guard is made",
        async allow => {
          await expect(start({ routes: [guarded({ allow })] })).rejects.toMatchObject({ code: "config_invalid" })
        },
      )

      it("is no requirement that `any` could count, and mends no other that is wrong", async () => {
        for (const wrong of [{ any: true }, { realmRoles: [] }, { role: "editor" }])
          await expect(start({ routes: [guarded({ ...wrong, allow: () => true })] })).rejects.toMatchObject({
            code: "config_invalid",
          })
      })
    })

    if (asks.guardsApart) {
      describe("principalOf", () => {
        it("throws credentials_missing, with the challenge, where nobody asks", async () => {
          const client = await start({ onError: "pass" })
          await client.get("/open-as-user")
          expect(applicationErrors).toEqual([
            expect.objectContaining({
              code: "credentials_missing",
              status: 401,
              headers: { "WWW-Authenticate": 'Bearer realm="shop"' },
            }),
          ])
        })

        it("throws insufficient_scope for a principal of the other kind", async () => {
          const client = await start({ onError: "pass" })
          await client.get("/either-as-user", `Bearer ${await mintService()}`)
          expect(applicationErrors).toEqual([expect.objectContaining({ code: "insufficient_scope", status: 403 })])
        })

        it("throws config_invalid where authenticate did not run", async () => {
          const client = await start()
          await client.get("/stray-accessor")
          expect(applicationErrors).toEqual([expect.objectContaining({ code: "config_invalid" })])
        })
      })
    }

    describe("a refusal", () => {
      it("is JSON with a code and a constant sentence: no token, nothing of what the log is told", async () => {
        const client = await start()
        const token = await mint({ iss: "https://evil.example.test/realms/shop", azp: "spy" })
        const answers = [
          await client.get("/me"),
          await client.get("/open", `Bearer ${token}`),
          await client.get("/open", "Bearer a b"),
          await client.get("/editor", `Bearer ${await mint()}`),
          await client.send("POST", "/login", { json: {} }),
        ]
        expect(answers.map(({ status }) => status)).toEqual([401, 401, 400, 403, 400])
        for (const { body, headers, text } of answers) {
          expect(headers["content-type"]).toMatch(/^application\/json/)
          expect(headers["cache-control"]).toBe("no-store")
          expect(body).toMatchObject({ error: expect.any(String), error_description: expect.any(String) })
          expect(text).not.toMatch(/evil|spy|eyJ|stack|node_modules|\.ts\b/)
          for (const event of events) if ("error" in event) expect(text).not.toContain(event.error.message)
        }
        expect(events.length).toBeGreaterThan(0)
      })

      it("by a guard is heard by onEvent, as one of the token is", async () => {
        const client = await start()
        await client.get("/me")
        await client.get("/editor", `Bearer ${await mint()}`)
        await client.get("/open", "Bearer x")
        const heard = events.map(event => event.type === "refusal" && event.error.code)
        expect(heard).toEqual(["credentials_missing", "insufficient_scope", "invalid_token"])
      })

      it("never reaches the application's error handler", async () => {
        const client = await start()
        await client.get("/me")
        await client.get("/open", "Bearer x")
        await client.send("POST", "/login", { json: {} })
        expect(applicationErrors).toEqual([])
      })
    })

    describe("a GateError of the application", () => {
      const answer = {
        status: 403,
        body: {
          error: "insufficient_scope",
          error_description: "The access token is valid but does not allow this.",
          field: "order",
        },
      }

      it("thrown by its user store is answered as the library's own are", async () => {
        const userStore = memoryUserStore()
        userStore.saveUser = () => Promise.reject(ownRefusal())
        const client = await start({ gate: makeGate({ userStore }) })
        const refused = await client.get("/open", `Bearer ${await mint()}`)
        expect(refused).toMatchObject(answer)
        expect(refused.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="insufficient_scope"/)
        expect(refused.text).not.toContain("4711")
        expect(applicationErrors).toEqual([])
      })

      it("thrown while it registers somebody is answered, without a challenge", async () => {
        const taken = () => Promise.reject(new GateError("user_exists", "x", { field: "email", retryAfterSeconds: 3 }))
        const client = await start({ gate: { ...makeGate(), registerUser: taken } })
        const refused = await client.send("POST", "/register", { json: {} })
        expect(refused).toMatchObject({ status: 409, body: { error: "user_exists", field: "email" } })
        expect(refused.headers).toMatchObject({ "retry-after": "3" })
        expect(refused.headers["www-authenticate"]).toBeUndefined()
      })

      if (asks.middlewareAboutHandlers) {
        it("thrown by a handler is answered, with the challenge", async () => {
          const client = await start()
          const refused = await client.get("/not-theirs", `Bearer ${await mint()}`)
          expect(refused).toMatchObject(answer)
          expect(refused.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="insufficient_scope"/)
          expect(refused.text).not.toContain("4711")
          expect(applicationErrors).toEqual([])
        })

        if (asks.guardsApart) {
          it("is what principalOf throws, too", async () => {
            const client = await start()
            const refused = await client.get("/open-as-user")
            expect(refused).toMatchObject({ status: 401, body: { error: "credentials_missing" } })
            expect(refused.headers["www-authenticate"]).toBe('Bearer realm="shop"')
            expect(applicationErrors).toEqual([])
          })
        }

        if (asks.passesErrors) {
          it('reaches the application with onError: "pass"', async () => {
            const client = await start({ onError: "pass" })
            expect(await client.get("/not-theirs")).toMatchObject({ status: 500, body: { application: true } })
            expect(applicationErrors).toMatchObject([{ code: "insufficient_scope", status: 403, field: "order" }])
          })
        }
      } else {
        it("thrown by a handler reaches the application's error handler, which asks refusalFor", async () => {
          const client = await start()
          expect(await client.get("/not-theirs")).toMatchObject({ status: 500, body: { application: true } })
          expect(applicationErrors).toMatchObject([{ code: "insufficient_scope", status: 403, field: "order" }])
        })
      }

      it.each(["/not-theirs", "/not-theirs-later"])(
        "is answered where the application has no error handler: thrown at %s",
        async path => {
          const client = await start({ onApplicationError: null })
          const refused = await client.get(path, `Bearer ${await mint()}`)
          expect(refused).toMatchObject(answer)
          expect(refused.headers["www-authenticate"]).toMatch(/^Bearer realm="shop", error="insufficient_scope"/)
          expect(refused.headers["content-type"]).toMatch(/^application\/json/)
          expect(refused.text).not.toMatch(/4711|stack|node_modules/)
        },
      )

      it.each([
        ["keycloak_unavailable", 503, { "retry-after": "7" }],
        ["session_ended", 401, {}],
        ["account_rejected", 422, {}],
        ["invalid_request", 400, {}],
        ["config_invalid", 500, {}],
      ] as const)("of the code %s has its status and its headers", async (code, status, headers) => {
        const thrower: Route = {
          path: "/x",
          handle() {
            throw new GateError(code, "only for the log", { retryAfterSeconds: status === 503 ? 7 : null })
          },
        }
        const client = await start({ routes: [thrower], onApplicationError: null })
        const refused = await client.get("/x")
        expect(refused).toMatchObject({ status, body: { error: code }, headers })
        expect(refused.headers["www-authenticate"]).toBeUndefined()
        expect(refused.text).not.toContain("only for the log")
      })

      it("leaves what is not this library's to the framework", async () => {
        const client = await start({ onApplicationError: null })
        const broken = await client.get("/broken", `Bearer ${await mint()}`)
        expect(broken.status).toBe(500)
        expect(broken.text).not.toContain("config_invalid")
      })
    })

    if (!asks.passesErrors) return

    describe('with onError: "pass"', () => {
      it("hands this library's errors to the application's error handler", async () => {
        const client = await start({ onError: "pass" })
        await client.get("/open", `Bearer ${await mint({ typ: "ID" })}`)
        await client.get("/me")
        await client.send("POST", "/login", { json: { username: "ada" } })
        expect(applicationErrors).toMatchObject([
          { code: "invalid_token", reason: "type", status: 401, statusCode: 401, expose: false },
          { code: "credentials_missing", headers: { "WWW-Authenticate": 'Bearer realm="shop"' } },
          { code: "invalid_request", status: 400, fields: [{ field: "password", rule: "required" }] },
        ])
      })

      if (asks.guardsApart) {
        it("lets the framework's own handler send the status and the challenge", async () => {
          const client = await start({ onError: "pass", onApplicationError: null })
          const missing = await client.get("/me")
          expect(missing.status).toBe(401)
          expect(missing.headers["www-authenticate"]).toBe('Bearer realm="shop"')
          const bad = await client.get("/open", `Bearer ${await mint({ aud: "account" })}`)
          expect(bad.status).toBe(401)
          expect(bad.headers["www-authenticate"]).toMatch(/error="invalid_token"/)
        })
      }
    })

    describe("registerHandler, loginHandler, refreshHandler, logoutHandler", () => {
      const session = {
        accessToken: "a",
        refreshToken: "r",
        tokenType: "Bearer",
        expiresInSeconds: 300,
        refreshExpiresInSeconds: 1800,
        scope: "profile email",
      }

      /** A gate whose verbs remember what they were called with. */
      function stub(changes: Partial<Gate<unknown>> = {}) {
        const calls: unknown[][] = []
        const remember =
          <Result>(result: Result) =>
          async (...parameters: unknown[]) => {
            calls.push(parameters)
            return result
          }
        const registered = { subject: "s", username: "ada", email: "ada@example.test", user: { id: 7 }, pending: [] }
        const gate: Gate<unknown> = {
          ...makeGate(),
          registerUser: remember(registered),
          loginWithPassword: remember(session),
          refreshSession: remember({ ...session, idToken: "i" }),
          logout: remember(undefined),
          sendPasswordReset: remember(undefined),
          changePassword: remember(undefined),
          ...changes,
        }
        return { gate, calls }
      }
      const person = {
        username: "ada",
        email: "ada@example.test",
        firstName: "Ada",
        lastName: "Lovelace",
        password: "correct horse",
      }

      it("answers a registration with 201 and nothing but subject, username and e-mail", async () => {
        const client = await start({ gate: stub().gate })
        const answer = await client.send("POST", "/register", { json: person })
        expect(answer.status).toBe(201)
        expect(answer.body).toEqual({ subject: "s", username: "ada", email: "ada@example.test" })
        expect(answer.headers["cache-control"]).toBe("no-store")
        expect(answer.headers["content-type"]).toMatch(/^application\/json/)
      })

      it("registers with the named fields, the attributes that the application asked for, and what it made of the rest, no others", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const extra = {
          enabled: true,
          emailVerified: true,
          realmRoles: ["admin"],
          groups: ["/admins"],
          requiredActions: [],
          id: "s-0",
          attributes: { level: "9" },
          level: "9",
        }
        await client.send("POST", "/register", { json: { ...person, ...extra, phone: "+44 1", plan: "pro" } })
        await client.send("POST", "/register", { json: person })
        expect(calls).toEqual([
          [{ ...person, attributes: { phone: "+44 1" } }, "pro"],
          [{ ...person, attributes: {} }, undefined],
        ])
      })

      it("answers a login with OAuth's names, not to be stored", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const json = { username: "ada", password: "p", otp: "123456", scope: "offline_access", client_id: "other" }
        const answer = await client.send("POST", "/login", { json })
        expect(answer.status).toBe(200)
        expect(answer.body).toEqual({
          access_token: "a",
          refresh_token: "r",
          token_type: "Bearer",
          expires_in: 300,
          refresh_expires_in: 1800,
          scope: "profile email",
        })
        expect(answer.headers["cache-control"]).toBe("no-store")
        expect(calls).toEqual([[{ username: "ada", password: "p", otp: "123456" }]])
      })

      it("answers a refresh with the new tokens, the ID token where there is one", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const answer = await client.send("POST", "/refresh", { json: { refresh_token: "r0", scope: "offline_access" } })
        expect(answer).toMatchObject({ status: 200, body: { access_token: "a", id_token: "i" } })
        expect(answer.headers["cache-control"]).toBe("no-store")
        expect(calls).toEqual([["r0"]])
      })

      it("answers a logout with 204 and no body", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const answer = await client.send("POST", "/logout", { json: { refresh_token: "r0" } })
        expect(answer).toMatchObject({ status: 204, text: "" })
        expect(calls).toEqual([["r0"]])
      })

      it("answers a password reset with the same 202, whatever the core knows, and hands on the e-mail alone", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const json = { email: "ada@example.test", redirectUri: "https://evil.example.test", lifespanSeconds: 9 }
        const answer = await client.send("POST", "/password-reset", { json })
        expect(answer).toMatchObject({ status: 202, text: '{"accepted":true}' })
        expect(answer.headers["cache-control"]).toBe("no-store")
        expect(calls).toEqual([["ada@example.test", { redirectUri: undefined, lifespanSeconds: undefined }]])
      })

      const change = { currentPassword: "p", newPassword: "q", otp: "123456" }
      const others = { username: "eve", subject: "s-eve", endSessions: false }

      it("changes the password of the token's person, whoever the body names", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const headers = ["Authorization", `Bearer ${await mint({ sub: "s-1" })}`]
        const answer = await client.send("POST", "/password", { headers, json: { ...change, ...others } })
        expect(answer).toMatchObject({ status: 204, text: "" })
        expect(answer.headers["cache-control"]).toBe("no-store")
        expect(calls).toEqual([[{ ...change, subject: "s-1" }]])
      })

      it.each(["/password", "/stray/password"])(
        "changes the password of the body's username without a token (%s), and never by the body's subject",
        async path => {
          const { gate, calls } = stub()
          const client = await start({ gate })
          expect(await client.send("POST", path, { json: { ...change, ...others } })).toMatchObject({ status: 204 })
          expect(calls).toEqual([[{ ...change, username: "eve" }]])
        },
      )

      it("changes no password for a client's own token or a bad one", async () => {
        const { gate, calls } = stub()
        const client = await start({ gate })
        const send = (token: string) =>
          client.send("POST", "/password", {
            headers: ["Authorization", `Bearer ${token}`],
            json: { ...change, ...others },
          })
        expect(await send(await mintService())).toMatchObject({
          status: 403,
          body: { error: "insufficient_scope" },
        })
        expect(await send(await mint({ aud: "account" }))).toMatchObject({ status: 401 })
        expect(calls).toEqual([])
      })

      const required = (...fields: string[]) => fields.map(field => ({ field, rule: "required", params: [] }))
      const missing = [
        ["/register", required("email", "firstName", "lastName", "password")],
        ["/login", required("username", "password")],
        ["/refresh", required("refresh_token")],
        ["/logout", required("refresh_token")],
        ["/password-reset", required("email")],
        ["/password", required("username", "currentPassword", "newPassword")],
      ] as const
      const bodies: Readonly<Record<string, Body>> = {
        "no body": {},
        "an empty object": { json: {} },
        "a list": { json: ["ada"] },
        null: { raw: "null" },
        text: { text: "username=ada" },
      }

      it.each(missing.flatMap(([path, fields]) => Object.keys(bodies).map(kind => [path, kind, fields] as const)))(
        "answers %s with %s with 400, naming every missing field",
        async (path, kind, fields) => {
          const client = await start()
          const answer = await client.send("POST", path, bodies[kind])
          expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request", fields } })
          expect(answer.headers["www-authenticate"]).toBeUndefined()
        },
      )

      it("leaves checking types to the core, attributes included", async () => {
        const client = await start()
        const answer = await client.send("POST", "/register", { json: { ...person, firstName: 7, phone: ["1", 2] } })
        expect(answer.status).toBe(400)
        expect(answer.body.fields).toEqual([
          { field: "firstName", rule: "not_a_string", params: [] },
          { field: "phone", rule: "not_a_string", params: [] },
        ])
      })

      it("answers an error of this library with its refusal", async () => {
        const failing = async () => {
          throw new GateError("keycloak_unavailable", "for the log", { retryAfterSeconds: 7 })
        }
        const { gate } = stub({ loginWithPassword: failing, registerUser: failing, refreshSession: failing })
        const client = await start({ gate })
        for (const path of ["/login", "/register", "/refresh"]) {
          const answer = await client.send("POST", path, { json: {} })
          expect(answer).toMatchObject({ status: 503, body: { error: "keycloak_unavailable" } })
          expect(answer.headers["retry-after"]).toBe("7")
          expect(answer.text).not.toContain("for the log")
        }
      })

      it("hands any other error to the application's error handler, untouched", async () => {
        const foreign = new RangeError("the store's own error")
        const failing = () => Promise.reject(foreign)
        const { gate } = stub({ registerUser: failing, logout: failing })
        const client = await start({ gate })
        for (const path of ["/register", "/logout"]) {
          const answer = await client.send("POST", path, { json: {} })
          expect(answer).toMatchObject({ status: 500, body: { application: true } })
          expect(applicationErrors.pop()).toBe(foreign)
        }
      })
    })
  })
}

interface Body {
  readonly json?: unknown
  /** JSON that is sent as it stands. */
  readonly raw?: string
  readonly form?: string
  readonly text?: string
}

interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The parsed body; an empty object where it is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>
}

interface Client {
  get(path: string, authorization?: string | readonly string[]): Promise<HttpAnswer>
  send(method: string, path: string, content?: Body & { readonly headers?: readonly string[] }): Promise<HttpAnswer>
}

/** Speaks HTTP with the header fields exactly as given, so that one can be sent twice. */
export function createClient(url: string): Client {
  const client: Client = {
    get(path, authorization = []) {
      return client.send("GET", path, { headers: [authorization].flat().flatMap(value => ["Authorization", value]) })
    },
    send(method, path, { headers = [], json, raw, form, text } = {}) {
      const sent = json === undefined ? (raw ?? form ?? text) : JSON.stringify(json)
      const type = form !== undefined ? "application/x-www-form-urlencoded" : text !== undefined ? "text/plain" : null
      const contentHeaders =
        sent === undefined
          ? ["Content-Length", "0"]
          : ["Content-Type", type ?? "application/json", "Content-Length", String(Buffer.byteLength(sent))]
      const { host } = new URL(url)
      return new Promise<HttpAnswer>((resolve, reject) => {
        const request = httpRequest(
          new URL(path, url),
          { method, headers: ["Host", host, ...headers, ...contentHeaders], agent: false },
          response => {
            const chunks: Buffer[] = []
            response.on("data", chunk => chunks.push(chunk))
            response.on("error", reject)
            response.on("end", () => {
              const text = Buffer.concat(chunks).toString()
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parseObject(text) })
            })
          },
        )
        request.on("error", reject)
        request.end(sent)
      })
    },
  }
  return client
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  if (!text.startsWith("{")) return {}
  return JSON.parse(text) as Record<string, unknown>
}
