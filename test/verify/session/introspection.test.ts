import { setTimeout as delay } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateOptions } from "../../../src/index.js"
import type { AddedTestUser } from "../../../src/testing/index.js"
import { answerLate, answerWith, changeAnswer, cutAnswer, hangBeforeHeaders } from "../../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../../support/faulty-realm.ts"
import type { Fault } from "../../support/faulty-server.ts"
import { inOwnTime } from "../../support/own-clock.ts"
import { paths } from "../../support/paths.ts"
import { refusalOf } from "../../support/refusal-of.ts"

let realm: FaultyRealm
let edith: AddedTestUser
beforeAll(async () => {
  realm = await startFaultyRealm()
  edith = realm.addUser({ username: "edith", clientRoles: { "shop-api": ["editor"] } })
})
afterAll(() => realm.close())
afterEach(() => realm.heal())

type Claims = Record<string, unknown>
const bearer = (token: string) => `Bearer ${token}`
const seconds = () => Math.floor(Date.now() / 1000)
const calls = () => realm.requests(paths.introspection)
/** What introspection answers from now on, instead of the truth. */
const introspectWith = (change: (truth: Claims) => unknown) =>
  realm.breakWith(changeAnswer(change), { at: paths.introspection })
/** A lightweight token: its claims, the audience among them, are in Keycloak's answer alone. */
const mintLightweight = (claims?: Claims) => realm.issueToken("edith", claims, { clientId: "admin-cli" })

function gateWith(options: Partial<GateOptions<never>> = {}): Gate<null> {
  return createGate({
    ...realm.gateOptions,
    verification: "introspection",
    clockToleranceSeconds: 0,
    onEvent: () => undefined,
    ...options,
    userStore: undefined,
  })
}

describe('verification: "introspection"', () => {
  it("takes who asks from the answer", async () => {
    introspectWith(claims => ({ ...claims, realm_access: { roles: ["told-by-keycloak"] } }))
    const principal = await gateWith().verifyBearer(bearer(await realm.mint()), {})
    expect(principal).toMatchObject({ kind: "user", username: "ada", realmRoles: ["told-by-keycloak"] })
  })

  // RFC 7662 §4, and Keycloak 26.7.4, which calls an ID token active.
  it.each<[string, string, (claims: Claims) => Claims]>([
    ["is an ID token", "type", claims => ({ ...claims, typ: "ID", token_type: "ID" })],
    ["is an ID token behind a mapper that changed typ", "type", claims => ({ ...claims, token_type: "ID" })],
    ["has no typ", "type", claims => ({ ...claims, typ: undefined })],
    ["is bound to a key", "bound", claims => ({ ...claims, cnf: { jkt: "x" } })],
    ["is a DPoP token", "bound", claims => ({ ...claims, typ: "DPoP", token_type: "DPoP" })],
    ["comes from another realm", "issuer", claims => ({ ...claims, iss: `${claims.iss}2` })],
    ["has no issuer", "issuer", claims => ({ ...claims, iss: undefined })],
    ["has expired", "expired", claims => ({ ...claims, exp: seconds() - 1 })],
    ["has no exp", "claims", claims => ({ ...claims, exp: undefined })],
    ["is not valid yet", "not_yet_valid", claims => ({ ...claims, nbf: seconds() + 60 })],
    ["is for another audience", "audience", claims => ({ ...claims, aud: ["other"] })],
    ["is for nobody", "audience", claims => ({ ...claims, aud: undefined })],
    ["has no subject", "claims", claims => ({ ...claims, sub: undefined })],
    ["has a subject that is no string", "claims", claims => ({ ...claims, sub: { $ne: null } })],
    ["is about somebody else", "claims", claims => ({ ...claims, sub: "somebody else" })],
  ])("refuses an active token whose answer says that it %s", async (_, reason, change) => {
    introspectWith(change)
    const error = await refusalOf(gateWith().verifyBearer(bearer(await realm.mint()), {}))
    expect(error).toMatchObject({ code: "invalid_token", status: 401, reason })
  })

  it.each([
    ["ID", { typ: "ID" }, "type"],
    ["refresh", { typ: "Refresh" }, "type"],
    ["expired", { exp: 1 }, "expired"],
    ["bound", { cnf: {} }, "bound"],
    ["another realm's", { iss: "https://elsewhere.example.test/realms/shop" }, "issuer"],
  ])("does not even ask about a token that is %s by its own word", async (_, claims, reason) => {
    const before = calls()
    expect(await refusalOf(gateWith().verifyBearer(bearer(await realm.mint(claims))))).toMatchObject({ reason })
    expect(calls()).toBe(before)
  })

  it.each(["a.b", "a.b.c.d", "a.b.c", "e30.bnVsbA.c2ln"])("does not even ask about %s", async token => {
    const before = calls()
    expect(await refusalOf(gateWith().verifyBearer(bearer(token)))).toMatchObject({ reason: "malformed" })
    expect(calls()).toBe(before)
  })

  it("finds a service by the token's own client_id, not by the one that is in every answer", async () => {
    const [person, service] = [await realm.mint({ sid: undefined }), await realm.issueToken("service-account-shop-api")]
    const kindOf = async (token: string) => (await gateWith().verifyBearer(bearer(token), { kind: "any" })).kind
    expect([await kindOf(person), await kindOf(service)]).toEqual(["user", "service"])
  })

  it("takes what tells a person from a service from the token as well, should the answer lack it", async () => {
    const verdictOf = async (claims: Claims) =>
      gateWith()
        .verifyBearer(bearer(await realm.mint(claims)), { kind: "any" })
        .then(
          ({ kind }) => kind,
          ({ reason }) => reason,
        )
    introspectWith(({ sid: _sid, clientHost: _host, ...claims }) => claims)
    expect(await verdictOf({ client_id: "shop-api" })).toBe("user")
    expect(await verdictOf({ clientHost: "10.0.0.1" })).toBe("service")
    expect(await verdictOf({ preferred_username: "service-account-shop-api" })).toBe("claims")
  })

  it("takes a lightweight token, whose claims are in the answer alone", async () => {
    const principal = await gateWith().verifyBearer(bearer(await mintLightweight()), {})
    expect(principal).toMatchObject({ subject: edith.id, username: "edith", clientRoles: { "shop-api": ["editor"] } })
  })
})

