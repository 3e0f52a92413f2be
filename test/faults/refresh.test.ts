import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import { answerLate, answerWith } from "../support/faults.ts"
import { type Issuer, paths, startIssuer } from "../support/issuer.ts"
import { refusalOf } from "../support/refusal-of.ts"

let issuer: Issuer
let gate: Gate<null>
let refreshToken = ""
beforeEach(async () => {
  issuer = await startIssuer()
  const { url: serverUrl, realm, clientId, clientSecret } = issuer
  gate = createGate({ serverUrl, realm, clientId, clientSecret, onEvent: () => undefined })
  refreshToken = await issuer.mint({ claims: { typ: "Refresh" } })
})
afterEach(async () => {
  gate.close()
  await issuer.close()
})
const asked = () => issuer.requests(paths.token)
const tenTimes = <Result>(work: () => Promise<Result>) => Promise.all(Array.from({ length: 10 }, work))

describe("refreshSession", () => {
  it("sends one request for ten calls that overlap, and all get its session", async () => {
    issuer.breakWith(answerLate(50))
    const sessions = await tenTimes(() => gate.refreshSession(refreshToken))
    expect(asked()).toBe(1)
    expect(new Set(sessions.map(({ accessToken }) => accessToken)).size).toBe(1)
  })

  it("asks again once the first answer is there", async () => {
    await gate.refreshSession(refreshToken)
    await gate.refreshSession(refreshToken)
    expect(asked()).toBe(2)
  })

  it("shares a refusal as well, and asks again after it", async () => {
    const ended = { status: 400, body: '{"error":"invalid_grant","error_description":"Session not active"}' }
    issuer.breakWith(answerWith({ ...ended, headers: { "content-type": "application/json" } }), { times: 1 })
    const errors = await tenTimes(() => refusalOf(gate.refreshSession(refreshToken)))
    expect(errors.map(({ code }) => code)).toEqual(Array(10).fill("session_ended"))
    expect(asked()).toBe(1)
    await gate.refreshSession(refreshToken)
    expect(asked()).toBe(2)
  })

  it("does not mix the sessions of two people", async () => {
    issuer.breakWith(answerLate(50))
    const other = await issuer.mint({ claims: { typ: "Refresh", sub: "another" } })
    const [one, two] = await Promise.all([gate.refreshSession(refreshToken), gate.refreshSession(other)])
    expect(one.accessToken).not.toBe(two.accessToken)
    expect(asked()).toBe(2)
  })
})
