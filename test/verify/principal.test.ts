import { inspect } from "node:util"
import { describe, expect, it } from "vitest"
import type { GateError } from "../../src/errors.js"
import type { Claims } from "../../src/verify/claims.js"
import { toPrincipal, withUser } from "../../src/verify/principal.js"

const claims = (more: Record<string, unknown> = {}) =>
  ({
    iss: "https://sso.example.test/realms/shop",
    sub: "s",
    exp: 1_800_000_000,
    sid: "x",
    ...more,
  }) as unknown as Claims

describe("toPrincipal", () => {
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

describe("whether a person or a client asks", () => {
  const cron = "service-account-cron"
  const kindOf = (more: Record<string, unknown>): string => {
    try {
      return toPrincipal(claims({ azp: "Cron", ...more }), "t").kind
    } catch (error) {
      const { code, reason } = error as GateError
      return `${code} ${reason}`
    }
  }
  type Case = readonly [kind: string, claims: Record<string, unknown>]

  // Keycloak 26.7.4: a client's own token has no session, and `client_id` with the scope `service_account`.
  it.each<Case>([
    ["service", { client_id: "Cron", preferred_username: cron }],
    ["service", { client_id: "Cron", preferred_username: "ada" }],
    ["service", { client_id: "Cron", preferred_username: undefined }],
    ["service", { client_id: "Cron", azp: undefined }],
    ["service", { client_id: "other", preferred_username: "service-account-other" }],
    ["service", { preferred_username: cron }],
    ["user", { preferred_username: "Service-Account-Cron" }],
    ["user", { preferred_username: "service-account-Cron" }],
    ["user", { preferred_username: "service-account-cronos" }],
    ["user", { preferred_username: "service-account-" }],
    ["user", { preferred_username: "ada" }],
    ["user", { preferred_username: cron, azp: undefined }],
    ["user", { preferred_username: cron, azp: ["Cron"] }],
    ["user", { preferred_username: "service-account-", azp: "" }],
    ["user", { preferred_username: "ada", client_id: "" }],
    ["user", { preferred_username: "ada", client_id: 5 }],
    ["user", { preferred_username: "ada", client_id: ["Cron"] }],
    ["service", { preferred_username: cron, client_id: "" }],
    ["user", { preferred_username: "ada", clientHost: "127.0.0.1" }],
    // A lightweight token of a client names nobody, but for its id.
    ["service", { preferred_username: undefined, jti: "trltcc:0c3f" }],
    ["service", { preferred_username: undefined, jti: "trrtcc:0c3f" }],
    ["user", { preferred_username: undefined, jti: "onltro:0c3f" }],
    ["user", { preferred_username: undefined, jti: ["trltcc:0c3f"] }],
    // A client has exchanged its own token for one of another client.
    ["service", { preferred_username: "service-account-other", jti: "trrtte:0c3f" }],
    ["service", { preferred_username: undefined, jti: "trltte:0c3f" }],
    ["user", { preferred_username: "ada", jti: "trrtte:0c3f" }],
    ["user", { preferred_username: "service-account-other", jti: "onrtro:0c3f" }],
    ["user", { preferred_username: "service-account-other", jti: "te" }],
    ["user", { preferred_username: "service-account-other", jti: "of trrtcc:0c3f" }],
    ["user", { preferred_username: undefined }],
    ["user", { preferred_username: "" }],
    ["user", { preferred_username: [cron] }],
    ["user", { preferred_username: undefined, azp: undefined }],
  ])("without a session: %s, by %o", (kind, more) => {
    expect(kindOf({ sid: undefined, ...more })).toBe(kind)
  })

  // "Use refresh tokens for client credentials grant" gives a client's own token a session.
  it.each<Case>([
    ["service", { client_id: "Cron", preferred_username: cron, clientHost: "10.0.0.1", clientAddress: "10.0.0.1" }],
    ["service", { client_id: "Cron", preferred_username: cron }],
    ["service", { client_id: "CRON", preferred_username: cron }],
    ["service", { client_id: "Cron", preferred_username: cron, azp: "exchanger" }],
    ["service", { client_id: "Cron", preferred_username: cron, azp: undefined }],
    ["service", { client_id: "Cron", clientHost: "10.0.0.1" }],
    ["service", { client_id: "Cron", clientAddress: "::1", preferred_username: "renamed" }],
    // What introspection tells of a lightweight token, without the `client_id` that is in each answer.
    ["service", { clientHost: "10.0.0.1", preferred_username: cron }],
    ["service", { clientAddress: "10.0.0.1", preferred_username: cron }],
    ["user", { client_id: "Cron", preferred_username: "ada" }],
    ["user", { client_id: "Cron", preferred_username: undefined }],
    ["user", { client_id: "Cron", preferred_username: "service-account-Cron" }],
    ["user", { client_id: "Cron", preferred_username: "service-account-cronos" }],
    ["user", { client_id: "other", preferred_username: "service-account-evil" }],
    ["user", { preferred_username: "ada" }],
    ["user", { preferred_username: undefined }],
    ["user", { preferred_username: ["service-account-cron"] }],
    ["user", { preferred_username: "service-account-evil" }],
    ["user", { preferred_username: "Service-Account-Cron" }],
    ["user", { preferred_username: cron, azp: undefined }],
    ["user", { preferred_username: cron, azp: { clientId: "Cron" } }],
    ["user", { preferred_username: "service-account-", azp: "" }],
    ["user", { preferred_username: "ada", clientHost: "", clientAddress: "" }],
    ["user", { preferred_username: "ada", clientHost: 5, clientAddress: ["10.0.0.1"] }],
    ["user", { preferred_username: "ada", clientHost: null, clientAddress: true }],
    // An imported client without the scope `service_account`, and a person whom an administrator made, look alike.
    ["invalid_token claims", { preferred_username: cron }],
    ["invalid_token claims", { preferred_username: cron, azp: "cron" }],
    ["invalid_token claims", { preferred_username: cron, client_id: "" }],
    ["invalid_token claims", { preferred_username: cron, client_id: 5 }],
    ["invalid_token claims", { preferred_username: cron, clientHost: "", clientAddress: null }],
    // Exchanged for a token of another client, which lacks that scope.
    ["invalid_token claims", { preferred_username: "service-account-other", jti: "ntrtte:0c3f" }],
    ["user", { preferred_username: "service-account-other", jti: "onrtro:0c3f" }],
    ["user", { preferred_username: "ada", jti: "ntrtte:0c3f" }],
    ["user", { preferred_username: undefined, jti: "ntrtte:0c3f" }],
    ["invalid_token claims", { preferred_username: undefined, jti: "ntltte:0c3f" }],
    ["user", { preferred_username: "ada", jti: "ntltte:0c3f" }],
  ])("with a session: %s, by %o", (kind, more) => {
    expect(kindOf(more)).toBe(kind)
  })

  // What is there and no text is no proof that nobody logged in.
  it.each([null, "", 5, false, {}])("takes a sid of %o for a session", sid => {
    expect(kindOf({ sid, client_id: "Cron", preferred_username: "ada" })).toBe("user")
    expect(kindOf({ sid, preferred_username: cron })).toBe("invalid_token claims")
  })

  it("is told with the mend where both look alike, and shows no control characters of a client's name", () => {
    const refused = (more: Record<string, unknown>) => () => toPrincipal(claims({ azp: "Cron", ...more }), "t")
    expect(refused({ preferred_username: cron })).toThrow(
      /Clients → Cron → Client scopes → Add client scope → service_acc/,
    )
    const exchanged = { preferred_username: cron, jti: "ntrtte:0c3f" }
    expect(refused({ ...exchanged, azp: undefined })).toThrow(/Clients → the client that asks for tokens →/)
    expect(refused({ azp: "a\u2028b", preferred_username: "service-account-a\u2028b" })).toThrow(
      /Clients → a\\u2028b →/,
    )
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
