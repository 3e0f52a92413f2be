import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type GateOptions } from "../../src/index.js"
import { paths } from "../support/paths.ts"
import { type Realm, startRealm } from "./realm.ts"

let realm: Realm
beforeAll(async () => {
  realm = await startRealm()
})
afterAll(() => realm.close())

const seconds = () => Math.floor(Date.now() / 1000)
const verdictOn = (claims: Readonly<Record<string, unknown>>) => realm.verdict(realm.sign({ claims }))
/** The claims of a person with one of them as raw JSON, for what JSON.stringify can't say. */
function withRaw(name: string, json: string): string {
  const { [name]: _, ...others } = realm.issuer.claims()
  return realm.sign({ payloadText: `${JSON.stringify(others).slice(0, -1)},"${name}":${json}}` })
}
function optionsWith(more: object): GateOptions<never> {
  return { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api", ...more } as GateOptions<never>
}
const makeGateWith = (more: object) => () => createGate(optionsWith(more))
const configInvalid = expect.objectContaining({ code: "config_invalid" })

describe("a token as Keycloak 26.7 signs it", () => {
  it("is accepted", async () => {
    expect(await realm.accept(realm.sign())).toMatchObject({ kind: "user", username: "ada" })
  })
})

describe("iss", () => {
  // RFC 8725 §3.8; CVE-2025-30144 (a list that holds the issuer), CVE-2024-53861 (a prefix of it)
  it.each<[string, (issuer: string) => unknown]>([
    ["is missing", () => undefined],
    ["is null", () => null],
    ["is empty", () => ""],
    ["is a list that holds the right one", issuer => [issuer]],
    ["is a list of the right one and another", issuer => [issuer, "https://evil.example.test"]],
    ["is an object", issuer => ({ iss: issuer })],
    ["is an object that prints as the right one", issuer => ({ toString: issuer })],
    ["has a slash more", issuer => `${issuer}/`],
    ["is a prefix of the right one", issuer => issuer.slice(0, -1)],
    ["begins with the right one", issuer => `${issuer}2`],
    ["is another realm of the same server", issuer => issuer.replace(/shop$/, "master")],
    ["is the right one in other letters", issuer => issuer.replace("/realms/shop", "/realms/Shop")],
    ["is percent-encoded differently", issuer => issuer.replace("shop", "%73hop")],
    ["has blanks around it", issuer => ` ${issuer} `],
    ["has a fragment", issuer => `${issuer}#`],
    ["has a user name", issuer => issuer.replace("http://", "http://x@")],
    ["has another scheme", issuer => issuer.replace("http:", "https:")],
    ["has another host", issuer => issuer.replace("127.0.0.1", "localhost")],
    ["goes up and down again", issuer => issuer.replace("/realms/", "/realms/x/../")],
  ])("that %s is refused", async (_, change) => {
    expect(await verdictOn({ iss: change(realm.issuer.issuer) })).toBe("invalid_token issuer")
  })

  // CVE-2025-59936 (get-jwks: a cache filled from the token's own issuer)
  it("is compared before a key is looked for, and no request follows from it", async () => {
    const fresh = await startRealm()
    const token = fresh.sign({ claims: { iss: "http://127.0.0.1:9/realms/shop" }, header: { kid: "unknown" } })
    expect(await fresh.verdict(token)).toBe("invalid_token issuer")
    expect(fresh.issuer.requests()).toBe(0)
    await fresh.close()
  })

  // RFC 8725 §3.10: what an attacker wrote is logged in a bounded length and as one line
  it("of 100,000 nested lists or with control characters is refused like any other", async () => {
    const gate = realm.makeGate({ maxTokenBytes: 1_048_576 })
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
    expect(await realm.verdict(withRaw("iss", deep), gate)).toMatch(/^invalid_token (issuer|malformed)$/)
    expect(await realm.verdict(withRaw("iss", JSON.stringify("x\u2028\r\nINFO\u001b[2J")), gate)).toBe(
      "invalid_token issuer",
    )
  })
})

describe("aud", () => {
  // RFC 9068 §4, RFC 8725 §3.9
  it.each<[string, unknown]>([
    ["our client id", "shop-api"],
    ["a list that holds it", ["account", "shop-api"]],
  ])("of %s is accepted", async (_, aud) => {
    expect(await verdictOn({ aud })).toBe("accepted")
  })

  // RFC 9068 §4, RFC 8725 §3.9
  it.each<[string, unknown]>([
    ["is missing", undefined],
    ["is null", null],
    ["is empty", ""],
    ["is an empty list", []],
    ["is `account` alone, as without a mapper", "account"],
    ["is a list of others", ["account", "billing"]],
    ["is an object", { "shop-api": true }],
    ["is a list in a list", [["shop-api"]]],
    ["holds something else than strings beside ours", ["shop-api", null]],
    ["holds an object beside ours", ["shop-api", { a: 1 }]],
    ["is ours in other letters", "Shop-API"],
    ["is a part of ours", "shop"],
    ["contains ours", "shop-api-2"],
    ["lists ours with others in one string", "shop-api account"],
    ["has a blank more", "shop-api "],
    ["is true", true],
    ["is a pattern", "*"],
  ])("that %s is refused", async (_, aud) => {
    expect(await verdictOn({ aud })).toBe("invalid_token audience")
  })

  // RFC 9068 §4: a client that may ask for tokens, or that roles are listed for, is no audience (confused deputy)
  it.each(["azp", "client_id", "scope", "resource", "audience"])("is not taken from `%s`", async name => {
    expect(await verdictOn({ aud: "account", [name]: "shop-api" })).toBe("invalid_token audience")
  })

  // the same: `resource_access` names every client whose roles the person has
  it("is not taken from `resource_access`", async () => {
    expect(await verdictOn({ aud: "account", resource_access: { "shop-api": { roles: ["editor"] } } })).toBe(
      "invalid_token audience",
    )
  })

  // measured on Keycloak 26.7.4: `account` is in the token of every user of a realm
  it('"account" is refused as an option', () => {
    expect(makeGateWith({ audience: "account" })).toThrow(configInvalid)
  })

  // RFC 9068 §4: leaving the option out must not mean "any"
  it("left out of the options means the client id; only a typed null switches the check off", async () => {
    const token = realm.sign({ claims: { aud: "account" } })
    expect(await realm.verdict(token, realm.makeGate({ audience: undefined }))).toBe("invalid_token audience")
    expect(await realm.verdict(token, realm.makeGate({ audience: null }))).toBe("accepted")
    for (const audience of ["", [], ["shop-api"], false, 0, {}, /shop/]) {
      expect(makeGateWith({ audience })).toThrow(configInvalid)
    }
  })
})

describe("exp, nbf and iat", () => {
  // RFC 7519 §2, §4.1.4; `exp: 0` is how Keycloak says "never" in its registration access tokens
  it.each<[string, unknown, string]>([
    ["is missing", undefined, "claims"],
    ["is null", null, "claims"],
    ["is true", true, "claims"],
    ["is a string", "9999999999", "claims"],
    ["is an empty string", "", "claims"],
    ["is a list", [9_999_999_999], "claims"],
    ["is an object", { valueOf: 9_999_999_999 }, "claims"],
    ["is a date in text", "2099-01-01T00:00:00Z", "claims"],
    ["is 0", 0, "expired"],
    ["is negative", -1, "expired"],
    ["is past", seconds() - 60, "expired"],
  ])("an exp that %s is refused", async (_, exp, reason) => {
    expect(await verdictOn({ exp })).toBe(`invalid_token ${reason}`)
  })

  // RFC 7519 §2: a NumericDate is a number, and JSON's 1e999 is none that a computer could hold
  it.each(["exp", "nbf", "iat"])("an infinite %s is refused", async name => {
    expect(await realm.verdict(withRaw(name, "1e999"))).toBe("invalid_token claims")
    expect(await realm.verdict(withRaw(name, "-1e999"))).toBe("invalid_token claims")
  })

  // RFC 7519 §4.1.5, §4.1.6
  it.each(["nbf", "iat"])("an %s in the future or of another type is refused, and none is accepted", async name => {
    expect(await verdictOn({ [name]: seconds() + 60 })).toBe("invalid_token not_yet_valid")
    for (const value of [null, true, String(seconds() - 60), [], {}]) {
      expect(await verdictOn({ [name]: value })).toBe("invalid_token claims")
    }
    expect(await verdictOn({ [name]: undefined })).toBe("accepted")
    expect(await verdictOn({ [name]: seconds() - 60.5 })).toBe("accepted")
  })

  // GHSA-687g-22h4-j4w4 (fast-jwt): a clock option that is no finite number switched the check off
  it.each<[string, unknown]>([
    ["NaN", Number.NaN],
    ["Infinity", Number.POSITIVE_INFINITY],
    ["negative", -1],
    ["above five minutes", 301],
    ["a string", "5"],
    ["null", null],
    ["a bigint", 5n],
  ])("a clockToleranceSeconds that is %s throws", (_, clockToleranceSeconds) => {
    expect(makeGateWith({ clockToleranceSeconds })).toThrow(configInvalid)
  })

  // RFC 7519 §4.1.4: "some small leeway"; Keycloak's clock and ours may differ by 5 s and no more
  it("are judged with a tolerance of 5 s on either side by default, and exactly with 0", async () => {
    const exact = realm.makeGate({ clockToleranceSeconds: 0 })
    const fiveSecondsOff = [{ exp: seconds() - 3 }, { nbf: seconds() + 4 }, { iat: seconds() + 4 }]
    for (const claims of fiveSecondsOff) {
      const token = realm.sign({ claims })
      expect(await realm.verdict(token)).toBe("accepted")
      expect(await realm.verdict(token, exact)).toMatch(/^invalid_token (expired|not_yet_valid)$/)
    }
    expect(await verdictOn({ exp: seconds() - 7 })).toBe("invalid_token expired")
    expect(await verdictOn({ iat: seconds() + 8 })).toBe("invalid_token not_yet_valid")
  })
})

describe("typ", () => {
  // Keycloak 26.7.4 signs all of these with the key of access tokens; RFC 8725 §3.11, §3.12
  it.each<[string, unknown]>([
    ["an ID token", "ID"],
    ["a refresh token", "Refresh"],
    ["an offline token", "Offline"],
    ["a logout token", "Logout"],
    ["an initial access token", "InitialAccessToken"],
    ["a registration access token", "RegistrationAccessToken"],
    ["an action token", "execute-actions"],
    ["a verification link", "verify-email"],
    ["no type", undefined],
    ["a type of null", null],
    ["a type in a list", ["Bearer"]],
    ["the type in other letters", "bearer"],
    ["the type with a blank", "Bearer "],
    ["an empty type", ""],
  ])("of %s is refused", async (_, typ) => {
    expect(await verdictOn({ typ })).toBe("invalid_token type")
  })

  // RFC 8725 §3.12: rules that exclude each other, should a mapper have changed `typ`
  it.each<[string, unknown]>([
    ["nonce", "n-0S6_WzA2Mj"],
    ["nonce", null],
    ["at_hash", "77QmUPtjPfzWtF2AnpK9RQ"],
    ["events", { "http://schemas.openid.net/event/backchannel-logout": {} }],
    ["events", null],
  ])("Bearer beside `%s`, a mark of other tokens, is refused", async (name, value) => {
    expect(await verdictOn({ [name]: value })).toBe("invalid_token type")
  })

  // RFC 9449 §7.2, RFC 8705 §3, RFC 7800 §3.1: bound to a key whose proof is not checked here
  it.each<[string, Record<string, unknown>]>([
    ["a DPoP key", { typ: "DPoP", cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "kc-jkt-type": "DPoP" } }],
    ["a DPoP key under Bearer", { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }],
    ["a certificate", { cnf: { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } }],
    ["a key in the token", { cnf: { jwk: { kty: "EC" } } }],
    ["a key id", { cnf: { kid: "x" } }],
    ["nothing", { cnf: {} }],
    ["null", { cnf: null }],
    ["false", { cnf: false }],
    ["an empty string", { cnf: "" }],
  ])("Bearer bound to %s is refused", async (_, claims) => {
    expect(await verdictOn(claims)).toBe("invalid_token bound")
  })
})

