import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../../src/index.js"
import { answerWith } from "../../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../../support/faulty-realm.ts"
import { paths } from "../../support/paths.ts"
import { refusalOf } from "../../support/refusal-of.ts"
import { forge } from "../../support/sign-by-hand.ts"

let realm: FaultyRealm
beforeAll(async () => {
  realm = await startFaultyRealm()
})
afterAll(() => realm.close())
afterEach(() => realm.heal())

function verify(token: string) {
  const gate = createGate({ ...realm.gateOptions, verification: "userinfo", onEvent: () => undefined })
  return gate.verifyBearer(`Bearer ${token}`, {})
}
const calls = () => realm.requests(paths.userinfo)
const answering = (status: number, body: unknown, headers = {}) =>
  realm.breakWith(answerWith({ status, headers, body: JSON.stringify(body) }), { at: paths.userinfo })

describe('verification: "userinfo"', () => {
  it.each<[string, Record<string, unknown>]>([
    ["type", { typ: "ID" }],
    ["expired", { exp: 1 }],
    ["audience", { aud: "account" }],
    ["issuer", { iss: "https://elsewhere.example.test/realms/shop" }],
    ["bound", { cnf: {} }],
    ["claims", { sub: undefined }],
  ])("does not ask about a token that fails local verification (%s)", async (reason, claims) => {
    const before = calls()
    expect(await refusalOf(verify(await realm.mint(claims)))).toMatchObject({ code: "invalid_token", reason })
    expect(calls()).toBe(before)
  })

  it("does not ask about a token with a forged signature", async () => {
    const before = calls()
    expect(await refusalOf(verify(forge(await realm.mint())))).toMatchObject({ reason: "signature" })
    expect(calls()).toBe(before)
  })

  it("refuses a token whose sub is not the one that userinfo tells", async () => {
    answering(200, { sub: "somebody else" })
    expect(await refusalOf(verify(await realm.mint()))).toMatchObject({ code: "invalid_token", reason: "claims" })
  })

  it.each([{}, { sub: 5 }, { sub: null }])("calls the answer %j an outage", async body => {
    answering(200, body)
    expect(await refusalOf(verify(await realm.mint()))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
  })

  const said = (error: string, description: string) => ({
    "www-authenticate": `Bearer realm="shop", error="${error}", error_description="${description}"`,
  })
  it.each([
    ["revoked", 401, said("invalid_token", "user_session_not_found")],
    ["revoked", 401, said("invalid_token", "User disabled")],
    ["revoked", 401, said("invalid_token", "Lightweight access token not allowed for userinfo endpoint")],
    ["claims", 403, said("insufficient_scope", "Missing openid scope")],
  ])("refuses with the reason %s on %i %o", async (reason, status, headers) => {
    answering(status, "", headers)
    expect(await refusalOf(verify(await realm.mint()))).toMatchObject({ code: "invalid_token", reason })
  })

  it.each([
    [401, "keycloak_unavailable"],
    [403, "keycloak_unavailable"],
    [404, "keycloak_refused_us"],
    [418, "keycloak_unavailable"],
  ])("never blames the token for a %i without Keycloak's challenge", async (status, code) => {
    answering(status, { error: "proxy" })
    expect(await refusalOf(verify(await realm.mint()))).toMatchObject({ code })
  })
})
