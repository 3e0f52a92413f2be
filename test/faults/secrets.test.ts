import { inspect } from "node:util"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

let realm: FaultyRealm
let gate: Gate<MemoryUser>
beforeAll(async () => {
  realm = await startFaultyRealm()
  gate = createGate({ ...options(), userStore: memoryUserStore() })
})
afterEach(() => realm.heal())
afterAll(async () => {
  gate.close()
  await realm.close()
})
const options = () => ({ ...realm.gateOptions, timeoutMs: 300, onEvent: () => undefined })

const person = {
  username: "lovelace",
  email: secrets.email,
  firstName: "Ada",
  lastName: "Lovelace",
  password: secrets.password,
}

describe("secretsIn, which every refusal of these tests goes through,", () => {
  it.each([
    ["a password", { a: { b: { c: secrets.password } } }],
    ["an e-mail address", new Error(`no such user ${secrets.email}`)],
    ["a client secret", new Error("x", { cause: new Error("y", { cause: { secret: secrets.clientSecrets[0] } }) })],
    ["a client secret", `Basic ${Buffer.from(`any:${secrets.clientSecrets[0]}`).toString("base64")}`],
    ["a token", Object.defineProperty({}, "hidden", { value: "eyJhbGciOiJSUzI1NiJ9.eyJ", enumerable: false })],
    ["a token", new AggregateError([new Error("eyJhbGciOiJSUzI1NiJ9.eyJ")])],
    ["an authorization header", { headers: new Map([["authorization", "Bearer abcdefghijklmnopqrst"]]) }],
  ])("finds %s", (kind, value) => {
    expect(secretsIn(value)).toContain(kind)
  })

  it("finds nothing in what holds none", () => {
    expect(secretsIn(new Error("Refused a token", { cause: { realm: "shop" } }))).toEqual([])
  })
})

describe("no secret is shown by", () => {
  it("a gate that has registered, logged in and verified", async () => {
    const patient = createGate({ ...options(), timeoutMs: undefined, userStore: memoryUserStore() })
    await patient.registerUser(person)
    const session = await patient.loginWithPassword(person)
    await patient.verifyBearer(`Bearer ${session.accessToken}`, {})
    await patient.refreshSession(session.refreshToken)
    expect(secretsIn(inspect(patient, { depth: 10, showHidden: true }))).toEqual([])
    expect(secretsIn(patient)).toEqual([])
    await patient.close()
  })

  it("a principal in JSON or in a log: its token is not there, its e-mail is the person's own", async () => {
    const token = await realm.mint()
    const principal = await gate.verifyBearer(`Bearer ${token}`, {})
    expect(principal.token).toBe(token)
    const shown = [JSON.stringify(principal), inspect(principal), inspect(principal, { depth: 10, showHidden: true })]
    for (const text of shown) expect(secretsIn(text)).toEqual(["an e-mail address"])
    expect({ ...principal }).not.toHaveProperty("token")
  })

  it.each([
    ["a claim of the wrong type", { exp: secrets.password }],
    ["no subject", { sub: undefined }],
    ["another audience", { aud: "other" }],
    ["another type", { typ: "ID" }],
    ["a key of its own", { cnf: { jkt: "eyJhbGciOiJSUzI1NiJ9" } }],
  ])("the error for a token with %s", async (_, claims) => {
    await refusalOf(gate.verifyBearer(`Bearer ${await realm.mint(claims)}`))
  })
})