describe("an inactive token", () => {
  it.each([
    ["revoked", "is for our client", "shop-api"],
    ["revoked", "is for our client too", ["account", "shop-api"]],
    ["audience", "is for others", ["account", "shop-api-2"]],
    ["audience", "is for a string that holds our client", "shop-api-2"],
    ["audience", "is for nobody", undefined],
  ])("is called %s when it %s", async (reason, _, aud) => {
    introspectWith(() => ({ active: false }))
    const error = await refusalOf(gateWith({ audience: null }).verifyBearer(bearer(await realm.mint({ aud }))))
    expect(error).toMatchObject({ code: "invalid_token", reason })
    expect(error.message.includes("Included Client Audience = shop-api")).toBe(reason === "audience")
  })

  // A lightweight token has no `aud` to read; that its client's tokens are for us is known from an active one.
  it("is called revoked when it has no aud, but another one of its client was active", async () => {
    const [first, second] = [await mintLightweight(), await mintLightweight()]
    const other = await mintLightweight({ azp: "another-client" })
    const gate = gateWith()
    await gate.verifyBearer(bearer(first), {})
    introspectWith(() => ({ active: false }))
    expect(await refusalOf(gate.verifyBearer(bearer(second)))).toMatchObject({ reason: "revoked" })
    expect(await refusalOf(gate.verifyBearer(bearer(other)))).toMatchObject({ reason: "audience" })
  })

  // CVE-2026-18208: Keycloak 26.7.4 sends all claims along.
  it("stays inactive, whatever else the answer holds", async () => {
    const token = await realm.mint()
    introspectWith(claims => ({ ...claims, active: false, jwt: token }))
    expect(await refusalOf(gateWith().verifyBearer(bearer(token)))).toMatchObject({ reason: "revoked" })
  })

  it.each([{ active: "true" }, { active: 1 }, { active: null }, {}, { error: "x" }])(
    "is not what an answer %j means: that is no answer of Keycloak's",
    async answer => {
      introspectWith(() => answer)
      const error = await refusalOf(gateWith().verifyBearer(bearer(await realm.mint())))
      expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    },
  )
})

describe("a refusal of our own client", () => {
  it.each([
    [401, { error: "invalid_client", error_description: "Client authentication failed." }],
    [403, { error: "invalid_request", error_description: "Client not allowed." }],
  ])("is keycloak_refused_us (%i), never a bad token", async (status, body) => {
    realm.breakWith(answerWith({ status, body: JSON.stringify(body) }), { at: paths.introspection })
    const error = await refusalOf(gateWith().verifyBearer(bearer(await realm.mint())))
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
  })

  it("is foreseen without a client secret", async () => {
    const error = await refusalOf(gateWith({ clientSecret: undefined }).verifyBearer(bearer(await realm.mint())))
    expect(error).toMatchObject({ code: "config_invalid" })
  })
})

