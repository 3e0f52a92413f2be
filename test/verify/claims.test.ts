import { describe, expect, it } from "vitest"
import { type GateError, tokenWarningOf } from "../../src/errors.js"
import { checkAccessToken, checkIssuer, freezeDeep, parseClaims } from "../../src/verify/claims.js"

const issuer = "https://sso.example.test/realms/shop"
const now = 1_800_000_000
const expected = { issuer, audience: "shop-api", clockToleranceSeconds: 5, now: () => now * 1000 }
const valid = {
  iss: issuer,
  sub: "6f860ad0-0000-4000-8000-000000000001",
  aud: ["shop-api", "account"],
  typ: "Bearer",
  azp: "shop-web",
  exp: now + 300,
  iat: now,
}
const parse = (changes: Record<string, unknown>, expectations = {}) =>
  parseClaims(JSON.parse(JSON.stringify({ ...valid, ...changes })), { ...expected, ...expectations })

describe("parseClaims", () => {
  it("marks what it throws as proven, since only verified claims come here; the look before that marks nothing", () => {
    const thrown = (check: () => unknown) => {
      try {
        return check()
      } catch (error) {
        return tokenWarningOf(error as GateError)
      }
    }
    for (const changes of [{ typ: "ID" }, { iss: "x" }, { aud: "x" }, { sub: "" }, { exp: 1 }])
      expect(thrown(() => parse(changes))).toEqual({ topic: "proven" })
    expect(thrown(() => checkAccessToken({ ...valid, iss: "x" }, expected))).toBeNull()
  })

  it("accepts what Keycloak sends", () => {
    expect(parse({}).sub).toBe(valid.sub)
  })

  it.each([
    ["aud as a string", { aud: "shop-api" }],
    ["no iat", { iat: undefined }],
    ["an nbf in the past", { nbf: now - 1 }],
    ["an exp within the tolerance", { exp: now - 4 }],
    ["an iat within the tolerance", { iat: now + 5 }],
    ["roles of a strange type", { realm_access: "admin", resource_access: null, scope: 5 }],
  ])("accepts %s", (_, changes) => {
    expect(parse(changes).iss).toBe(issuer)
  })

  it.each([
    ["an ID token", { typ: "ID" }, "type"],
    ["a refresh token", { typ: "Refresh" }, "type"],
    ["an offline token", { typ: "Offline" }, "type"],
    ["a logout token", { typ: "Logout" }, "type"],
    ["no type", { typ: undefined }, "type"],
    ["a type in other letters", { typ: "bearer" }, "type"],
    ["a type in a list", { typ: ["Bearer"] }, "type"],
    ["the marks of an ID token", { nonce: "x" }, "type"],
    ["the marks of a logout token", { events: {} }, "type"],
    ["a DPoP token", { typ: "DPoP", cnf: { jkt: "x" } }, "bound"],
    ["any cnf", { cnf: { "x5t#S256": "x" } }, "bound"],
    ["a cnf of null", { cnf: null }, "bound"],
    ["another realm", { iss: "https://sso.example.test/realms/other" }, "issuer"],
    ["the issuer with a slash", { iss: `${issuer}/` }, "issuer"],
    ["the issuer in a list", { iss: [issuer] }, "issuer"],
    ["a prefix of the issuer", { iss: "https://sso.example.test/realms" }, "issuer"],
    ["no issuer", { iss: undefined }, "issuer"],
    ["no exp", { exp: undefined }, "claims"],
    ["an exp in a string", { exp: String(now + 300) }, "claims"],
    ["an exp of null", { exp: null }, "claims"],
    ["an exp of true", { exp: true }, "claims"],
    ["an exp of 0, which is Keycloak's never", { exp: 0 }, "expired"],
    ["an exp of -1", { exp: -1 }, "expired"],
    ["an exp beyond the tolerance", { exp: now - 5 }, "expired"],
    ["an nbf in the future", { nbf: now + 6 }, "not_yet_valid"],
    ["an iat in the future", { iat: now + 6 }, "not_yet_valid"],
    ["an nbf in a string", { nbf: String(now) }, "claims"],
    ["an iat in a string", { iat: String(now) }, "claims"],
    ["no aud", { aud: undefined }, "audience"],
    ["an empty aud", { aud: [] }, "audience"],
    ["another aud", { aud: "account" }, "audience"],
    ["an aud that only contains ours", { aud: "shop-api-2" }, "audience"],
    ["an aud in other letters", { aud: "Shop-Api" }, "audience"],
    ["an aud with something else in the list", { aud: ["shop-api", { a: 1 }] }, "audience"],
    ["a nested aud", { aud: [["shop-api"]] }, "audience"],
    ["an aud object", { aud: { "shop-api": true } }, "audience"],
    ["azp instead of aud", { aud: undefined, azp: "shop-api" }, "audience"],
    ["no sub", { sub: undefined }, "claims"],
    ["an empty sub", { sub: "" }, "claims"],
    ["a sub object", { sub: { $ne: null } }, "claims"],
    ["a numeric sub", { sub: 5 }, "claims"],
  ])("refuses %s", (_, changes, reason) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: "invalid_token", reason }))
  })

  it("checks no audience once null was typed out", () => {
    expect(parse({ aud: undefined }, { audience: null }).sub).toBe(valid.sub)
  })

  it("freezes all the way down what a principal hands out", () => {
    const claims = freezeDeep(parse({ realm_access: { roles: ["a"] }, list: [{ a: [1] }] }))
    const access = claims.realm_access as { roles: string[] }
    expect(() => access.roles.push("admin")).toThrow(TypeError)
    expect(() => Object.assign(claims, { sub: "other" })).toThrow(TypeError)
    expect(Object.isFrozen((claims.list as { a: number[] }[])[0]?.a)).toBe(true)
  })

  it("names the mapper that a missing audience needs, and nothing that a token could forge into a log line", () => {
    const message = (changes: Record<string, unknown>) => {
      try {
        parse(changes)
      } catch (error) {
        return (error as Error).message
      }
      return undefined
    }
    expect(message({ aud: "account" })).toMatch(/Clients → shop-web → .*Included Client Audience = shop-api/)
    expect(message({ iss: "x\n2026 INFO forged\u001b[31m" })).toMatch(/^[\x20-\x7e→…]*$/)
    expect(message({ aud: "a".repeat(10_000) })?.length).toBeLessThan(900)
  })
})