describe("sub", () => {
  // RFC 9068 §2.2; Keycloak's lightweight tokens of people have none
  it.each<[string, unknown]>([
    ["is missing", undefined],
    ["is null", null],
    ["is empty", ""],
  ])("that %s is refused, and preferred_username never takes its place", async (_, sub) => {
    expect(await verdictOn({ sub, preferred_username: "ada", email: "ada@example.test" })).toBe("invalid_token claims")
  })

  // RFC 7519 §4.1.2: `{"$ne": null}` finds the first row of a document database
  it.each<[string, unknown]>([
    ["an object", { $ne: null }],
    ["a list", ["5f0a2f6e"]],
    ["a number", 1],
    ["true", true],
  ])("of %s is refused", async (_, sub) => {
    expect(await verdictOn({ sub })).toBe("invalid_token claims")
  })
})

describe("roles, scopes and groups", () => {
  // a mapper that is mistaken or hostile; `"admin".includes("adm")` is true
  it.each<[string, unknown]>([
    ["a string", "admin"],
    ["null", null],
    ["a number", 1],
    ["true", true],
    ["a list of lists", [["admin"]]],
    ["a list of objects", [{ name: "admin" }]],
    ["an object", { 0: "admin", length: 1, includes: "admin" }],
  ])("of %s count as none, and nothing breaks", async (_, hostile) => {
    const claims = {
      realm_access: { roles: hostile },
      resource_access: { "shop-api": { roles: hostile }, other: hostile },
      groups: hostile,
      scope: typeof hostile === "string" ? undefined : hostile,
    }
    const principal = await realm.accept(realm.sign({ claims }))
    expect(principal).toMatchObject({
      realmRoles: [],
      groups: [],
      scopes: [],
      clientRoles: { "shop-api": [], other: [] },
    })
    for (const access of [hostile, [hostile]]) {
      const odd = await realm.accept(realm.sign({ claims: { realm_access: access, resource_access: access } }))
      expect([odd.realmRoles, odd.clientRoles["shop-api"]]).toEqual([[], undefined])
    }
  })

  // the same, at a guard
  it.each<[string, Record<string, unknown>, object]>([
    ["a realm role", { realm_access: { roles: "admin" } }, { realmRoles: ["adm"] }],
    [
      "a client role",
      { resource_access: { "shop-api": { roles: "admin" } } },
      { clientRoles: { "shop-api": ["adm"] } },
    ],
    ["a client role of a built-in's name", {}, { clientRoles: { toString: ["name"], __proto__: { x: ["y"] } } }],
    ["a scope", { scope: "orders:read-all" }, { scopes: ["orders:read"] }],
    ["a group", { groups: "/staff" }, { groups: ["/st"] }],
  ])("never hold %s by half its name", async (_, claims, requirements) => {
    const verdict = realm.gate.verifyBearer(`Bearer ${realm.sign({ claims })}`, requirements)
    await expect(verdict).rejects.toMatchObject({ code: "insufficient_scope", status: 403 })
  })
})

