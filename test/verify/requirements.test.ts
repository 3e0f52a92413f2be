import { describe, expect, it } from "vitest"
import type { Claims } from "../../src/verify/claims.js"
import { toPrincipal } from "../../src/verify/principal.js"
import { assertAllowed, parseRequirements } from "../../src/verify/requirements.js"

const claims = {
  iss: "https://sso.example.test/realms/shop",
  sub: "s",
  exp: 1,
  sid: "session",
  scope: "openid orders:read",
  groups: ["/staff"],
  realm_access: { roles: ["app-user"] },
  resource_access: { "shop-api": { roles: ["editor"] } },
} as unknown as Claims
const { sid: _, ...withoutSession } = claims
const person = toPrincipal(claims, "token")
const service = toPrincipal({ ...withoutSession, client_id: "cron" } as unknown as Claims, "token")

const refusal = (requirements: unknown, principal = person) => {
  try {
    assertAllowed(principal, parseRequirements(requirements))
    return null
  } catch (error) {
    return error as { code: string; required?: unknown }
  }
}

describe("parseRequirements", () => {
  it.each([
    ["nothing at all", undefined],
    ["null", null],
    ["a string", "editor"],
    ["a list", ["editor"]],
    ["a misspelt name", { realmRole: ["editor"] }],
    ["an empty list", { realmRoles: [] }],
    ["null for a list", { scopes: null }],
    ["a string for a list", { realmRoles: "editor" }],
    ["an empty name in a list", { groups: ["/staff", ""] }],
    ["a blank name in a list", { groups: [" "] }],
    ["an undefined name in a list", { realmRoles: [undefined] }],
    ["client roles without a client", { clientRoles: {} }],
    ["a client without roles", { clientRoles: { "shop-api": [] } }],
    ["a client of undefined", { clientRoles: { "shop-api": undefined } }],
    ["client roles as a list", { clientRoles: ["editor"] }],
    ["any with nothing listed", { any: true }],
    ["any that is no boolean", { realmRoles: ["a"], any: "yes" }],
    ["an unknown kind", { kind: "person" }],
    ["a scope that can't stand in a challenge", { scopes: ['a" b'] }],
  ])("throws config_invalid for %s", (_, requirements) => {
    expect(() => parseRequirements(requirements)).toThrow(expect.objectContaining({ code: "config_invalid" }))
  })
})

describe("assertAllowed", () => {
  it.each([
    ["nothing but a person", {}],
    ["a realm role", { realmRoles: ["app-user"] }],
    ["a client role", { clientRoles: { "shop-api": ["editor"] } }],
    ["a scope", { scopes: ["orders:read"] }],
    ["a group", { groups: ["/staff"] }],
    ["all of several", { realmRoles: ["app-user"], scopes: ["openid"], groups: ["/staff"] }],
    ["one of several", { realmRoles: ["app-admin"], groups: ["/staff"], any: true }],
    ["either kind", { kind: "any" }],
  ])("lets a person through who has %s", (_, requirements) => {
    expect(refusal(requirements)).toBeNull()
  })

  it.each([
    ["a realm role", { realmRoles: ["app-admin"] }],
    ["a part of a role's name", { realmRoles: ["app"] }],
    ["a realm role that is only a client role", { realmRoles: ["editor"] }],
    ["a role of another client", { clientRoles: { other: ["editor"] } }],
    ["a role of a client named like a built-in", { clientRoles: { constructor: ["name"], toString: ["x"] } }],
    ["one of all", { realmRoles: ["app-user", "app-admin"] }],
    ["every one of any", { realmRoles: ["app-admin"], scopes: ["nope"], any: true }],
    ["the kind", { kind: "service" }],
  ])("refuses a person who lacks %s", (_, requirements) => {
    expect(refusal(requirements)?.code).toBe("insufficient_scope")
  })

  it("refuses a client's own token unless the route asks for one", () => {
    expect(refusal({}, service)?.code).toBe("insufficient_scope")
    expect(refusal({ kind: "service" }, service)).toBeNull()
    expect(refusal({ kind: "any" }, service)).toBeNull()
  })

  it("names scopes only where scopes lack", () => {
    expect(refusal({ scopes: ["openid"], realmRoles: ["x"] })?.required).toEqual({ realmRoles: ["x"], kind: "user" })
    expect(refusal({ scopes: ["orders:write"] })?.required).toMatchObject({ scopes: ["orders:write"] })
  })
})

