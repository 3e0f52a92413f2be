import { beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateOptions, type Revoked } from "../../src/index.js"
import type { AddedTestUser, TestRealm } from "../../src/testing/index.js"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { openShop } from "../support/shop.ts"

const { password } = secrets
let shop: TestRealm
beforeAll(async () => {
  shop = await openShop()
})

let people = 0
const newPerson = (): AddedTestUser => shop.addUser({ username: `person-${++people}`, password })
const seconds = () => Math.floor(Date.now() / 1000)
const open = (options: Partial<GateOptions<never>> = {}): Gate<null> => createGate({ ...shop.gateOptions, ...options })
const bearer = (token: string) => `Bearer ${token}`
const claimsOf = (token: string): Record<string, string> =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
const sessionOf = (token: string) => claimsOf(token).sid ?? ""

/** Whether the gate takes this token: null, or the reason why not. */
async function verdict({ verifyBearer }: Gate<null>, token: string): Promise<string | null> {
  return verifyBearer(bearer(token)).then(
    () => null,
    async (error: unknown) => (await refusalOf(Promise.reject(error))).reason ?? "no reason",
  )
}

/** Tokens that the revocation of one of them may end, issued some time ago. */
async function tokens(issuedAgo = 10) {
  const ada = newPerson()
  const times = { iat: seconds() - issuedAgo, exp: seconds() + 250 }
  const [one, other] = [await shop.issueToken(ada, times), await shop.issueToken(ada, times)]
  const ofOther = await shop.issueToken(newPerson(), times)
  return { ada, one, other, ofOther, times }
}

describe("revoke", () => {
  const kinds: [string, (claims: Record<string, string>) => Revoked, (string | null)[]][] = [
    ["a subject, with all sessions", ({ sub = "" }) => ({ subject: sub }), ["revoked", "revoked", null]],
    ["a session", ({ sid = "" }) => ({ session: sid }), ["revoked", null, null]],
    [
      "a client's part of a session",
      ({ sid = "", azp = "" }) => ({ session: sid, client: azp }),
      ["revoked", null, null],
    ],
    ["nothing for another client", ({ sid = "" }) => ({ session: sid, client: "web" }), [null, null, null]],
    ["one token", ({ jti = "" }) => ({ tokenId: jti }), ["revoked", null, null]],
    ["all that was issued before", () => ({ issuedBefore: new Date() }), ["revoked", "revoked", "revoked"]],
  ]
  const modes: [string, Partial<GateOptions<never>>][] = [
    ["local", {}],
    ["local, without a memory of tokens", { verifiedTokenCache: false }],
    ["recheck", { verification: { mode: "local", recheckSeconds: 60 } }],
    ["introspection", { verification: { mode: "introspection", cacheSeconds: 60 } }],
    ["userinfo", { verification: { mode: "userinfo", cacheSeconds: 60 } }],
  ]
  it.each(
    modes.flatMap(([mode, options]) => kinds.map(([kind, of, outcome]) => [mode, kind, options, of, outcome] as const)),
  )("in mode %s ends %s, also of tokens that were taken before", async (_mode, _kind, options, of, outcome) => {
    const gate = open(options)
    const { one, other, ofOther } = await tokens()
    const all = [one, other, ofOther]
    for (const token of all) expect(await verdict(gate, token)).toBeNull()
    await gate.revoke(of(claimsOf(one)))
    for (const _ of ["at once", "again"]) {
      expect(await Promise.all(all.map(token => verdict(gate, token)))).toEqual(outcome)
    }
  })

  it("ends all of a session, also what is issued for it later; of a subject, only what is older", async () => {
    const gate = open()
    const { ada, one, times } = await tokens()
    await gate.revoke({ session: sessionOf(one) })
    const later = { iat: seconds() + 3, exp: seconds() + 300 }
    expect(await verdict(gate, await shop.issueToken(ada, { ...later, sid: sessionOf(one) }))).toBe("revoked")
    await gate.revoke({ subject: ada.id })
    expect(await verdict(gate, await shop.issueToken(ada, later))).toBeNull()
    expect(await verdict(gate, await shop.issueToken(ada, times))).toBe("revoked")
  })

  const wrong: [string, unknown, string, string][] = [
    ["nothing", {}, "subject, session, tokenId, issuedBefore", "exactly_one"],
    ["no object", "6f860ad0", "subject, session, tokenId, issuedBefore", "exactly_one"],
    ["undefined", undefined, "subject, session, tokenId, issuedBefore", "exactly_one"],
    ["two of them", { subject: "a", session: "b" }, "subject, session, tokenId, issuedBefore", "exactly_one"],
    ["a misspelt one", { subjekt: "a", session: "b" }, "subjekt", "unknown"],
    ["a client without a session", { subject: "a", client: "b" }, "client", "without_session"],
    ["another issuer", { subject: "a", issuer: "https://other.example.test/realms/shop" }, "issuer", "unknown"],
    ["an empty session", { session: "" }, "session", "empty"],
    ["null for a subject", { subject: null }, "subject", "required"],
    ["a number for a token", { tokenId: 5 }, "tokenId", "not_a_string"],
    ["a long session", { session: "x".repeat(256) }, "session", "too_long"],
    ["control characters", { session: "x\ny" }, "session", "control_characters"],
    ["a text for a date", { issuedBefore: "2026-11-30" }, "issuedBefore", "not_a_past_date"],
    ["no date at all", { issuedBefore: new Date(Number.NaN) }, "issuedBefore", "not_a_past_date"],
    ["tomorrow", { issuedBefore: new Date(Date.now() + 86_400_000) }, "issuedBefore", "not_a_past_date"],
  ]
  it.each(wrong)("refuses %s, and revokes nothing", async (_, given, field, rule) => {
    const gate = open()
    const { one } = await tokens()
    expect(await refusalOf(gate.revoke(given as Revoked))).toMatchObject({
      code: "invalid_request",
      fields: expect.arrayContaining([expect.objectContaining({ field, rule })]),
    })
    expect(await verdict(gate, one)).toBeNull()
  })

  it("is refused after close()", async () => {
    const gate = open()
    await gate.close()
    expect(await refusalOf(gate.revoke({ session: "x" }))).toMatchObject({ code: "closed" })
  })
})

describe("a hold whose session is revoked", () => {
  it("ends at once, and no other", async () => {
    const gate = open()
    const { one, other } = await tokens()
    const ended: string[] = []
    for (const [name, token] of Object.entries({ one, other })) {
      await gate.hold(token, { onEnd: reason => ended.push(`${name} ${reason}`) })
    }
    await gate.revoke({ session: sessionOf(one) })
    expect(ended).toEqual(["one revoked"])
    await gate.close()
  })

  const ofThisSecond: [string, (subject: string) => Revoked][] = [
    ["a subject", subject => ({ subject })],
    ["all that was issued before", () => ({ issuedBefore: new Date() })],
  ]
  it.each(ofThisSecond)("ends with %s, also in the second in which its token was issued", async (_, of) => {
    const gate = open()
    const { ada } = await tokens()
    const token = await shop.issueToken(ada)
    const ended: string[] = []
    await gate.hold(token, { onEnd: reason => ended.push(reason) })
    await gate.revoke(of(ada.id))
    expect(ended).toEqual(["revoked"])
    expect(await verdict(gate, token)).toBe("revoked")
  })
})
