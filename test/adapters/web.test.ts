import { createServer } from "node:http"
import { getRequestListener } from "@hono/node-server"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
import {
  changePasswordHandler,
  guard,
  loginHandler,
  logoutHandler,
  passwordResetHandler,
  refreshHandler,
  refusalResponse,
  registerHandler,
  verifyRequest,
  type WebHandler,
} from "../../src/adapters/web.js"
import { createGate, type Gate, GateError, type GateEvent, memoryUserStore, type Principal } from "../../src/index.js"
import type { TestRealm } from "../../src/testing/index.js"
import { adapterContract, type Route, type Setup } from "../contracts/adapter.js"
import { openShop } from "../support/shop.ts"
import { listen } from "./listen.js"

adapterContract("web", async setup => listen(serve(createApplication(setup), setup)), {
  guardsApart: false,
  passesErrors: true,
  middlewareAboutHandlers: true,
})

describe("the web alone", () => {
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

  const asking = (...authorization: readonly string[]) =>
    new Request("https://shop.example.test/me", {
      headers: authorization.map(value => ["Authorization", value] as [string, string]),
    })
  const subjectOf = (_: Request, principal: Principal<unknown>) => Response.json(principal.subject)

  describe("a joined Authorization field", () => {
    it.each([
      ["Bearer TOKEN, TOKEN"],
      ["Bearer TOKEN, Bearer TOKEN"],
      ["Bearer TOKEN,Bearer TOKEN"],
      ["Basic YTpi, Bearer TOKEN"],
      ["Basic YTpi,bearer TOKEN"],
      ["Basic YTpi,\tBEARER"],
      ['Digest username="ada", response="x", Bearer TOKEN'],
      ['Digest username="a\\"b", Bearer TOKEN'],
      ['Digest username="never closed, Bearer TOKEN'],
      ["Negotiate YII=, Basic YTpi, Bearer TOKEN"],
      [", Bearer TOKEN"],
      ["Basic YTpi, Basic YTpi"],
    ])("is refused with 400 where it holds several credentials: %s", async field => {
      const token = await realm.issueToken("ada")
      const gate = makeGate()
      const request = asking(field.replaceAll("TOKEN", token))
      await expect(verifyRequest(gate, request)).rejects.toMatchObject({ code: "invalid_request", status: 400 })
      const answer = await guard(gate, {}, subjectOf)(request)
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
        400,
        expect.stringMatching(/^Bearer realm="shop", error="invalid_request"/),
      ])
    })

    it.each([
      ['Digest username="ada", realm="shop", nonce="x", uri="/", response="y"'],
      ['Digest username="ada", realm="x, Bearer y", uri="/"'],
      ['Digest username="a\\", Bearer b", uri="/"'],
      ["Digest a = b , bearer = c, Bearer=d,,"],
      ["AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c"],
    ])("is left to another authenticator where commas belong to another scheme: %s", async field => {
      expect(await verifyRequest(makeGate(), asking(field))).toBeNull()
    })

    it("is refused where two fields were set, whichever comes first", async () => {
      const bearer = `Bearer ${await realm.issueToken("ada")}`
      for (const fields of [
        [bearer, bearer],
        ["Basic YTpi", bearer],
        [bearer, "Basic YTpi"],
      ]) {
        await expect(verifyRequest(makeGate(), asking(...fields))).rejects.toMatchObject({ code: "invalid_request" })
      }
    })

    it("of any length is read in one pass", async () => {
      const [from, gate] = [performance.now(), makeGate()]
      for (const field of [
        `Digest ${'\\"'.repeat(30_000)},`,
        `Digest ${'", '.repeat(30_001)}`,
        ", \t".repeat(30_000),
      ]) {
        await verifyRequest(gate, asking(field)).catch(() => null)
      }
      expect(performance.now() - from).toBeLessThan(2000)
    })
  })

  describe("guard", () => {
    it("hands on what the host gives beside the request, and the principal between them", async () => {
      const seen: unknown[] = []
      const handler = guard(
        makeGate(),
        {},
        (request: Request, principal, env: { readonly key: string }, ctx: object) => {
          seen.push(request, principal.kind, env, ctx)
          return new Response(null, { status: 204 })
        },
      )
      const [request, env, ctx] = [asking(`Bearer ${await realm.issueToken("ada")}`), { key: "k" }, {}]
      expect((await handler(request, env, ctx)).status).toBe(204)
      expect(seen).toEqual([request, "user", env, ctx])
    })

    it.each(["GET", "HEAD", "OPTIONS", "POST", "QUERY"])("guards %s like any other method", async method => {
      const request = new Request("https://shop.example.test/", { method })
      expect((await guard(makeGate(), {}, subjectOf)(request)).status).toBe(401)
    })

    it("of two gates about one request at the same time lets each see its own principal", async () => {
      const [shop, billing] = [makeGate("shop-api"), makeGate("billing")]
      const request = asking(`Bearer ${await realm.issueToken("ada", { aud: ["billing", "shop-api"] })}`)
      const rows = await Promise.all(
        [shop, billing].map(async gate => {
          let row: unknown
          const handler = guard(gate, {}, (_, principal) => {
            row = principal.user
            return new Response()
          })
          await handler(request)
          return row
        }),
      )
      expect(rows[0]).toEqual(rows[1])
      expect(rows[0]).not.toBe(rows[1])
      const forShop = asking(`Bearer ${await realm.issueToken("ada", { aud: "shop-api" })}`)
      const answers = [shop, billing].map(gate => guard(gate, {}, subjectOf)(forShop))
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 401])
    })

    it("keeps the requirements that it was made with", async () => {
      const needed = { realmRoles: ["admin"] }
      const handler = guard(makeGate(), needed, subjectOf)
      needed.realmRoles.pop()
      expect((await handler(asking(`Bearer ${await realm.issueToken("ada")}`))).status).toBe(403)
    })

    it("rejects with what is not this library's, and with everything where that is asked for", async () => {
      const own = new RangeError("the handler's own")
      const fail = () => Promise.reject(own)
      const request = asking(`Bearer ${await realm.issueToken("ada")}`)
      await expect(guard(makeGate(), {}, fail)(request)).rejects.toBe(own)
      const passing = guard(makeGate(), {}, subjectOf, { onError: "pass" })
      await expect(passing(asking())).rejects.toMatchObject({ code: "credentials_missing", status: 401 })
    })
  })

  it("verifyRequest with requirements throws where nobody asks, and for an explicit undefined", async () => {
    const gate = makeGate()
    await expect(verifyRequest(gate, asking(), {})).rejects.toMatchObject({ code: "credentials_missing" })
    const forgotten = undefined as unknown as Record<string, never>
    await expect(verifyRequest(gate, asking(), forgotten)).rejects.toMatchObject({ code: "config_invalid" })
  })

  it("refusalResponse answers this library's errors alone, with the challenge where a token is lacking", async () => {
    const gate = makeGate()
    expect(refusalResponse(gate, new Error("theirs"))).toBeNull()
    const answer = refusalResponse(gate, new GateError("insufficient_scope", "not theirs"))
    expect([answer?.status, answer?.headers.get("www-authenticate")]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope"'),
    ])
    expect(refusalResponse(gate, new GateError("user_exists", "x"))?.headers.get("www-authenticate")).toBeNull()
  })

  describe("a handler", () => {
    const json = (body: string | ReadableStream | null, more: Readonly<Record<string, string>> = {}) =>
      new Request("https://shop.example.test/login", {
        method: "POST",
        headers: { "Content-Type": "application/json", ...more },
        body,
        duplex: "half",
      } as RequestInit)
    const stream = (...pieces: readonly (string | Uint8Array | Error)[]) => {
      const left = [...pieces]
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = left.shift()
          if (piece instanceof Error) controller.error(piece)
          else if (piece === undefined) controller.close()
          else controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece)
        },
      })
    }

    /** A gate whose login tells what it was given. */
    function hearing(events: GateEvent[] = []) {
      const heard: unknown[] = []
      const loginWithPassword = async (given: unknown) => {
        heard.push(given)
        throw new GateError("invalid_credentials", "x")
      }
      return { heard, gate: { ...makeGate("shop-api", events), loginWithPassword } as unknown as Gate<unknown> }
    }

    it("reads a body that comes in pieces, cut through a letter too", async () => {
      const bytes = new TextEncoder().encode('{"username":"ädä","password":"p"}')
      const { heard, gate } = hearing()
      const pieces = Array.from(bytes, byte => new Uint8Array([byte]))
      expect((await loginHandler(gate)(json(stream(...pieces)))).status).toBe(401)
      expect(heard).toEqual([{ username: "ädä", password: "p" }])
    })

    it.each([
      "application/json",
      "application/json; charset=utf-8",
      "Application/JSON ;x=y",
      "application/vnd.shop+json",
    ])("takes %s for JSON", async type => {
      const { heard, gate } = hearing()
      await loginHandler(gate)(json('{"username":"ada"}', { "Content-Type": type }))
      expect(heard).toEqual([{ username: "ada" }])
    })

    // A form or a text of another origin comes without a preflight, and would log somebody in as somebody else.
    it.each([
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/jsonp",
      "",
    ])("reads nothing that calls itself %j, whatever it holds", async type => {
      const { heard, gate } = hearing()
      const request = json('{"username":"ada","password":"p"}', { "Content-Type": type })
      expect((await loginHandler(gate)(request)).status).toBe(401)
      expect(heard).toEqual([{}])
    })

    it.each(["{", '{"username":', "username=ada", "\u0000", "undefined"])(
      "refuses the broken JSON %j with 400",
      async text => {
        const { heard, gate } = hearing()
        const answer = await loginHandler(gate)(json(text))
        expect([answer.status, await answer.json()]).toMatchObject([400, { error: "invalid_request" }])
        expect(heard).toEqual([])
      },
    )

    it("takes a body of 64 kB, and refuses one byte more with 413, whatever length was announced", async () => {
      const { heard, gate } = hearing()
      const filled = (length: number) => `{"username":"ada","x":"${"x".repeat(length - 25)}"}`
      expect(filled(65_536)).toHaveLength(65_536)
      const login = loginHandler(gate)
      expect((await login(json(filled(65_536)))).status).toBe(401)
      for (const request of [
        json(filled(65_537)),
        json(stream(filled(60_000), "x".repeat(6000))),
        json(stream("{}"), { "Content-Length": "65537" }),
        json(stream(filled(65_537)), { "Content-Length": "10" }),
      ]) {
        const answer = await login(request)
        expect([answer.status, await answer.json()]).toMatchObject([413, { error: "invalid_request" }])
      }
      expect(heard).toHaveLength(1)
    })

    it("stops to receive what is too long", async () => {
      let [sent, isCancelled] = [0, false]
      const endless = new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += 1
          controller.enqueue(new Uint8Array(16_384))
        },
        cancel() {
          isCancelled = true
        },
      })
      expect((await loginHandler(hearing().gate)(json(endless))).status).toBe(413)
      await expect.poll(() => isCancelled).toBe(true)
      expect(sent).toBeLessThan(20)
    })

    it("answers 400 where the caller hangs up within the body", async () => {
      const { heard, gate } = hearing()
      const answer = await loginHandler(gate)(json(stream('{"user', new Error("aborted"))))
      expect(answer.status).toBe(400)
      expect(heard).toEqual([])
    })

    it("tells the log where somebody has read the body before", async () => {
      const events: GateEvent[] = []
      const { gate } = hearing(events)
      const request = json('{"username":"ada"}', { "Content-Length": "18" })
      await request.json()
      await loginHandler(gate)(request)
      expect(events).toMatchObject([{ error: { code: "config_invalid" } }])
    })

    it("leaves the body to the application's `extra`", async () => {
      const extras: unknown[] = []
      const registerUser = async (_: unknown, extra: unknown) => {
        extras.push(extra)
        return { subject: "s", username: "ada", email: null, user: null, pending: [] }
      }
      const gate = { ...makeGate(), registerUser } as unknown as Gate<unknown>
      const register = registerHandler(gate, {
        extra: async request => ((await request.json()) as { plan: string }).plan,
      })
      expect((await register(json('{"username":"ada","plan":"pro"}'))).status).toBe(201)
      expect(extras).toEqual(["pro"])
    })

    it("changes no password for a bad token, and none but its person's for a good one", async () => {
      const changed: unknown[] = []
      const changePassword = async (change: unknown) => void changed.push(change)
      const gate = { ...makeGate(), changePassword } as unknown as Gate<unknown>
      const change = changePasswordHandler(gate)
      const body = JSON.stringify({ username: "eve", currentPassword: "p", newPassword: "q" })
      const token = await realm.issueToken("ada", { sub: "s-1" })
      expect((await change(json(body, { Authorization: "Bearer x" }))).status).toBe(401)
      expect((await change(json(body, { Authorization: `Basic YTpi, Bearer ${token}` }))).status).toBe(400)
      expect((await change(json(body, { Authorization: `Bearer ${token}` }))).status).toBe(204)
      expect(changed).toEqual([{ currentPassword: "p", newPassword: "q", subject: "s-1" }])
    })
  })
})