describe("a guard", () => {
  it.each<[object, object]>([
    [{}, { kind: "user" }],
    [{ kind: "any" }, {}],
    [{ kind: "service" }, { kind: "service" }],
    [{ realmRoles: ["a"] }, { realmRoles: ["a"], kind: "user" }],
    [{ clientRoles: { x: ["a"] }, kind: "any" }, { clientRoles: { x: ["a"] } }],
    [{ scopes: ["a"] }, { scopes: ["a"], kind: "user" }],
    [
      { groups: ["/a"], any: true },
      { groups: ["/a"], any: true, kind: "user" },
    ],
    [
      { groups: ["/a"], any: false, realmRoles: undefined },
      { groups: ["/a"], kind: "user" },
    ],
  ])("of %o says what is required: %o", (requirements, required) => {
    expect(parseRequirements(requirements).required).toEqual(required)
  })

  it("with nothing listed asks nothing but the kind, also of any kind", () => {
    expect(parseRequirements({ kind: "any" }).checks).toEqual([])
    expect(refusal({ kind: "any" }, service)).toBeNull()
  })
})

describe("what is wrong with requirements", () => {
  const messageOf = (requirements: unknown) => {
    try {
      parseRequirements(requirements)
    } catch (error) {
      return (error as Error).message
    }
    return expect.unreachable("they were accepted")
  }

  it.each<[unknown, RegExp]>([
    [undefined, /^Wrong requirements: expected an object such as \{ realmRoles: \["editor"\] \}, got undefined\.$/],
    [null, /got null\.$/],
    ["editor", /got a string\.$/],
    [[], /got an empty list\.$/],
    [["editor"], /got a list with something else in it\.$/],
    [
      { realmRole: ["a"] },
      /^Wrong requirements: there is no `realmRole`; known are realmRoles, clientRoles, scopes, groups, any, kind\.$/,
    ],
    [{ realmRoles: [] }, /: `realmRoles` is a list of at least one non-empty string, got an empty list\.$/],
    [{ realmRoles: [1] }, /`realmRoles` .* got a list with something else in it\.$/],
    [{ scopes: 5 }, /`scopes` .* got a number\.$/],
    [{ groups: {} }, /`groups` .* got an object\.$/],
    [{ groups: null }, /`groups` .* got null\.$/],
    [{ scopes: ["a b"] }, /: a scope has no blanks, quotes or backslashes \(RFC 6749 §3\.3\)\.$/],
    [{ any: "yes" }, /: `any` is true or false, got a string\.$/],
    [{ any: true }, /: `any: true` with nothing listed would let nobody in, or everybody\.$/],
    [{ kind: 5 }, /: `kind` is "user", "service" or "any"\.$/],
    [{ clientRoles: 5 }, /: `clientRoles` is an object such as \{ "shop-api": \["editor"\] \}, got a number\.$/],
    [{ clientRoles: "editor" }, /`clientRoles` is an object .* got a string\.$/],
    [{ clientRoles: null }, /`clientRoles` is an object .* got null\.$/],
    [{ clientRoles: ["editor"] }, /`clientRoles` is an object .* got a list with something else in it\.$/],
    [{ clientRoles: [] }, /`clientRoles` is an object .* got an empty list\.$/],
    [{ clientRoles: {} }, /`clientRoles` is an object .* got an object\.$/],
    [{ clientRoles: { x: undefined } }, /`clientRoles\["x"\]` is a list of at least one non-empty string, got null\.$/],
  ])("is said of %j", (requirements, message) => {
    expect(messageOf(requirements)).toMatch(message)
  })
})

describe("the log of a refusal", () => {
  const messageOf = (requirements: unknown, principal = person) => {
    try {
      assertAllowed(principal, parseRequirements(requirements))
    } catch (error) {
      return error as { message: string; required?: unknown }
    }
    return expect.unreachable("it was let in")
  }

  it("names what was required, or whose token it was", () => {
    expect(messageOf({ realmRoles: ["x"] }).message).toBe(
      'Refused a verified token: required: {"realmRoles":["x"],"kind":"user"}.',
    )
    const { message, required } = messageOf({}, service)
    expect(message).toBe("Refused a verified token: this route is for a user, and the token belongs to a service.")
    expect(required).toEqual({ kind: "user" })
  })

  it("names scopes where one of several lacks", () => {
    expect(messageOf({ scopes: ["openid", "orders:write"] }).required).toMatchObject({
      scopes: ["openid", "orders:write"],
    })
  })
})
