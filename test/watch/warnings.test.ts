import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest"
import type { GateErrorCode } from "../../src/error-codes.js"
import { GateError, invalidToken, ofSetUp, warnable } from "../../src/errors.js"
import type { GateEvent } from "../../src/events.js"
import { readBearer } from "../../src/verify/credentials.js"
import { warn } from "../../src/watch/warnings.js"

const minute = 60_000
let realms = 0
let issuer: string
let printed: MockInstance<typeof process.emitWarning>
beforeEach(() => {
  issuer = `https://sso.example.test/realms/warned-${realms++}`
  printed = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
})
afterEach(() => vi.restoreAllMocks())

const refusal = (code: GateErrorCode, message = "what is wrong"): GateEvent => ({
  type: "refusal",
  error: new GateError(code, message),
})
const error = new GateError("keycloak_unavailable", "refused")
const down: GateEvent = { type: "keycloak_down", endpoints: ["keys", "token"], since: new Date(0), error }
const up: GateEvent = { type: "keycloak_up", downSince: new Date(0), downSeconds: 12.5, refused: 7 }
const codes = () => printed.mock.calls.map(([, options]) => (options as { code?: string }).code)

describe("a warning", () => {
  it("of an outage names its endpoints, its cause, and how long it took", () => {
    warn(down, issuer, 0)
    warn(up, issuer, 1)
    const [[begins], [ends]] = printed.mock.calls as unknown as [[string], [string]]
    expect(begins).toMatch(/keys, token.*refused/)
    expect(ends).toMatch(/12\.5 s.*1970-01-01T00:00:00.000Z.*7/)
  })

  it("of an outage comes once for all gates of a process, and again after its end or a minute", () => {
    for (const atMs of [0, 1, minute - 1]) warn(down, issuer, atMs)
    expect(codes()).toEqual(["keycloak_down"])
    warn(down, issuer, minute)
    for (const atMs of [minute, minute + 1]) warn(up, issuer, atMs)
    warn(down, issuer, minute + 2)
    expect(codes()).toEqual(["keycloak_down", "keycloak_down", "keycloak_up", "keycloak_down"])
  })

  it("of another realm is another one", () => {
    warn(down, issuer, 0)
    warn(down, `${issuer}-2`, 0)
    expect(codes().length).toBe(2)
  })

  it.each<[string, GateEvent]>([
    ["a store", { type: "store_slow", call: "saveUser", error }],
    ["keys", { type: "keys_ageing", ageSeconds: 1, usableForSeconds: 1, error }],
  ])("of %s comes each time", (_, event) => {
    warn(event, issuer, 0)
    warn(event, issuer, 0)
    expect(codes()).toEqual([event.type, event.type])
  })

  it("of a refusal that no outage explains comes once a minute", () => {
    for (const atMs of [0, 1, minute, minute + 1]) warn(refusal("keycloak_unavailable"), issuer, atMs)
    expect(codes().length).toBe(2)
  })

  it.each<GateErrorCode>(["keycloak_refused_us", "config_invalid"])(
    "of a set-up (%s) comes once for each fault, whatever Keycloak said of it",
    code => {
      for (const said of ["a", "b"]) {
        for (const fault of ["one", "other"])
          warn(refusal(code, `${fault}. (Keycloak answered 401 ${said})`), issuer, 0)
      }
      expect(codes()).toEqual([code, code])
    },
  )

  it.each(["audience", "issuer", "claims", "not_yet_valid"] as const)(
    "of a token (%s) comes once, and never of one that nobody has proven",
    reason => {
      const token = (message: string): GateEvent => ({ type: "refusal", error: invalidToken(reason, message) })
      warn(token("says a stranger"), issuer, 0)
      expect(codes()).toEqual([])
      for (const message of ["first", "second"]) {
        const event = token(message)
        warnable("error" in event && event.error)
        warn(event, issuer, 0)
      }
      expect(printed.mock.calls).toMatchObject([["first", { code: `invalid_token:${reason}` }]])
    },
  )

  it("of what is not proven has a text of its own, and uses up none that is", () => {
    const other = invalidToken("issuer", "says a stranger")
    warn({ type: "refusal", error: warnable(other, { topic: "another issuer", text: "constant" }) }, issuer, 0)
    warn({ type: "refusal", error: warnable(invalidToken("issuer", "proven")) }, issuer, 0)
    expect(printed.mock.calls.map(([text]) => text)).toEqual(["constant", "proven"])
  })

  it.each<GateErrorCode>([
    "credentials_missing",
    "invalid_request",
    "insufficient_scope",
    "invalid_credentials",
    "session_ended",
    "user_exists",
  ])("never comes of what a caller did wrong: %s", code => {
    warn(refusal(code), issuer, 0)
    expect(codes()).toEqual([])
  })

  it.each(["expired", "signature", "key", "malformed", "revoked", "type"] as const)(
    "never comes of a token that is %s, proven or not",
    reason => {
      warn({ type: "refusal", error: warnable(invalidToken(reason, "x")) }, issuer, 0)
      expect(codes()).toEqual([])
    },
  )

  it("of a token that is too large comes once an hour, in words that no token has a hand in", () => {
    const tooLarge = (token: string): GateEvent => {
      try {
        readBearer(`Bearer ${token}`, 300)
      } catch (error) {
        return { type: "refusal", error: error as GateError }
      }
      return expect.unreachable("it was taken")
    }
    for (const atMs of [0, 1, 60 * minute, 60 * minute + 1]) warn(tooLarge("secret".repeat(100 + atMs)), issuer, atMs)
    expect(codes()).toEqual(["invalid_token:too_large", "invalid_token:too_large"])
    expect(printed.mock.calls[0]?.[0]).toMatch(/more than 300 bytes/)
    expect(JSON.stringify(printed.mock.calls)).not.toContain("secret")
  })

  it("of a switch that makes every token bad comes once, and never of a token that nobody has proven", () => {
    warn({ type: "refusal", error: ofSetUp(invalidToken("type", "says a stranger")) }, issuer, 0)
    for (const atMs of [0, minute])
      warn({ type: "refusal", error: warnable(ofSetUp(invalidToken("type", "bearer"))) }, issuer, atMs)
    expect(printed.mock.calls.map(([text]) => text)).toEqual(["bearer"])
  })

  it("of an account that is unfinished comes once an hour, also where the caller hears of a wrong password", () => {
    const unfinished = new GateError("account_setup_required", "the account is unfinished")
    const concealed = new GateError("invalid_credentials", "unfinished, concealed", { cause: unfinished })
    for (const error of [unfinished, concealed, concealed]) warn({ type: "refusal", error }, issuer, 0)
    warn({ type: "refusal", error: concealed }, issuer, 60 * minute)
    expect(printed.mock.calls.map(([text]) => text)).toEqual(["the account is unfinished", "the account is unfinished"])
  })

  it("never comes of an account that somebody has disabled", () => {
    const cause = new GateError("account_disabled", "disabled")
    warn({ type: "refusal", error: new GateError("invalid_credentials", "x", { cause }) }, issuer, 0)
    warn({ type: "refusal", error: cause }, issuer, 0)
    expect(codes()).toEqual([])
  })

  // Last, since it fills the memory of this process.
  it("comes a bounded number of times, should a caller have a hand in its sentence", () => {
    for (let fault = 0; fault < 5000; fault++) warn(refusal("keycloak_refused_us", `fault ${fault}`), issuer, 0)
    expect(codes().length).toBeLessThan(100)
    printed.mockClear()
    warn(down, issuer, 0)
    warn({ type: "refusal", error: warnable(invalidToken("audience", "proven")) }, issuer, 0)
    expect(codes()).toEqual(["keycloak_down", "invalid_token:audience"])
  })
})
