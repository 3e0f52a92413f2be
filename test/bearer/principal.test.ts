import { inspect } from "node:util"
import { describe, expect, it } from "vitest"
import type { Claims } from "../../src/bearer/claims.js"
import { toPrincipal, withUser } from "../../src/bearer/principal.js"

const claims = (more: Record<string, unknown> = {}) =>
  ({
    iss: "https://sso.example.test/realms/shop",
    sub: "s",
    exp: 1_800_000_000,
    sid: "x",
    ...more,
  }) as unknown as Claims

describe("toPrincipal", () => {
  it("tells a service by client_id without sid, never by its name", () => {
    expect(toPrincipal(claims({ preferred_username: "service-account-evil" }), "t").kind).toBe("user")
    expect(toPrincipal(claims({ client_id: "cron" }), "t").kind).toBe("user")
    expect(toPrincipal(claims({ client_id: "cron", sid: undefined }), "t").kind).toBe("service")
    expect(
      toPrincipal(claims({ azp: "cron", sid: undefined, preferred_username: "service-account-evil" }), "t").kind,
    ).toBe("user")
  })

  it("tells the service account of an imported client, whose tokens have no client_id", () => {
    const imported = { azp: "Cron", sid: undefined, preferred_username: "service-account-cron" }
    expect(toPrincipal(claims(imported), "t").kind).toBe("service")
    expect(toPrincipal(claims({ ...imported, sid: "x" }), "t").kind).toBe("user")
  })

  it.each([
    ["a string", "admin"],
    ["null", null],
    ["a number", 5],
    ["an object", { roles: "admin" }],
    ["a list of other things", { roles: [["admin"], { admin: true }, 1] }],
  ])("finds no role in %s", (_, hostile) => {
    const principal = toPrincipal(
      claims({ realm_access: hostile, resource_access: { api: hostile }, groups: hostile }),
      "t",
    )
    expect(principal.realmRoles).toEqual([])
    expect(principal.clientRoles.api).toEqual([])
    expect(principal.groups).toEqual([])
  })

  it("keeps a client named __proto__ as a plain name", () => {
    const access = JSON.parse('{"__proto__":{"roles":["a"]}}')
    const { clientRoles } = toPrincipal(claims({ resource_access: access }), "t")
    expect(Object.getPrototypeOf(clientRoles)).toBeNull()
    expect(Object.keys(clientRoles)).toEqual(["__proto__"])
  })

  it("is frozen, and its arrays too", () => {
    const principal = toPrincipal(claims({ realm_access: { roles: ["a"] }, scope: "a b" }), "t")
    expect(() => Object.assign(principal, { subject: "other" })).toThrow(TypeError)
    for (const list of [principal.realmRoles, principal.scopes, principal.groups, principal.clientRoles]) {
      expect(Object.isFrozen(list)).toBe(true)
    }
  })

  it("hands out a new Date on each read, since a Date can't be frozen", () => {
    const principal = toPrincipal(claims(), "t")
    principal.expiresAt.setTime(0)
    expect(principal.expiresAt.getTime()).toBe(1_800_000_000_000)
  })

  it("keeps the token out of JSON and inspect, also after the row was added", () => {
    const principal = withUser(toPrincipal(claims(), "secret-token"), { id: 7 })
    expect(principal.token).toBe("secret-token")
    expect(principal.user).toEqual({ id: 7 })
    expect(Object.isFrozen(principal)).toBe(true)
    for (const text of [
      JSON.stringify(principal),
      inspect(principal),
      inspect(principal, { showHidden: true, depth: 10 }),
    ]) {
      expect(text).not.toContain("secret-token")
    }
    expect(inspect(principal)).toMatch(/^Principal \{/)
    expect(JSON.parse(JSON.stringify(principal)).expiresAt).toBe("2027-01-15T08:00:00.000Z")
  })

  it("takes an e-mail as verified only for the boolean true", () => {
    expect(toPrincipal(claims({ email_verified: "true" }), "t").emailVerified).toBe(false)
    expect(toPrincipal(claims({ email_verified: true }), "t").emailVerified).toBe(true)
  })
})

describe("what a principal says of a person", () => {
  it("is null where the claim is missing, empty or no text", () => {
    for (const value of [undefined, null, "", 5, ["ada"], { name: "ada" }]) {
      const principal = toPrincipal(claims({ preferred_username: value, email: value }), "t")
      expect([principal.username, principal.email]).toEqual([null, null])
    }
    const principal = toPrincipal(claims({ preferred_username: "ada", email: "ada@example.test" }), "t")
    expect([principal.username, principal.email]).toEqual(["ada", "ada@example.test"])
  })

  it("takes the texts of a list that holds other things too, and the scopes between any blanks", () => {
    const mixed = toPrincipal(claims({ groups: ["/a", 1, null], realm_access: { roles: [{}, "b"] } }), "t")
    expect([mixed.groups, mixed.realmRoles]).toEqual([["/a"], ["b"]])
    const scopesOf = (scope: unknown) => toPrincipal(claims({ scope }), "t").scopes
    expect([scopesOf("a b"), scopesOf(" a  b "), scopesOf(""), scopesOf(undefined)]).toEqual([
      ["a", "b"],
      ["a", "b"],
      [],
      [],
    ])
  })
})
