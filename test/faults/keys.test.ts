import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createGate, type Gate, type GateOptions } from "../../src/index.js"
import { answerWith, hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { inOwnTime, ownTimeUntil } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { refusalOf } from "../support/refusal-of.ts"

type GateEvent = Parameters<NonNullable<GateOptions<never>["onEvent"]>>[0]

let realm: FaultyRealm
let gate: Gate<null>
const gates: Gate<null>[] = []
const otherKeys = '{"keys":[{"kid":"of another realm","kty":"RSA","alg":"RS256","use":"sig","n":"AQAB","e":"AQAB"}]}'
const fetches = () => realm.requests(paths.certs)
const present = (token: string) => gate.verifyBearer(`Bearer ${token}`, {})

beforeEach(async () => {
  realm = await startFaultyRealm()
  gate = makeGate()
})
afterEach(async () => {
  vi.useRealTimers()
  for (const one of gates.splice(0)) one.close()
  await realm.close()
})

function makeGate(more: Partial<GateOptions<never>> = {}): Gate<null> {
  const options = { ...realm.gateOptions, timeoutMs: 10_000, onEvent: () => undefined, ...more }
  const made = createGate({ ...options, userStore: undefined })
  gates.push(made)
  return made
}

/** A gate whose clocks the test sets, both of them. */
function makeGateWithClock(more: Partial<GateOptions<never>> = {}): { passSeconds: (seconds: number) => void } {
  vi.useFakeTimers({ toFake: ["Date", "performance"] })
  gate = makeGate(more)
  return { passSeconds: seconds => void vi.advanceTimersByTime(seconds * 1000) }
}

describe("the realm's keys", () => {
  // CVE-2026-48524 (pyjwt): one fetch for all who wait; get-jwks has one for each key id
  it("are fetched once for 100 first verifications at once", async () => {
    const tokens = await Promise.all(Array.from({ length: 100 }, () => realm.mint()))
    const principals = await Promise.all(tokens.map(present))
    expect(new Set(principals.map(({ username }) => username))).toEqual(new Set(["ada"]))
    expect(fetches()).toBe(1)
  })

  // CVE-2025-59936 (get-jwks): the issuer is compared first, so that nothing in a token causes a request
  it("are not fetched for a token of another issuer", async () => {
    const token = await realm.mint({ iss: "https://elsewhere.example.test/realms/shop" })
    expect(await refusalOf(present(token))).toMatchObject({ code: "invalid_token", reason: "issuer", status: 401 })
    expect(realm.requests()).toBe(0)
  })

  // OIDC Core §10.1.1: an unknown kid is how a rotation shows
  it("are looked at again for a key that Keycloak has just begun to sign with", async () => {
    await present(await realm.mint())
    await realm.rotateKeys()
    await present(await realm.mint())
    expect(fetches()).toBe(2)
  })

  // the same: known keys ask nobody
  it("stay good without a further fetch while they are young", async () => {
    await present(await realm.mint())
    for (let count = 0; count < 20; count++) await present(await realm.mint())
    expect(fetches()).toBe(1)
  })
})

describe("while Keycloak is down", () => {
  // RFC 5861 §4 (stale-if-error): an outage logs nobody out
  it("known keys keep verifying", async () => {
    await present(await realm.mint())
    await realm.goDown()
    for (let count = 0; count < 20; count++) expect(await present(await realm.mint())).toMatchObject({ kind: "user" })
  })

  // the same: and costs one time-out, not one for each request
  it("known keys keep verifying beyond their age, and nobody waits for another time-out", async () => {
    const timeoutMs = 1500
    const { passSeconds } = makeGateWithClock({ keySet: { maxAgeSeconds: 0.5 }, timeoutMs })
    await present(await realm.mint())
    realm.breakWith(hangBeforeHeaders)
    passSeconds(0.6)
    await present(await realm.mint()) // finds out that Keycloak is down
    const twenty = async () => {
      for (let count = 0; count < 20; count++) await present(await realm.mint())
    }
    expect((await inOwnTime(twenty())).ms).toBeLessThan(timeoutMs)
  })

  // the same, bounded: a key that was removed during an outage must not live for ever
  it.each([
    ["by the first request after a quiet time", 0],
    ["by a request after others have found out", 1],
  ])("keys of six times their age are not used any more %s", async (_, requestsBefore) => {
    const { passSeconds } = makeGateWithClock({ keySet: { maxAgeSeconds: 0.5 } })
    await present(await realm.mint())
    await realm.goDown()
    for (let count = 0; count < requestsBefore; count++) {
      passSeconds(0.6)
      await present(await realm.mint())
    }
    passSeconds(3.1)
    expect(await refusalOf(present(await realm.mint()))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
  })

  // RFC 9110 §15.6.4: clients throw good tokens away on a 401
  it("an unknown key id is a 503, never a 401", async () => {
    await present(await realm.mint())
    await realm.rotateKeys()
    const token = await realm.mint()
    await realm.goDown()
    for (let count = 0; count < 8; count++) {
      expect(await refusalOf(present(token))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    }
  })

  // a failed load is no verdict: it is tried again, and no rejected promise is kept
  it("an unknown key id is looked up within a second of Keycloak's return, however many asked before", async () => {
    await present(await realm.mint())
    await realm.rotateKeys()
    const token = await realm.mint()
    await realm.goDown()
    await Promise.all(Array.from({ length: 50 }, () => refusalOf(present(token))))
    for (let count = 0; count < 8; count++) await refusalOf(present(token))
    await realm.heal()
    expect(await ownTimeUntil(() => present(token).then(Boolean, () => false))).toBeLessThan(1500)
  })

  // RFC 5861 §4: an answer without keys is an outage
  it("an empty key set takes no known key away", async () => {
    const { passSeconds } = makeGateWithClock({ keySet: { maxAgeSeconds: 0.5 } })
    await present(await realm.mint())
    realm.breakWith(answerWith({ status: 200, body: '{"keys":[]}' }), { at: paths.certs })
    passSeconds(0.6)
    await present(await realm.mint())
    expect(fetches()).toBe(2)
  })

  // the same at the first load: it is retried
  it.each([
    ["an empty key set", '{"keys":[]}'],
    ["a key set of encryption keys", '{"keys":[{"kid":"a","kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]}'],
    ["keys that are no list", '{"keys":{"kid":"a"}}'],
  ])("%s is a 503, and heals", async (_, body) => {
    realm.breakWith(answerWith({ status: 200, body }))
    expect(await refusalOf(present(await realm.mint()))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    await realm.heal()
    await present(await realm.mint())
  })
})

describe("keys that can't be renewed", () => {
  /** Events of this kind, as a log would keep them. */
  function makeGateThatTells() {
    const heard: GateEvent[] = []
    const clock = makeGateWithClock({ onEvent: event => heard.push(event) })
    return { ...clock, told: () => heard.filter(event => event.type === "keys_ageing") }
  }

  // RFC 5861 §4: stale answers are for a while, and the operator has that long
  it("are told once an outage, fifty minutes before everybody is refused", async () => {
    const { passSeconds, told } = makeGateThatTells()
    for (let outage = 1; outage <= 2; outage++) {
      await present(await realm.mint())
      await realm.goDown()
      for (let minute = 0; minute < 59; minute++) {
        passSeconds(60)
        await present(await realm.mint())
        expect(told()).toHaveLength(minute < 10 ? outage - 1 : outage)
      }
      const { ageSeconds, usableForSeconds, error } = told()[outage - 1] ?? expect.unreachable()
      expect([ageSeconds + usableForSeconds, ageSeconds]).toEqual([3600, 660])
      expect(error).toMatchObject({ code: "keycloak_unavailable", message: expect.stringContaining("ECONNREFUSED") })
      passSeconds(61)
      expect(await refusalOf(present(await realm.mint()))).toMatchObject({ code: "keycloak_unavailable" })
      await realm.heal()
      passSeconds(1)
    }
  })

  // RFC 9110 §15.6.4: whoever comes when Keycloak is back is not told of the outage that is over
  it("are waited for by everybody who comes after a long outage", async () => {
    const { passSeconds } = makeGateWithClock()
    await present(await realm.mint())
    await realm.goDown()
    passSeconds(4000)
    await refusalOf(present(await realm.mint()))
    await realm.heal()
    passSeconds(1)
    const tokens = await Promise.all(Array.from({ length: 50 }, () => realm.mint()))
    await Promise.all(tokens.map(present))
    expect(fetches()).toBe(2)
  })
})

describe("a key that Keycloak has removed", () => {
  // GHSA-675f-rq2r-jw82: the set is replaced, not merged; aws-jwt-verify and keycloak-connect never age keys
  it("dies after maxAgeSeconds, and its remembered tokens with it", async () => {
    const { passSeconds } = makeGateWithClock({ keySet: { maxAgeSeconds: 0.25 } })
    const token = await realm.mint()
    await present(token)
    await realm.rotateKeys({ removeOld: true })

    passSeconds(0.2)
    await present(token)
    passSeconds(0.06)
    expect(await refusalOf(present(token))).toMatchObject({ code: "invalid_token", reason: "key", status: 401 })
    await present(await realm.mint())
  })

  // CVE-2026-48524 (pyjwt): remembered tokens of a removed key must not become a flood
  it("costs one look-up per remembered token that is still presented, not two", async () => {
    const { passSeconds } = makeGateWithClock({ keySet: { maxAgeSeconds: 0.25 } })
    const token = await realm.mint()
    await present(token)
    realm.breakWith(answerWith({ status: 200, body: otherKeys }))
    passSeconds(0.3)
    await refusalOf(present(token))
    expect(fetches()).toBeLessThanOrEqual(3) // at first, for their age, and for the key id
  })

  // the same as GHSA-675f-rq2r-jw82, the other way round
  it("comes back when Keycloak publishes it again", async () => {
    const { passSeconds } = makeGateWithClock({ keySet: { maxAgeSeconds: 0.25 } })
    const token = await realm.mint()
    await present(token)
    realm.breakWith(answerWith({ status: 200, body: otherKeys }))
    passSeconds(0.3)
    expect(await refusalOf(present(token))).toMatchObject({ reason: "key" })
    await realm.heal()
    passSeconds(0.3)
    await present(token)
  })
})
