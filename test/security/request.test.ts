import { connect } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import type { Listening } from "../adapters/listen.js"
import { answerWith } from "../support/faults.ts"
import { paths } from "../support/paths.ts"
import { openShop } from "../support/shop.ts"
import { signByHand } from "../support/sign-by-hand.ts"
import { applications, parse, type RawAnswer, send } from "./applications.ts"
import { type Realm, startRealm } from "./realm.ts"

let realm: Realm
let valid = ""
beforeAll(async () => {
  realm = await startRealm()
  valid = realm.sign()
})
afterAll(() => realm.close())

const subject = () => String(realm.issuer.claims().sub)
const challenge = 'Bearer realm="shop"'
const invalidToken = `${challenge}, error="invalid_token", error_description="The access token is not valid here."`
const invalidRequest = `${challenge}, error="invalid_request", error_description="The request is malformed."`

describe.each(applications)("a request to %s", (_, start) => {
  let application: Listening
  let gate: Gate<null>
  beforeAll(async () => {
    const { url: serverUrl, realm: name, clientId, clientSecret } = realm.issuer
    gate = createGate({ serverUrl, realm: name, clientId, clientSecret, onEvent: () => undefined })
    application = await start(gate)
  })
  afterAll(async () => {
    await application.close()
    gate.close()
  })

  const get = (path: string, ...fields: string[]) => send(application.url, [`GET ${path} HTTP/1.1`, ...fields])
  const bearer = (token: string) => `Authorization: Bearer ${token}`
  function expectLetIn(answer: RawAnswer, asSubject: string | null): void {
    expect([answer.status, answer.body]).toEqual([200, { reached: true, subject: asSubject }])
  }
  function expectRefused(answer: RawAnswer, status: number, expected: string | undefined, error: string): void {
    expect([answer.status, answer.headers.get("www-authenticate"), answer.body.error]).toEqual([
      status,
      expected,
      error,
    ])
    expect(answer.text).not.toContain('"reached"')
  }

  describe("without credentials", () => {
    // RFC 6750 §3, §3.1: no error code when no credentials were presented
    it("is answered with 401 and a challenge without an error code", async () => {
      expectRefused(await get("/me"), 401, challenge, "credentials_missing")
      expectRefused(await get("/me", "Authorization:"), 401, challenge, "credentials_missing")
    })

    // the same: a role that nobody could have yet is no 403 (keycloak-connect answers 403 to everything)
    it("is answered with 401, not 403, where a role or a scope is needed", async () => {
      for (const path of ["/editor", "/orders"]) {
        expectRefused(await get(path), 401, challenge, "credentials_missing")
      }
    })

    // anonymous is a choice of the route, not of the token
    it("is let in as nobody where no guard stands", async () => {
      expectLetIn(await get("/open"), null)
    })

    // RFC 9728 §5.1: optional; this library serves no such document
    it("is not sent to resource metadata", async () => {
      expect((await get("/me")).text).not.toContain("resource_metadata")
    })
  })

  describe("with a token", () => {
    it("is let in as its subject", async () => {
      expectLetIn(await get("/me", bearer(valid)), subject())
    })

    // RFC 9110 §11.1, §5.1: scheme and field name are case-insensitive, and blanks around a field are none of it
    it.each(["authorization: bearer", "AUTHORIZATION: BEARER", "aUtHoRiZaTiOn:bEaReR", "Authorization:  \t Bearer"])(
      "is let in for the spelling %j",
      async field => {
        expectLetIn(await get("/me", `${field} ${valid}  `), subject())
      },
    )

    // RFC 6750 §3.1
    it.each<[string, (realm: Realm) => string]>([
      ["expired", ({ sign }) => sign({ claims: { exp: 1 } })],
      ["of another issuer", ({ sign }) => sign({ claims: { iss: "https://elsewhere.example.test" } })],
      ["for another audience", ({ sign }) => sign({ claims: { aud: "account" } })],
      ["of an unknown key", ({ sign }) => sign({ header: { kid: "unknown" } })],
      ["with a broken signature", ({ sign }) => `${sign().slice(0, -20)}${"A".repeat(20)}`],
      ["unsigned", ({ sign }) => sign({ header: { alg: "none" } })],
      ["in two parts", ({ sign }) => sign().split(".").slice(0, 2).join(".")],
      ["that is no token", () => "abc"],
    ])("%s is refused with 401 invalid_token, where anonymous is allowed too", async (_, make) => {
      for (const path of ["/me", "/open", "/orders"]) {
        expectRefused(await get(path, bearer(make(realm))), 401, invalidToken, "invalid_token")
      }
    })

    // RFC 6750 §3.1, §3
    it("that lacks a scope is refused with 403 insufficient_scope, which names the scope", async () => {
      const expected =
        `${challenge}, error="insufficient_scope", ` +
        'error_description="The access token is valid but does not allow this.", scope="orders:read"'
      expectRefused(await get("/orders", bearer(valid)), 403, expected, "insufficient_scope")
      const token = realm.sign({ claims: { scope: "openid orders:read" } })
      expectLetIn(await get("/orders", bearer(token)), subject())
    })

    // the same: roles are no scopes
    it("that lacks a role is refused with 403 and no scope", async () => {
      const answer = await get("/editor", bearer(realm.sign({ claims: { resource_access: undefined } })))
      expect([answer.status, answer.body.error]).toEqual([403, "insufficient_scope"])
      expect(answer.headers.get("www-authenticate")).not.toContain("scope=")
      expectLetIn(await get("/editor", bearer(valid)), subject())
    })

    // RFC 6750 §2: one way to send a token; the header field
    it("is refused with 401 when it is longer than the limit, and let in with 8 kB", async () => {
      expectLetIn(await get("/me", bearer(realm.sign({ claims: { pad: "x".repeat(6000) } }))), subject())
      const long = realm.sign({ claims: { pad: "x".repeat(9300) } })
      expectRefused(await get("/me", bearer(long)), 401, invalidToken, "invalid_token")
    })
  })

  describe("with a malformed header", () => {
    // RFC 6750 §2.1, §3.1; CVE-2026-9803
    it.each([
      "Bearer",
      "Bearer  TOKEN",
      "Bearer\tTOKEN",
      "Bearer TOKEN x",
      "Bearer TOKEN,",
      "Bearer TOKEN, Bearer TOKEN",
      "Bearer TOKEN, Basic YTpi",
      'Bearer "TOKEN"',
      "Bearer <TOKEN>",
      "Bearer token=TOKEN",
      "Bearer=TOKEN",
      "Bearer:TOKEN",
      "Bearer,TOKEN",
      "Bearer Bearer TOKEN",
      "Bearer Basic YTpi",
      "Bearer TOKEN;a=b",
      "Bearer TOK%45N",
      ", Bearer TOKEN",
      "=",
    ])("%j is refused with 400, with a guard and without", async header => {
      for (const path of ["/me", "/open"]) {
        const answer = await get(path, `Authorization: ${header.replaceAll("TOKEN", valid)}`)
        expectRefused(answer, 400, invalidRequest, "invalid_request")
      }
    })

    // CVE-2026-0707: what is not exactly `Bearer` and a blank is not Bearer; 0xA0 is a no-break space in Latin-1
    it.each(["Bearer\u00a0TOKEN", "\u00a0Bearer TOKEN", "Bearer\u0085TOKEN"])(
      "%j, with a blank that is none, is refused with 400",
      async header => {
        const answer = await get("/open", `Authorization: ${header.replace("TOKEN", valid)}`)
        expectRefused(answer, 400, invalidRequest, "invalid_request")
      },
    )

    // the same: other schemes and glued ones are somebody else's credentials, and none here
    it.each(["BearerX TOKEN", "BearerTOKEN", "JWT TOKEN", "Token TOKEN", "TOKEN", "Basic YTpi", "DPoP TOKEN"])(
      "%j holds no Bearer credentials",
      async header => {
        const field = `Authorization: ${header.replace("TOKEN", valid.replaceAll(".", ""))}`
        expectLetIn(await get("/open", field), null)
        expectRefused(await get("/me", field), 401, challenge, "credentials_missing")
      },
    )

    // RFC 9112 §5.1, §5.2: Node's parser refuses these before any application sees them
    it.each([
      ["a blank before the colon", () => `Authorization : Bearer ${valid}`],
      ["a folded line", () => `Authorization: Bearer\r\n ${valid}`],
      ["a NUL", () => `Authorization: Bearer ${valid}\u0000`],
      ["a bare carriage return", () => `Authorization: Bearer ${valid}\rX: y`],
    ])("with %s never reaches a handler as somebody", async (_, field) => {
      const answer = await get("/open", field())
      expect(answer.status).not.toBe(500)
      expect(answer.text).not.toContain(subject())
    })
  })

  describe("with two Authorization fields", () => {
    // RFC 9110 §5.3: it is no list; Node keeps the first in silence, other hops may keep the last
    it.each<[string, () => string[]]>([
      ["the same token twice", () => [bearer(valid), bearer(valid)]],
      ["a good one first", () => [bearer(valid), bearer("abc")]],
      ["a bad one first", () => [bearer("abc"), bearer(valid)]],
      ["another scheme first", () => ["Authorization: Basic YTpi", bearer(valid)]],
      ["another scheme last", () => [bearer(valid), "Authorization: Basic YTpi"]],
      ["an empty one first", () => ["Authorization:", bearer(valid)]],
      ["an empty one last", () => [bearer(valid), "Authorization:"]],
      ["two spellings of the name", () => [bearer(valid), `AUTHORIZATION: Bearer ${valid}`]],
      ["others between them", () => [bearer(valid), "X: y", "Accept: a", `authorization: Bearer ${valid}`]],
      ["two of another scheme", () => ["Authorization: Basic YTpi", "Authorization: Basic YTpj"]],
      ["three", () => [bearer(valid), bearer(valid), bearer(valid)]],
    ])("(%s) is refused with 400", async (_, fields) => {
      for (const path of ["/me", "/open"]) {
        expectRefused(await get(path, ...fields()), 400, invalidRequest, "invalid_request")
      }
    })

    // the same: a value that looks like the name is a value
    it("is not seen where another field's value says `Authorization`", async () => {
      expectLetIn(await get("/me", "X: Authorization", bearer(valid), "Y: authorization"), subject())
    })
  })

  describe("with a token elsewhere than in the header", () => {
    // RFC 9700 §4.3.2: never in a query
    it("such as the query is anonymous", async () => {
      for (const name of ["access_token", "token", "bearer", "jwt", "authorization", "Authorization"]) {
        expectLetIn(await get(`/open?${name}=${valid}`), null)
        expectRefused(await get(`/me?${name}=Bearer%20${valid}`), 401, challenge, "credentials_missing")
      }
    })

    // RFC 6750 §2.2 is an option that this library does not take (CSRF)
    it("such as the body is anonymous", async () => {
      for (const [type, body] of [
        ["application/x-www-form-urlencoded", `access_token=${valid}`],
        ["application/json", JSON.stringify({ access_token: valid, authorization: `Bearer ${valid}` })],
      ]) {
        const fields = [`Content-Type: ${type}`, `Content-Length: ${body?.length}`]
        const answer = await send(application.url, ["POST /me HTTP/1.1", ...fields], body)
        expectRefused(answer, 401, challenge, "credentials_missing")
      }
    })

    // a field that any client may set is not what a proxy has checked
    it.each([
      "Cookie: access_token=TOKEN; token=TOKEN; KEYCLOAK_IDENTITY=TOKEN; kc-access=TOKEN",
      "Proxy-Authorization: Bearer TOKEN",
      "X-Authorization: Bearer TOKEN",
      "X-Forwarded-Authorization: Bearer TOKEN",
      "X-Forwarded-Access-Token: TOKEN",
      "X-Auth-Request-Access-Token: TOKEN",
      "X-Access-Token: TOKEN",
      "X-Original-Authorization: Bearer TOKEN",
      "Authorization-X: Bearer TOKEN",
      "Sec-WebSocket-Protocol: bearer, TOKEN",
    ])("such as %j is anonymous", async field => {
      expectLetIn(await get("/open", field.replaceAll("TOKEN", valid)), null)
      expectRefused(await get("/me", field.replaceAll("TOKEN", valid)), 401, challenge, "credentials_missing")
    })

    // RFC 9110 §6.5.1: no authentication in trailers
    it("such as a trailer is anonymous", async () => {
      const body = `0\r\nAuthorization: Bearer ${valid}\r\n\r\n`
      const lines = [
        "POST /me HTTP/1.1",
        "Content-Type: text/plain",
        "Transfer-Encoding: chunked",
        "Trailer: Authorization",
      ]
      const answer = await send(application.url, lines, body)
      expect(answer.status).not.toBe(200)
      expect(answer.text).not.toContain('"reached"')
    })
  })

  describe("in other methods and paths", () => {
    // the guard belongs to the handler, not to a method or to the text of a URL
    it.each(["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])("%s is guarded as GET is", async method => {
      const fields = method === "HEAD" || method === "OPTIONS" ? [] : ["Content-Length: 0"]
      for (const path of ["/me", "/mounted/me"]) {
        const anonymous = await send(application.url, [`${method} ${path} HTTP/1.1`, ...fields])
        expect([anonymous.status, anonymous.headers.get("www-authenticate")]).toEqual([401, challenge])
        const asAda = await send(application.url, [`${method} ${path} HTTP/1.1`, ...fields, bearer(valid)])
        expect(asAda.status).toBe(200)
      }
    })

    // the same
    it.each([
      "/ME",
      "/Me",
      "/me/",
      "/me//",
      "//me",
      "/./me",
      "/x/../me",
      "/%6de",
      "/m%65",
      "/me?x=y",
      "/me;x=y",
      "/me%00",
      "/me%2f",
      "/mounted/ME",
      "/mounted//me",
      "/MOUNTED/me",
      "http://localhost/me",
    ])("the path %j lets nobody in", async path => {
      const answer = await get(path)
      expect(answer.status).not.toBe(200)
      expect(answer.text).not.toContain('"reached"')
    })

    // the same
    it("a mounted sub-application is behind the same gate", async () => {
      expectLetIn(await get("/mounted/me", bearer(valid)), subject())
      expectRefused(await get("/mounted/me"), 401, challenge, "credentials_missing")
      expectRefused(await get("/mounted/open", bearer("abc")), 401, invalidToken, "invalid_token")
    })
  })

  // a principal belongs to one request: the next one on the same connection is nobody again
  it("without credentials after one with them on the same connection is nobody's", async () => {
    const { hostname, port } = new URL(application.url)
    const both = await new Promise<string>((resolve, reject) => {
      const chunks: Buffer[] = []
      const socket = connect(Number(port), hostname)
      socket.on("data", chunk => chunks.push(chunk))
      socket.on("error", reject)
      socket.on("close", () => resolve(Buffer.concat(chunks).toString()))
      const first = `GET /me HTTP/1.1\r\nHost: x\r\n${bearer(valid)}\r\n\r\n`
      socket.write(`${first}GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    })
    const [one = "", other = ""] = both.split(/(?<=\})(?=HTTP\/1\.1)/)
    expectLetIn(parse(one), subject())
    expectRefused(parse(other), 401, challenge, "credentials_missing")
  })

  describe("that is refused", () => {
    // RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E; header injection through kid and iss
    it("is told nothing that the token says, in no header and no body", async () => {
      const mark = "l3ak"
      const strange = `${mark}"\r\nX-Injected: 1\r\n\r\n\u001b[31m\u2028ä`
      const tokens = [
        realm.sign({ header: { kid: strange } }),
        realm.sign({ header: { typ: strange } }),
        realm.sign({ header: { alg: strange } }),
        ...["iss", "aud", "typ", "sub", "exp", "nbf", "azp", "cnf"].map(name =>
          realm.sign({ claims: { aud: "account", [name]: name === "sub" ? { [strange]: 1 } : strange } }),
        ),
        realm.sign({ claims: { aud: [strange, mark] } }),
        `${mark}.${mark}.${mark}`,
        mark,
      ]
      for (const token of tokens) {
        const answer = await get("/me", bearer(token))
        expectRefused(answer, 401, invalidToken, "invalid_token")
        expect(answer.text).not.toMatch(/l3ak|X-Injected|eyJ|shop-api|account"|\n\s+at /)
        const wire = answer.headers.get("www-authenticate") ?? ""
        expect(/error_description="([^"]*)"/.exec(wire)?.[1]).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      }
      const malformed = await get("/me", `Authorization: Bearer ${mark} "${mark}"`)
      expect(malformed.text).not.toContain(mark)
    })

    // RFC 9111 §3.5, RFC 6749 §5.1: nothing that depends on who asks may be stored
    it("is not to be stored, and is JSON", async () => {
      for (const answer of [await get("/me"), await get("/me", bearer("abc")), await get("/orders", bearer(valid))]) {
        expect(answer.headers.get("cache-control")).toContain("no-store")
        expect(answer.headers.get("content-type")).toMatch(/^application\/json/)
        expect(Object.keys(answer.body)).toEqual(expect.arrayContaining(["error", "error_description"]))
        expect(answer.body).not.toHaveProperty("reason")
        expect(answer.body).not.toHaveProperty("message")
      }
    })
  })

  describe("while the keys can't be had", () => {
    // RFC 9110 §15.6.4: clients throw good tokens away on a 401
    it("is answered with 503, what Keycloak said about when to come back, and no challenge", async () => {
      const down = await startRealm()
      down.issuer.breakWith(answerWith({ status: 503, headers: { "retry-after": "7" }, body: "" }), { at: paths.certs })
      const application = await start(down.gate)
      try {
        for (const path of ["/me", "/open"]) {
          const answer = await send(application.url, [`GET ${path} HTTP/1.1`, bearer(down.sign())])
          expectRefused(answer, 503, undefined, "keycloak_unavailable")
          expect(answer.headers.get("retry-after")).toBe("7")
        }
        await down.issuer.heal()
        expectLetIn(await send(application.url, ["GET /me HTTP/1.1", bearer(down.sign())]), subject())
      } finally {
        await application.close()
        await down.close()
      }
    })

    // the same: an outage is no reason to take a forged token's word for anything
    it("is answered with 401 for a token that no key could make good", async () => {
      const down = await startRealm()
      await down.issuer.goDown()
      const application = await start(down.gate)
      const { kid, privateKey } = down.issuer.signingKey()
      const expired = down.sign({ headerText: "x" })
      const unsigned = signByHand({ alg: "none", kid }, down.issuer.claims(), "ES256", privateKey)
      for (const token of [expired, unsigned, "abc"]) {
        const answer = await send(application.url, ["GET /open HTTP/1.1", bearer(token)])
        expectRefused(answer, 401, invalidToken, "invalid_token")
      }
      await application.close()
      await down.close()
    })
  })

  // RFC 6749 §5.1
  it("that registers or logs in gets an answer that is not to be stored", async () => {
    const { gateOptions } = await openShop()
    const gate = createGate({ ...gateOptions, onEvent: () => undefined })
    const application = await start(gate)
    const username = `bob-${_.toLowerCase()}`
    const names = { username, email: `${username}@example.test`, firstName: "B", lastName: "L" }
    const body = JSON.stringify({ ...names, password: "Engine-1822!" })
    for (const [path, status] of [
      ["/register", 201],
      ["/login", 200],
    ] as const) {
      const fields = ["Content-Type: application/json", `Content-Length: ${body.length}`]
      const answer = await send(application.url, [`POST ${path} HTTP/1.1`, ...fields], body)
      expect([path, answer.status, answer.headers.get("cache-control")]).toEqual([path, status, "no-store"])
    }
    await application.close()
    gate.close()
  })
})