describe.each(["introspection", "userinfo"] as const)("%s", mode => {
  const asked = () => realm.requests(paths[mode])
  // For requests that come together, so that the last one has been verified locally when the first one is answered.
  const timeToGather = 100

  it("is asked twice at most by 50 requests with one token that come together", async () => {
    const gate = gateWith({ verification: mode })
    const token = await realm.mint()
    realm.breakWith(answerLate(timeToGather), { at: paths[mode] })
    const before = asked()
    const all = await Promise.all(Array.from({ length: 50 }, () => gate.verifyBearer(bearer(token), {})))
    expect(new Set(all.map(({ subject }) => subject)).size).toBe(1)
    const once = asked()
    expect(once - before).toBeLessThanOrEqual(2)
    await gate.verifyBearer(bearer(token))
    expect(asked()).toBe(once + 1)
  })

  it("lets nobody in after a logout by what it was asked before", async () => {
    const gate = gateWith({ verification: mode })
    const token = await realm.mint()
    const { subject } = await gate.verifyBearer(bearer(token), {})
    let letGo = () => {}
    const held = new Promise<void>(resolve => {
      letGo = resolve
    })
    const answeredLater: Fault = async ({ perform, send }) => {
      const reply = await perform()
      await held
      send(reply)
    }
    realm.breakWith(answeredLater, { at: paths[mode], times: 1 })
    const came = asked()
    const before = gate.verifyBearer(bearer(token), {})
    await expect.poll(asked).toBe(came + 1)
    await gateWith().logoutEverywhere(subject)
    const after = [1, 2, 3].map(() => refusalOf(gate.verifyBearer(bearer(token), {})))
    letGo()
    expect(await before).toMatchObject({ subject })
    for (const refusal of after) expect(await refusal).toMatchObject({ code: "invalid_token", reason: "revoked" })
  })

  it("keeps no request waiting for one that Keycloak does not answer", async () => {
    const timeoutMs = 2000
    const gate = gateWith({ verification: mode, timeoutMs })
    const token = await realm.mint()
    await gate.verifyBearer(bearer(token), {})
    realm.breakWith(hangBeforeHeaders, { at: paths[mode], times: 1 })
    const came = asked()
    const hanging = refusalOf(gate.verifyBearer(bearer(token), {}))
    await expect.poll(asked).toBe(came + 1)
    expect((await inOwnTime(gate.verifyBearer(bearer(token), {}))).ms).toBeLessThan(timeoutMs)
    gate.close()
    expect(await hanging).toMatchObject({ code: "closed" })
  })

  it("is asked for each token that comes at the same time", async () => {
    const gate = gateWith({ verification: mode })
    const tokens = await Promise.all(Array.from({ length: 5 }, () => realm.mint()))
    const before = asked()
    await Promise.all(tokens.map(token => gate.verifyBearer(bearer(token), {})))
    expect(asked()).toBe(before + 5)
  })

  it("fails for all who wait for one question, and is asked again by the next request", async () => {
    const gate = gateWith({ verification: { mode, cacheSeconds: 60 } })
    const token = await realm.mint()
    await gate.verifyBearer(bearer(await realm.mint())) // the keys
    const cutLate: Fault = exchange => delay(timeToGather).then(() => cutAnswer(exchange))
    realm.breakWith(cutLate, { at: paths[mode], times: 2 }) // the question and its repetition
    const before = asked()
    const all = await Promise.all(Array.from({ length: 20 }, () => refusalOf(gate.verifyBearer(bearer(token)))))
    expect(new Set(all.map(({ code }) => code))).toEqual(new Set(["keycloak_unavailable"]))
    expect(asked()).toBe(before + 2)
    await gate.verifyBearer(bearer(token), {})
  })

  it("is not asked again within cacheSeconds", async () => {
    const gate = gateWith({ verification: { mode, cacheSeconds: 60 } })
    const [token, other] = [await realm.mint(), await realm.mint()]
    const before = asked()
    for (const one of [token, token, token, other, other]) await gate.verifyBearer(bearer(one), {})
    expect(asked()).toBe(before + 2)
  })

  it("is asked again after cacheSeconds, and then sees the session's end", async () => {
    const gate = gateWith({ verification: { mode, cacheSeconds: 0.1 } })
    const token = await realm.mint()
    const { subject } = await gate.verifyBearer(bearer(token), {})
    await gateWith().logoutEverywhere(subject)
    await expect
      .poll(() => gate.verifyBearer(bearer(token), {}).catch(({ reason }) => reason), { interval: 20 })
      .toBe("revoked")
  })

  it("gives no request what another one has changed", async () => {
    const gate = gateWith({ verification: { mode, cacheSeconds: 60 } })
    const token = await realm.mint()
    const { claims } = await gate.verifyBearer(bearer(token), {})
    expect(() => Object.assign(claims, { sub: "somebody else" })).toThrow(TypeError)
    expect(() => (claims.realm_access as { roles: string[] }).roles.push("admin")).toThrow(TypeError)
    expect((await gate.verifyBearer(bearer(token), {})).realmRoles).not.toContain("admin")
  })
})