/** The contract's application, as a host of the web would be given it: a function of a request. */
function createApplication({ gate, onError, routes, strayRoutes, handlers }: Setup): WebHandler {
  const byPath = new Map<string, WebHandler>()
  for (const route of [...routes, ...strayRoutes]) byPath.set(route.path, toHandler(gate, route, onError))
  if (handlers) {
    const extra = async (request: Request) => ((await request.json()) as { plan?: string }).plan
    byPath.set(
      "/register",
      registerHandler(gate, { onError, attributes: ["phone"], extra: request => extra(request).catch(() => null) }),
    )
    byPath.set("/login", loginHandler(gate, { onError }))
    byPath.set("/refresh", refreshHandler(gate, { onError }))
    byPath.set("/logout", logoutHandler(gate, { onError }))
    byPath.set("/password-reset", passwordResetHandler(gate, { onError }))
    byPath.set("/password", changePasswordHandler(gate, { onError }))
    byPath.set("/stray/password", changePasswordHandler(gate, { onError }))
  }
  return async request => byPath.get(new URL(request.url).pathname)?.(request) ?? new Response(null, { status: 404 })
}

function toHandler(gate: Gate<unknown>, { guard: needed, handle }: Route, onError: "pass" | undefined): WebHandler {
  const answer = async (principal: Principal<unknown> | null) =>
    Response.json(await handle({ principal, principalOf: () => principal as Principal<unknown> }))
  if (needed !== undefined) {
    return guard(gate, needed.length === 0 ? {} : needed[0], (_: Request, principal) => answer(principal), { onError })
  }
  return async request => {
    try {
      return await answer(await verifyRequest(gate, request))
    } catch (error) {
      const refusal = onError === "pass" ? null : refusalResponse(gate, error)
      if (refusal === null) throw error
      return refusal
    }
  }
}

function serve(fetch: WebHandler, { onApplicationError }: Setup) {
  const errorHandler = (error: unknown) => {
    onApplicationError?.(error)
    return Response.json({ application: true }, { status: 500 })
  }
  return createServer(getRequestListener(fetch, { errorHandler, overrideGlobalObjects: false }))
}
