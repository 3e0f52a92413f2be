import { describe, expect, it } from "vitest"
import { freezeDeep, parseClaims } from "../../src/bearer/claims.js"

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