describe("who asks", () => {
  const service = { client_id: "cron", azp: "cron", sid: undefined, preferred_username: "service-account-cron" }

  // measured on Keycloak 26.7.4: the name `service-account-x` can be registered by anybody
  it("is a service by what Keycloak notes of its login, never by a name that begins like a service account's", async () => {
    expect(await realm.accept(realm.sign({ claims: service }))).toMatchObject({ kind: "service", user: null })
    const named = { preferred_username: "service-account-evil" }
    expect(await realm.accept(realm.sign({ claims: named }))).toMatchObject({ kind: "user" })
    expect(await realm.accept(realm.sign({ claims: { ...named, client_id: "cron" } }))).toMatchObject({ kind: "user" })
  })

  // measured on Keycloak 26.7.4: "Use refresh tokens for client credentials grant" gives a client's own token a `sid`
  it("is a service also with a session, and refused where it could be a person of that name", async () => {
    const withSession = { ...service, sid: "s" }
    const verdictOf = (claims: Record<string, unknown>) =>
      realm.accept(realm.sign({ claims })).then(
        ({ kind }) => kind,
        ({ reason }) => reason,
      )
    expect(await verdictOf(withSession)).toBe("service")
    expect(await verdictOf({ ...withSession, client_id: undefined, clientHost: "10.0.0.1" })).toBe("service")
    expect(await verdictOf({ ...withSession, client_id: undefined })).toBe("claims")
  })

  // a guard is for people unless it says otherwise
  it("is refused as a service by a guard for people, and as a person by a guard for services", async () => {
    const header = `Bearer ${realm.sign({ claims: service })}`
    await expect(realm.gate.verifyBearer(header, {})).rejects.toMatchObject({ code: "insufficient_scope" })
    const person = `Bearer ${realm.sign()}`
    await expect(realm.gate.verifyBearer(person, { kind: "service" })).rejects.toMatchObject({
      code: "insufficient_scope",
    })
  })

  // RFC 8693 §4.1, §4.4
  it.each(["act", "may_act", "impersonator"])("keeps `%s` in the claims: somebody else may be acting", async name => {
    const actor = { sub: "somebody else", username: "root" }
    const principal = await realm.accept(realm.sign({ claims: { [name]: actor } }))
    expect(principal.claims[name]).toEqual(actor)
    expect(principal.subject).toBe(realm.issuer.claims().sub)
  })
})