describe("checkIssuer", () => {
  it("takes no address for Keycloak's that nobody has proven", () => {
    const stranger = "https://evil.example.test/kc/realms/shop"
    expect(() => checkIssuer(stranger, issuer)).toThrow(
      /If https:\/\/evil\.example\.test\/kc is Keycloak's public address: set/,
    )
  })
})

describe("the message of a refusal", () => {
  const messageOf = (changes: Record<string, unknown>, expectations = {}) => {
    try {
      parse(changes, expectations)
    } catch (error) {
      return (error as Error).message
    }
    return expect.unreachable("it was accepted")
  }
  const long = "x".repeat(300)

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["that an ID token is for the application", { typ: "ID" }, /^Refused an ID token: .* Send the access_token\.$/],
    ["what is bound", { cnf: {} }, /^Refused a token that is bound to a key \(`cnf`\): .* plain bearer token\.$/],
    ["that a DPoP token is bound, even without its key", { typ: "DPoP" }, /^Refused a token that is bound to a key/],
    ["the type", { typ: "Refresh" }, /^Refused a token of type "Refresh": only "Bearer" is an access token\.$/],
    ["that there is no type", { typ: undefined }, /^Refused a token of type missing: /],
    [
      "the marks",
      { at_hash: "x" },
      /^Refused a token with `nonce`, `at_hash` or `events`: no access token has them\.$/,
    ],
    ["that exp is no number", { exp: "1" }, /^Refused a token without a numeric `exp`\.$/],
    ["that nbf is no number", { nbf: "1" }, /^Refused a token whose `nbf` is no number\.$/],
    ["that iat is no number", { iat: true }, /^Refused a token whose `iat` is no number\.$/],
    [
      "how long ago a token expired and was issued, and what to do if all have",
      { exp: now - 60, iat: now - 360 },
      /^Refused a token that expired 60 s ago, issued 360 s ago\. .*machine's clock is ahead.*to hide it\.$/,
    ],
    ["no time of issue where there is none", { exp: now - 60, iat: undefined }, /expired 60 s ago\. If fresh/],
    ["no time of issue where it is no number", { exp: now - 60, iat: "x" }, /expired 60 s ago\. If fresh/],
    [
      "how far a clock is behind",
      { iat: now + 60 },
      /^Refused a token whose `iat` is 60 s in the future: this machine's clock is behind Keycloak's.*synchronisation\.$/,
    ],
    [
      "both issuers",
      { iss: "x" },
      /^Refused a token: its issuer is "x", expected "https:\/\/sso\.example\.test\/realms\/shop"\.$/,
    ],
    ["that there is no issuer", { iss: undefined }, /its issuer is missing, expected "[^"]*"\.$/],
    ["an issuer in a list", { iss: [issuer] }, /its issuer is \["https:[^"]*"\], expected "[^"]*"\.$/],
    ["that an issuer is no URL's text", { iss: 5 }, /its issuer is 5, expected "[^"]*"\.$/],
    [
      "another realm",
      { iss: "https://sso.example.test/realms/x" },
      /"\. It comes from another realm of the same server\.$/,
    ],
    ["another server", { iss: "https://other.example.test/realms/x" }, /"\. It comes from another server\.$/],
    [
      "that only the host differs",
      { iss: "https://localhost:8080/realms/shop" },
      /"; only the host differs\. .*into every token\. .*`internalUrl`, and in production start Keycloak with --hostname\.$/,
    ],
    ["that only the scheme differs", { iss: issuer.replace("https", "http") }, /"; only the scheme differs\. /],
    [
      "who asked for a token of another audience, and the mapper",
      { aud: ["account", 1] },
      /^Refused an access token: its audience is \["account",1\], expected "shop-api" \(issued to client "shop-web"\)\. Keycloak names an API in `aud` only if a mapper says so\. .*Clients → shop-web → .* Don't send the ID token instead\.$/,
    ],
    [
      "nobody where azp is missing",
      { aud: null, azp: undefined },
      /is null, expected "shop-api" \(issued to client "the client that asks for tokens"\)/,
    ],
    ["nobody where azp is no text", { aud: null, azp: 5 }, /\(issued to client "the client that asks for tokens"\)/],
    [
      "the switch that makes a type of small letters",
      { typ: "bearer" },
      /^Refused a token of type "bearer": .*Clients → shop-web → Advanced → .* switch off Use lower-case bearer type in token responses\.$/,
    ],
    [
      "the public address of the same realm under another path",
      { iss: "https://sso.example.test/auth/realms/shop" },
      /"\. Keycloak's public address is https:\/\/sso\.example\.test\/auth: set `serverUrl` to it and `internalUrl` to https:\/\/sso\.example\.test\.$/,
    ],
    [
      "the public address of the same realm on another server under another path",
      { iss: "https://id.example.test/kc/realms/shop" },
      /Keycloak's public address is https:\/\/id\.example\.test\/kc: set `serverUrl` to it/,
    ],
    [
      "that a token without audience is a lightweight one",
      { aud: undefined, jti: "onltro:1" },
      /^Refused a lightweight access token of the client "shop-web": .*expected "shop-api".*"introspection".* switch on Add to lightweight access token\.$/,
    ],
    [
      "no lightweight token where a mapper names another audience in it",
      { aud: "other", jti: "onltro:1" },
      /^Refused an access token: its audience is "other"/,
    ],
    [
      "that a token without sub is a lightweight one",
      { sub: undefined, jti: "onltro:1" },
      /^Refused a lightweight access token of the client "shop-web" without `sub`, .*"introspection".*mapper of `sub`.* Add to lightweight access token\.$/,
    ],
    ["that a sub of blanks is none", { sub: " " }, /^Refused an access token without `sub`/],
    [
      "which client lacks the scope that brings sub",
      { sub: undefined, jti: "onrtro:1" },
      /^Refused an access token without `sub`, .* Client "shop-web" lacks the client scope `basic`\. Clients → shop-web → Client scopes → Add client scope → basic \(Default\)\.$/,
    ],
    ["no client where azp is no text", { sub: 5, azp: ["x"] }, /Client "the client that asks for tokens" lacks/],
    ["of a nested list no more than that", { aud: [["x"]] }, /its audience is of another shape,/],
    ["of a list with an object no more than that", { aud: ["x", {}] }, /its audience is of another shape,/],
    ["of an object no more than that", { aud: { a: 1 } }, /its audience is of another shape,/],
    ["an empty list", { aud: [] }, /its audience is \[\],/],
    ["null in a list", { aud: [null] }, /its audience is \[null\],/],
    ["200 characters of a claim", { aud: long.slice(0, 198) }, /its audience is "x{198}",/],
    ["no more than 200 characters of a claim", { aud: long }, /its audience is "x{199}…,/],
    ["an escape for what could break a line", { typ: "a\u2028\u009bü\n" }, /of type "a\\u2028\\u009bü\\n":/],
  ])("tells %s", (_, changes, message) => {
    expect(messageOf(changes)).toMatch(message)
  })
})

describe("freezeDeep", () => {
  it("takes null, texts and what is frozen already", () => {
    const inner = Object.freeze({ list: [1] })
    const claims = freezeDeep(parse({ a: null, b: { c: null, d: "x", e: [null, "y", [2]] } })) as unknown as {
      b: { e: unknown[] }
    }
    expect(Object.isFrozen(claims.b.e[2])).toBe(true)
    expect(freezeDeep(claims as never)).toBe(claims)
    expect(Object.isFrozen(freezeDeep({ inner } as never))).toBe(true)
  })
})
