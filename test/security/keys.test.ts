import { type AddressInfo, createServer, type Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { answerWith } from "../support/faults.ts"
import { startFaultyServer } from "../support/faulty-server.ts"
import { newKey } from "../support/issuer.ts"
import { paths } from "../support/paths.ts"
import { signByHand } from "../support/sign-by-hand.ts"
import { type Realm, startRealm } from "./realm.ts"

let realm: Realm
beforeEach(async () => {
  realm = await startRealm("ES256", { timeoutMs: 10_000 })
})
afterEach(() => realm.close())

const fetches = () => realm.issuer.requests(paths.certs)
const optionsWith = (more: object) =>
  ({ serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api", ...more }) as never
const configInvalid = expect.objectContaining({ code: "config_invalid" })

describe("the address of the keys", () => {
  // OIDC Discovery §4.3, RFC 8414 §3.3: it is made of the options alone, and no document of the server can move it
  it("is the realm's own, whatever discovery says", async () => {
    const document = { issuer: "https://evil.example.test", jwks_uri: "http://127.0.0.1:9/certs" }
    realm.issuer.breakWith(answerWith({ status: 200, body: JSON.stringify(document) }), { at: paths.discovery })
    expect(await realm.verdict(realm.sign())).toBe("accepted")
    expect([fetches(), realm.issuer.requests(paths.discovery)]).toEqual([1, 0])
  })

  // the same: ready() does read discovery, and has to notice
  it("is doubted by ready() when discovery names another issuer", async () => {
    const document = { issuer: `${realm.issuer.url}/realms/other`, token_endpoint: "x" }
    realm.issuer.breakWith(answerWith({ status: 200, body: JSON.stringify(document) }), { at: paths.discovery })
    await expect(realm.gate.ready({ uses: ["verifyBearer"] })).rejects.toMatchObject({
      code: expect.stringMatching(/^keycloak_/),
      message: expect.stringContaining("/realms/other"),
    })
    await realm.issuer.heal()
    await realm.gate.ready({ uses: ["verifyBearer"] })
  })

  // RFC 8414 §2, RFC 9700 §4.12: what comes over plain http may come from anybody
  it.each(["serverUrl", "internalUrl"])(
    "may be plain http on this machine only, unless %s is said to be safe",
    name => {
      for (const url of [
        "http://sso.example.test",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.example.test",
        "http://0x7f.1.example",
      ]) {
        expect(() => createGate(optionsWith({ [name]: url }))).toThrow(configInvalid)
        expect(() => createGate(optionsWith({ [name]: url, allowInsecureHttp: true }))).not.toThrow()
      }
      for (const url of [
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:8080/auth",
        "https://sso.example.test",
      ]) {
        expect(() => createGate(optionsWith({ [name]: url }))).not.toThrow()
      }
      for (const url of ["ftp://sso.example.test", "file:///etc/passwd", "javascript:1", "//sso.example.test", "sso"]) {
        expect(() => createGate(optionsWith({ [name]: url, allowInsecureHttp: true }))).toThrow(configInvalid)
      }
    },
  )

  // CVE-2026-35041, GHSA-3j8v-cgw4-2g6q (fast-jwt): patterns that backtrack, or that remember where they stopped
  it("and everything else that is expected are strings: no option takes a pattern", () => {
    for (const name of ["audience", "clientId", "realm", "serverUrl", "algorithms", "issuer"]) {
      expect(() => createGate(optionsWith({ [name]: /shop/g }))).toThrow(configInvalid)
      expect(() => createGate(optionsWith({ [name]: [/shop/g] }))).toThrow(configInvalid)
    }
  })
})

describe("what a token says", () => {
  // RFC 8725 §3.10; SSRF
  it("steers no request: nobody hears of the addresses in it", async () => {
    const evil = await startFaultyServer(() => ({ status: 200, body: '{"keys":[]}' }))
    const own = await newKey("ES256")
    const url = (path: string) => `${evil.url}/${path}`
    const bait = { jku: url("jku"), x5u: url("x5u"), url: url("url"), iss: url("iss"), kid: url("kid") }
    const claims = {
      iss: url("realms/shop"),
      jwks_uri: url("jwks"),
      "allowed-origins": [evil.url],
      _claim_sources: { a: { endpoint: url("claims") } },
      introspection_endpoint: url("introspect"),
    }
    const { iss: _, ...harmlessClaims } = claims
    const tokens = [
      signByHand({ alg: "ES256", ...bait }, realm.issuer.claims(), "ES256", own.privateKey),
      signByHand({ alg: "ES256", ...bait, kid: "../../../evil" }, realm.issuer.claims(), "ES256", own.privateKey),
      signByHand({ alg: "ES256", ...bait }, realm.issuer.claims(claims), "ES256", own.privateKey),
      realm.sign({ claims }),
      realm.sign({ claims: harmlessClaims, header: { jku: bait.jku, x5u: bait.x5u } }),
    ]
    const verdicts = await Promise.all(tokens.map(token => realm.verdict(token)))
    expect(verdicts.filter(verdict => verdict === "accepted")).toHaveLength(1)
    expect(evil.requests()).toBe(0)
    expect(realm.issuer.requests()).toBe(fetches())
    await evil.close()
  })
})

describe("a remembered token", () => {
  // CVE-2026-35039 (fast-jwt: a cache key that two tokens can share)
  it("vouches for no other one that ends or begins as it does", async () => {
    const token = realm.sign()
    expect(await realm.verdict(token)).toBe("accepted")
    const [header = "", payload = "", signature = ""] = token.split(".")
    const other = realm.sign({ claims: { sub: "other" } }).split(".")
    for (const forged of [
      `${header}.${other[1]}.${signature}`,
      `${header}.${payload}.${other[2]}`,
      `${header}.${payload}.${"A".repeat(10)}${signature.slice(10)}`,
      `${header}.${payload}.${signature.slice(0, 10)}${"A".repeat(76)}`,
    ]) {
      expect(await realm.verdict(forged)).toBe("invalid_token signature")
    }
    expect(await realm.verdict(token)).toBe("accepted")
  })

  // the same: one gate's memory is not another one's
  it("is remembered by its own gate alone", async () => {
    const token = realm.sign()
    expect(await realm.verdict(token)).toBe("accepted")
    expect(await realm.verdict(token, realm.makeGate({ audience: "other" }))).toBe("invalid_token audience")
    expect(await realm.verdict(token, realm.makeGate({ algorithms: ["RS256"] }))).toBe("invalid_token algorithm")
  })

  // RFC 7519 §4.1.4: remembering a token must not make it live longer
  it("dies when it expires", async () => {
    const gate = realm.makeGate({ clockToleranceSeconds: 0 })
    const token = realm.sign({ claims: { exp: Math.ceil(Date.now() / 1000) + 1 } })
    expect(await realm.verdict(token, gate)).toBe("accepted")
    await expect.poll(() => realm.verdict(token, gate), { interval: 50 }).toBe("invalid_token expired")
  })

  // memory is bounded, and a verdict does not depend on what is remembered
  it("is verified again after 10 others in a memory for 3, and refused ones take no place", async () => {
    const gate = realm.makeGate({ verifiedTokenCache: { maxTokens: 3 } })
    const tokens = Array.from({ length: 10 }, (_, index) => realm.sign({ claims: { sub: `s-${index}` } }))
    for (let round = 0; round < 3; round++) {
      for (const [index, token] of tokens.entries()) {
        expect(await realm.accept(token, gate)).toMatchObject({ subject: `s-${index}` })
        expect(await realm.verdict(`${token.slice(0, -10)}AAAAAAAAAA`, gate)).toMatch(/^invalid_token/)
      }
    }
  })

  // the same: 200 requests at once, of ten people, each of whom is told as who he is
  it("is never mixed up with one that is verified at the same time", async () => {
    const tokens = Array.from({ length: 200 }, (_, index) =>
      realm.sign({ claims: { sub: `s-${index % 10}`, jti: index } }),
    )
    const principals = await Promise.all(tokens.map(token => realm.accept(token)))
    expect(principals.map(({ subject }) => subject)).toEqual(tokens.map((_, index) => `s-${index % 10}`))
  })
})

describe("a connection to Keycloak", () => {
  // SECURITY of the process: a server that is slow to shake hands, or that breaks off, holds nobody up
  it.each<[string, (socket: Socket) => void]>([
    ["is reset while TLS shakes hands", socket => socket.once("data", () => socket.resetAndDestroy())],
    ["is closed while TLS shakes hands", socket => socket.once("data", () => socket.end())],
    ["answers TLS in plain text", socket => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))],
    ["never answers TLS", () => undefined],
  ])("that %s is a 503 in bounded time, and the next request tries again", async (_, onConnection) => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket.on("error", () => undefined))
      onConnection(socket)
    })
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const gate = realm.makeGate({ internalUrl: `https://127.0.0.1:${port}`, timeoutMs: 500 })
    for (let tries = 1; tries <= 2; tries++) {
      expect(await realm.verdict(realm.sign(), gate)).toBe("keycloak_unavailable")
      expect(sockets.length).toBeGreaterThanOrEqual(tries)
    }
    for (const socket of sockets) socket.destroy()
    await new Promise<void>(resolve => server.close(() => resolve()))
  })
})

describe("clocks that differ by 5 s", () => {
  // RFC 7519 §4.1.4; Keycloak and this machine are two machines
  it.each([-5, 5])("(%i s) make no fresh token bad", async difference => {
    const now = Math.floor(Date.now() / 1000) + difference
    expect(await realm.verdict(realm.sign({ claims: { iat: now, exp: now + 300 } }))).toBe("accepted")
  })

  it("lengthen no token's life by more than that", async () => {
    const now = Math.floor(Date.now() / 1000)
    expect(await realm.verdict(realm.sign({ claims: { iat: now - 310, exp: now - 6 } }))).toBe("invalid_token expired")
  })
})