describe("claims that are handed out", () => {
  // a handler must not be able to change the next request
  it("are frozen all the way down, at the first sight of a token and at the second", async () => {
    const token = realm.sign({ claims: { address: { lines: [{ text: "x" }] } } })
    for (let sight = 1; sight <= 2; sight++) {
      const { claims, realmRoles, clientRoles } = await realm.accept(token)
      const { lines } = claims.address as { lines: { text: string }[] }
      for (const attempt of [
        () => Object.assign(claims, { sub: "other" }),
        () => Object.assign(lines[0] ?? {}, { text: "y" }),
        () => lines.push({ text: "z" }),
        () => (realmRoles as string[]).push("admin"),
        () => Object.assign(clientRoles, { "shop-api": ["admin"] }),
        () => delete (claims as { sub?: string }).sub,
        () => Object.setPrototypeOf(claims, { admin: true }),
      ]) {
        expect(attempt).toThrow(TypeError)
      }
    }
  })

  // RFC 7519 §4: an own `__proto__` member is a name like any other
  it("take nothing from a member named `__proto__`", async () => {
    const hostile = '{"sub":"root","realm_access":{"roles":["admin"]},"typ":"Bearer","polluted":true}'
    const principal = await realm.accept(withRaw("__proto__", hostile))
    expect([principal.subject, principal.realmRoles.includes("admin")]).toEqual([realm.issuer.claims().sub, false])
    expect((principal.claims as { polluted?: unknown }).polluted).toBeUndefined()
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    const { typ: _, ...others } = realm.issuer.claims()
    const typeless = `${JSON.stringify(others).slice(0, -1)},"__proto__":${hostile}}`
    expect(await realm.verdict(realm.sign({ payloadText: typeless }))).toBe("invalid_token type")
  })

  // RFC 8259 §9: a parser may limit nesting; here none is too deep, be it signed or not
  it("may be nested 100,000 deep without harm", async () => {
    const gate = realm.makeGate({ maxTokenBytes: 1_048_576 })
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
    for (const name of ["x", "realm_access", "aud", "exp", "typ", "sub", "azp", "scope", "cnf"]) {
      expect(await realm.verdict(withRaw(name, deep), gate)).toMatch(/^(accepted|invalid_token \w+)$/)
    }
  })

  it("cost one request for keys in all of these tests, since nothing in a token causes one", () => {
    expect(realm.issuer.requests(paths.certs)).toBeLessThanOrEqual(5)
  })
})
