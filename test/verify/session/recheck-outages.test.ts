import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent } from "../../../src/index.js"
import { answerWith, changeAnswer, hangBeforeHeaders, outagesFor } from "../../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../../support/faulty-realm.ts"
import { paths } from "../../support/paths.ts"
import { refusalOf, secrets } from "../../support/refusal-of.ts"
import { forge } from "../../support/sign-by-hand.ts"

const timeoutMs = 200
const verification = { mode: "local", recheckSeconds: 0.05 } as const
let realm: FaultyRealm
let gate: Gate<null>
let elsewhere: Gate<null>
let events: GateEvent[]
beforeEach(async () => {
  realm = await startFaultyRealm()
  events = []
  const onEvent = (event: GateEvent) => events.push(event)
  gate = createGate({ ...realm.gateOptions, verification, timeoutMs, onEvent })
  elsewhere = createGate(realm.gateOptions)
})
afterEach(async () => {
  gate.close()
  elsewhere.close()
  await realm.close()
})

const calls = () => realm.requests(paths.introspection)
const logIn = () => elsewhere.loginWithPassword({ username: "ada", password: secrets.password })
const outcome = (token: string) =>
  gate.verifyBearer(`Bearer ${token}`, {}).then(
    () => "passes",
    ({ code, reason }) => `${code} ${reason}`,
  )
const eventually = (token: string) => expect.poll(() => outcome(token), { interval: 20 })

describe("verification with recheckSeconds", () => {
  it("refuses a session that Keycloak ended, and goes on with the others", async () => {
    const [{ accessToken: ended, refreshToken }, { accessToken: other }] = [await logIn(), await logIn()]
    const { accessToken: ofTheSameSession } = await elsewhere.refreshSession(refreshToken)
    expect([await outcome(ended), await outcome(other)]).toEqual(["passes", "passes"])
    await elsewhere.logout(refreshToken)
    await eventually(ended).toBe("invalid_token revoked")
    expect(await outcome(other)).toBe("passes")
    expect(await outcome(ofTheSameSession)).toBe("invalid_token revoked")
    const { status } = await refusalOf(gate.verifyBearer(`Bearer ${ended}`))
    expect(status).toBe(401)
  })

  it("asks about nothing but access tokens for this application", async () => {
    await outcome(await realm.mint())
    await expect.poll(calls).toBe(1)
    for (const claims of [{ typ: "ID" }, { aud: "other" }, { exp: 1 }, { cnf: {} }])
      expect(await outcome(await realm.mint(claims))).toMatch(/^invalid_token/)
    expect(await outcome(forge(await realm.mint()))).toBe("invalid_token signature")
    expect(calls()).toBe(1)
  })

  it("reads nothing but `active` of an inactive answer", async () => {
    const token = await realm.mint()
    const change = changeAnswer(claims => ({ ...claims, active: false, jwt: token }))
    realm.breakWith(change, { at: paths.introspection })
    await eventually(token).toBe("invalid_token revoked")
  })

  it("tells a missing audience mapper apart from an ended session", async () => {
    const base = { ...realm.gateOptions, verification, onEvent: () => undefined }
    const other = createGate({ ...base, clientId: "gateway", audience: "shop-api" })
    const token = await realm.mint()
    realm.breakWith(answerWith({ status: 200, body: '{"active":false}' }), { at: paths.introspection })
    const reason = () => other.verifyBearer(`Bearer ${token}`, {}).catch(error => error.reason)
    await expect.poll(reason, { interval: 20 }).toBe("audience")
    other.close()
  })

  it.each(outagesFor(2 * timeoutMs, "http://127.0.0.1:9"))(
    "serves requests with the last verdicts when Keycloak $name, tells it once, and heals",
    async outage => {
      const [first, second] = [await logIn(), await logIn()]
      const [ended, living] = [first.accessToken, second.accessToken]
      await elsewhere.logout(first.refreshToken)
      await eventually(ended).toBe("invalid_token revoked")
      expect(await outcome(living)).toBe("passes")

      await outage.begin(realm, { at: paths.introspection })
      // A whole outage is told as one; what only this answer shows, as that.
      const failures = () => events.filter(({ type }) => type === "recheck_failed" || type === "keycloak_down")
      const started = performance.now()
      do {
        expect([await outcome(ended), await outcome(living)]).toEqual(["invalid_token revoked", "passes"])
        await new Promise(resolve => setTimeout(resolve, 10))
      } while (failures().length === 0 || performance.now() - started < 2 * timeoutMs)
      expect(failures()).toMatchObject([{ error: { code: "keycloak_unavailable" } }])

      await realm.heal()
      await elsewhere.logout(second.refreshToken)
      await eventually(living).toBe("invalid_token revoked")
    },
  )

  it("serves requests with a wrong secret of ours, and tells that once", async () => {
    const body = JSON.stringify({ error: "invalid_client", error_description: "Client authentication failed." })
    realm.breakWith(answerWith({ status: 401, body }), { at: paths.introspection })
    const token = await realm.mint()
    await expect.poll(async () => [await outcome(token), calls() > 2], { interval: 20 }).toEqual(["passes", true])
    expect(events).toMatchObject([{ type: "recheck_failed", error: { code: "keycloak_refused_us" } }])
  })

  it("lets no request wait for Keycloak", async () => {
    const token = await realm.mint()
    await outcome(token)
    realm.breakWith(hangBeforeHeaders, { at: paths.introspection })
    const before = calls()
    await expect.poll(async () => [await outcome(token), calls() > before]).toEqual(["passes", true])
    expect(await Promise.all(Array.from({ length: 100 }, () => outcome(token)))).not.toContain(undefined)
    expect(calls()).toBe(before + 1)
  })

  it("ends its questions with close()", async () => {
    realm.breakWith(hangBeforeHeaders, { at: paths.introspection })
    const token = await realm.mint()
    await outcome(token)
    await expect.poll(calls).toBe(1)
    gate.close()
    await new Promise(resolve => setTimeout(resolve, 2 * timeoutMs))
    expect(events).toEqual([])
    expect(calls()).toBe(1)
  })
})
