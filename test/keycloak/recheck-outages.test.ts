import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent } from "../../src/index.js"
import { answerWith, hangBeforeHeaders, outagesFor } from "../support/faults.ts"
import { type Issuer, introspectionOf, paths, startIssuer } from "../support/issuer.ts"
import { refusalOf } from "../support/refusal-of.ts"

const timeoutMs = 200
let issuer: Issuer
let gate: Gate<null>
let events: GateEvent[]
beforeEach(async () => {
  issuer = await startIssuer()
  events = []
  const { url: serverUrl, realm, clientId, clientSecret } = issuer
  const verification = { mode: "local", recheckSeconds: 0.05 } as const
  const onEvent = (event: GateEvent) => events.push(event)
  gate = createGate({ serverUrl, realm, clientId, clientSecret, verification, timeoutMs, onEvent })
})
afterEach(async () => {
  gate.close()
  await issuer.close()
})

const calls = () => issuer.requests(paths.introspection)
const outcome = (token: string) =>
  gate.verifyBearer(`Bearer ${token}`, {}).then(
    () => "passes",
    ({ code, reason }) => `${code} ${reason}`,
  )
const eventually = (token: string) => expect.poll(() => outcome(token), { interval: 20 })

describe("verification with recheckSeconds", () => {
  it("refuses a session that Keycloak ended, and goes on with the others", async () => {
    const [ended, other] = [await issuer.mint({ claims: { sid: "ended" } }), await issuer.mint()]
    expect([await outcome(ended), await outcome(other)]).toEqual(["passes", "passes"])
    issuer.introspectWith(claims => (claims.sid === "ended" ? { active: false } : introspectionOf(claims)))
    await eventually(ended).toBe("invalid_token revoked")
    expect(await outcome(other)).toBe("passes")
    expect(await outcome(await issuer.mint({ claims: { sid: "ended" } }))).toBe("invalid_token revoked")
    const { status } = await refusalOf(gate.verifyBearer(`Bearer ${ended}`))
    expect(status).toBe(401)
  })

  it("asks about nothing but access tokens for this application", async () => {
    await outcome(await issuer.mint())
    await expect.poll(calls).toBe(1)
    for (const claims of [{ typ: "ID" }, { aud: "other" }, { exp: 1 }, { cnf: {} }])
      expect(await outcome(await issuer.mint({ claims }))).toMatch(/^invalid_token/)
    expect(await outcome(issuer.forge(issuer.kid()))).toBe("invalid_token signature")
    expect(calls()).toBe(1)
  })

  it("reads nothing but `active` of an inactive answer", async () => {
    const token = await issuer.mint()
    issuer.introspectWith(claims => ({ ...introspectionOf(claims), active: false, jwt: token }))
    await eventually(token).toBe("invalid_token revoked")
  })

  it("tells a missing audience mapper apart from an ended session", async () => {
    const { url: serverUrl, realm, clientSecret } = issuer
    const verification = { mode: "local", recheckSeconds: 0.05 } as const
    const base = { serverUrl, realm, clientSecret, verification, onEvent: () => undefined }
    const other = createGate({ ...base, clientId: "gateway", audience: "shop-api" })
    const token = await issuer.mint()
    issuer.introspectWith(() => ({ active: false }))
    const reason = () => other.verifyBearer(`Bearer ${token}`, {}).catch(error => error.reason)
    await expect.poll(reason, { interval: 20 }).toBe("audience")
    other.close()
  })

  it.each(outagesFor(2 * timeoutMs, "http://127.0.0.1:9"))(
    "serves requests with the last verdicts when Keycloak $name, tells it once, and heals",
    async outage => {
      const [ended, living] = [await issuer.mint({ claims: { sid: "ended" } }), await issuer.mint()]
      issuer.introspectWith(claims => (claims.sid === "ended" ? { active: false } : introspectionOf(claims)))
      await eventually(ended).toBe("invalid_token revoked")
      expect(await outcome(living)).toBe("passes")

      await outage.begin(issuer, { at: paths.introspection })
      const failures = () => events.filter(({ type }) => type === "recheck_failed")
      const started = performance.now()
      do {
        expect([await outcome(ended), await outcome(living)]).toEqual(["invalid_token revoked", "passes"])
        await new Promise(resolve => setTimeout(resolve, 10))
      } while (failures().length === 0 || performance.now() - started < 2 * timeoutMs)
      expect(failures()).toMatchObject([{ error: { code: "keycloak_unavailable" } }])

      await issuer.heal()
      issuer.introspectWith(() => ({ active: false }))
      await eventually(living).toBe("invalid_token revoked")
    },
  )

  it("serves requests with a wrong secret of ours, and tells that once", async () => {
    const body = JSON.stringify({ error: "invalid_client", error_description: "Client authentication failed." })
    issuer.breakWith(answerWith({ status: 401, body }), { at: paths.introspection })
    const token = await issuer.mint()
    await expect.poll(async () => [await outcome(token), calls() > 2], { interval: 20 }).toEqual(["passes", true])
    expect(events).toMatchObject([{ type: "recheck_failed", error: { code: "keycloak_refused_us" } }])
  })

  it("lets no request wait for Keycloak", async () => {
    const token = await issuer.mint()
    await outcome(token)
    issuer.breakWith(hangBeforeHeaders, { at: paths.introspection })
    const before = calls()
    await expect.poll(async () => [await outcome(token), calls() > before]).toEqual(["passes", true])
    expect(await Promise.all(Array.from({ length: 100 }, () => outcome(token)))).not.toContain(undefined)
    expect(calls()).toBe(before + 1)
  })

  it("ends its questions with close()", async () => {
    issuer.breakWith(hangBeforeHeaders, { at: paths.introspection })
    const token = await issuer.mint()
    await outcome(token)
    await expect.poll(calls).toBe(1)
    gate.close()
    await new Promise(resolve => setTimeout(resolve, 2 * timeoutMs))
    expect(events).toEqual([])
    expect(calls()).toBe(1)
  })
})
