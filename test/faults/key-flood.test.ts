import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateError } from "../../src/index.js"
import { answerWith, hangBeforeHeaders, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { ownTimeUntil } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { forge } from "../support/sign-by-hand.ts"

type Fault = Parameters<FaultyRealm["breakWith"]>[0]

let realm: FaultyRealm
let gate: Gate<null>
const fetches = () => realm.requests(paths.certs)
const present = (token: string) => gate.verifyBearer(`Bearer ${token}`, {})

beforeEach(async () => {
  realm = await startFaultyRealm()
  gate = createGate({ ...realm.gateOptions, timeoutMs: 10_000, onEvent: () => undefined, userStore: undefined })
})
afterEach(async () => {
  gate.close()
  await realm.close()
})

describe("5,000 tokens with random key ids", () => {
  const reasons = new Set<string>()
  let good = ""
  /** Without a look for secrets in each: that takes longer than all the rest. */
  function present5000th(share: number): Promise<unknown> {
    const tokens = Array.from({ length: 5000 * share }, () => forge(good, randomUUID()))
    const refused = ({ code, reason }: GateError) => reasons.add(`${code} ${reason}`)
    return Promise.all(tokens.map(token => present(token).then(() => reasons.add("let in"), refused)))
  }

  beforeEach(async () => {
    reasons.clear()
    good = await realm.mint()
    await present(good)
  })
  afterEach(() => {
    expect([...reasons]).toEqual(["invalid_token key"])
    expect(fetches() - 1).toBeLessThanOrEqual(5)
  })

  // CVE-2026-48524 (pyjwt); @fastify/jwt with get-jwks: one fetch for each kid
  it("cause at most 5 further fetches when they come at once", () => present5000th(1))

  // the same: the budget is shared, whoever asks and when
  it("cause at most 5 further fetches when they come one after the other", async () => {
    for (let wave = 0; wave < 50; wave++) await present5000th(1 / 50)
  })

  // jwks-rsa: its rate limit lets a flood lock a rotation out
  it("do not keep a key that was rotated in their middle from being honoured within a second", async () => {
    const flood: Promise<unknown>[] = []
    for (let wave = 0; wave < 10; wave++) {
      flood.push(present5000th(1 / 20))
      await delay(20)
    }
    await realm.rotateKeys()
    const token = await realm.mint()
    const honoured = msUntilAccepted(token)
    for (let wave = 0; wave < 10; wave++) {
      flood.push(present5000th(1 / 20))
      await delay(20)
    }
    expect(await honoured).toBeLessThan(1000)
    await Promise.all(flood)
  })

  // the same: a flood evicts and delays no good key
  it("do not make the tokens of known keys wait", async () => {
    const token = await realm.mint()
    realm.breakWith(hangBeforeHeaders, { at: paths.certs, times: 1 })
    const flood = present5000th(1)
    await expect.poll(fetches).toBe(2) // the look-up that the flood waits for
    expect(await present(token)).toMatchObject({ username: "ada" })
    expect([...reasons]).toEqual([])
    gate.close()
    await flood
    reasons.clear()
    reasons.add("invalid_token key")
  })
})

describe("a flood of every kind of token", () => {
  let good = ""
  function makeGate(cooldownSeconds?: number): void {
    gate.close()
    const options = { ...realm.gateOptions, timeoutMs: 1000, onEvent: () => undefined, userStore: undefined }
    gate = createGate({ ...options, keySet: { cooldownSeconds } })
  }
  beforeEach(async () => {
    good = await realm.mint()
  })

  /** Presents them until it is told to stop; tells then how often keys were fetched, and in how many cool-downs of 1 s. */
  function startFlood(): { readonly stop: () => Promise<{ readonly fetched: number; readonly cooldowns: number }> } {
    const { kid } = JSON.parse(Buffer.from(good.split(".")[0] ?? "", "base64url").toString())
    const replayed = Array.from({ length: 20 }, () => forge(good, randomUUID()))
    const others = ["PS256", "RS512", "ES256", "EdDSA"].map(alg => forge(good, kid, alg))
    const presented: Promise<unknown>[] = []
    const before = fetches()
    const begun = performance.now()
    let isOn = true
    const running = (async () => {
      while (isOn) {
        const random = Array.from({ length: 20 }, () => forge(good, randomUUID()))
        for (const token of [...random, ...replayed, ...others, forge(good)]) {
          presented.push(present(token).catch(() => undefined))
        }
        await delay(20)
      }
      await Promise.all(presented)
    })()
    return {
      async stop() {
        isOn = false
        await running
        return { fetched: fetches() - before, cooldowns: Math.ceil((performance.now() - begun) / 1000) }
      },
    }
  }

  it.each<[string, Fault | null, boolean]>([
    ["answers", null, true],
    ["answers 503", answerWith({ status: 503 }), true],
    ["answers 503 from the start", answerWith({ status: 503 }), false],
    ["resets connections", reset, true],
  ])("causes at most 5 fetches per cool-down while Keycloak %s", async (_, fault, isKnown) => {
    makeGate(1)
    if (isKnown) await present(good)
    if (fault !== null) realm.breakWith(fault, { at: paths.certs })
    const flood = startFlood()
    await delay(2500)
    const { fetched, cooldowns } = await flood.stop()
    expect(fetched).toBeGreaterThan(2)
    // The first load is beside them.
    expect(fetched).toBeLessThanOrEqual(5 * cooldowns + (isKnown ? 0 : 1))
  })

  it("does not keep a key that was rotated in its middle from being honoured within a second", async () => {
    makeGate()
    await present(good)
    const flood = startFlood()
    await delay(1500)
    await realm.rotateKeys()
    expect(await msUntilAccepted(await realm.mint())).toBeLessThan(1000)
    await flood.stop()
  })
})

const msUntilAccepted = (token: string) => ownTimeUntil(() => present(token).then(Boolean, () => false))
