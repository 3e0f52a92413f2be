import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateError } from "../../src/index.js"
import { hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { forge } from "../support/sign-by-hand.ts"

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

describe("5,000 tokens with random key ids", { timeout: 60_000 }, () => {
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

/** Without the time by which plain timers were late meanwhile, since that is the machine's. */
async function msUntilAccepted(token: string): Promise<number> {
  const pause = 20
  const started = performance.now()
  let lateBy = 0
  for (let tries = 0; tries < 500; tries++) {
    if (await present(token).then(Boolean, () => false)) return performance.now() - started - lateBy
    const before = performance.now()
    await delay(pause)
    lateBy += performance.now() - before - pause
  }
  throw new Error("never accepted")
}
