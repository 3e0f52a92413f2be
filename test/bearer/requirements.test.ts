import { describe, expect, it } from "vitest"
import type { Claims } from "../../src/bearer/claims.js"
import { toPrincipal } from "../../src/bearer/principal.js"
import { assertAllowed, parseRequirements } from "../../src/bearer/requirements.js"

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
