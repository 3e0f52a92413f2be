import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent, type GateOptions } from "../../src/index.js"
import { answerLate, hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import type { Fault } from "../support/faulty-server.ts"
import { inOwnTime } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

let realm: FaultyRealm
let gate: Gate<null>
let events: GateEvent[]
beforeEach(async () => {
  realm = await startFaultyRealm()
  events = []
})
afterEach(async () => {
  await gate?.close()
  await realm.close()
})

function makeGate(options: Partial<GateOptions<never>> = {}): void {
  const onEvent = (event: GateEvent) => events.push(event)
  gate = createGate({ ...realm.gateOptions, verification: "introspection", onEvent, ...options, userStore: undefined })
}

const tokens = (length: number) => Promise.all(Array.from({ length }, () => realm.mint()))
const verify = (token: string) => gate.verifyBearer(`Bearer ${token}`, {})
const states = () => events.map(event => ("error" in event ? (event.error.reason ?? event.type) : event.type))

/** Counts how many requests are under way at once. */
function countAtOnce(): { fault: Fault; most: () => number } {
  let now = 0
  let most = 0
  return {
    most: () => most,
    async fault(exchange) {
      now += 1
      most = Math.max(most, now)
      await answerLate(20)(exchange)
      now -= 1
    },
  }
}

describe("requests to Keycloak", () => {
  it("are 64 at once, and 200 that come at once are all answered", async () => {
    makeGate({ timeoutMs: 60_000 })
    const atOnce = countAtOnce()
    realm.breakWith(atOnce.fault, { at: paths.introspection })
    const principals = await Promise.all((await tokens(200)).map(verify))
    expect(new Set(principals.map(({ username }) => username))).toEqual(new Set(["ada"]))
    expect(atOnce.most()).toBe(64)
    expect(events).toEqual([])
  })

  it("of anonymous callers take no place of verification, and none waits for the keys", async () => {
    makeGate({ maxConcurrentRequests: 2, verification: "userinfo" })
    realm.breakWith(hangBeforeHeaders, { at: paths.token })
    const login = () => refusalOf(gate.loginWithPassword({ username: "ada", password: secrets.password }))
    const logins = Array.from({ length: 20 }, login)
    await expect.poll(() => realm.requests(paths.token)).toBe(2)
    const [token = ""] = await tokens(1)
    await verify(token)
    await gate.close()
    expect(new Set((await Promise.all(logins)).map(({ code }) => code))).toEqual(new Set(["closed"]))
    expect(realm.requests(paths.token)).toBe(2)
  })

  it("whose place comes too late are an overload, which is no outage", async () => {
    const timeoutMs = 1000
    makeGate({ maxConcurrentRequests: 1, timeoutMs })
    realm.breakWith(answerLate(0.7 * timeoutMs), { at: paths.introspection })
    const outcomes = await Promise.all(
      (await tokens(4)).map(token =>
        verify(token).then(
          ({ username }) => username,
          ({ code, reason }) => `${code} ${reason}`,
        ),
      ),
    )
    expect(outcomes).toEqual([
      "ada",
      // It was sent, so it may have been done.
      "keycloak_unavailable undefined",
      "keycloak_unavailable overload",
      "keycloak_unavailable overload",
    ])
    expect(realm.requests(paths.introspection)).toBe(2)
    expect(states()).toEqual(["overload"])
    expect(gate.health().keycloak).toBe("up")
  })

  it("wait for no place while Keycloak is silent, and those that have one find out when it is back", async () => {
    const timeoutMs = 1000
    makeGate({ maxConcurrentRequests: 2, timeoutMs })
    const [first = "", second = "", ...others] = await tokens(8)
    realm.breakWith(hangBeforeHeaders, { at: paths.introspection })
    const early = [first, second, ...others].map(token => refusalOf(verify(token)))
    expect((await Promise.all(early)).map(({ reason }) => reason)).toEqual([
      undefined,
      undefined,
      ...Array(6).fill("overload"),
    ])
    expect(realm.requests(paths.introspection)).toBe(2)

    const probes = [first, second].map(token => refusalOf(verify(token)))
    await expect.poll(() => realm.requests(paths.introspection)).toBe(4)
    const { ms, result: refused } = await inOwnTime(Promise.all(others.map(token => refusalOf(verify(token)))))
    expect(refused.map(({ code, reason }) => `${code} ${reason}`)).toEqual(
      Array(6).fill("keycloak_unavailable overload"),
    )
    expect(ms).toBeLessThan(timeoutMs / 2)
    await Promise.all(probes)
    expect(states()).toEqual(["keycloak_down"])

    await realm.heal()
    await verify(first)
    expect(events).toMatchObject([{ endpoints: ["introspection"] }, { type: "keycloak_up", refused: 16 }])
    await Promise.all(others.map(verify))
  })
})
