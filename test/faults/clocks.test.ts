import { mock } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createGate, type Gate, type GateOptions } from "../../src/index.js"
import { answerWith, holdUp } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { ownTimeUntil } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { refusalOf } from "../support/refusal-of.ts"
import { forge } from "../support/sign-by-hand.ts"

let realm: FaultyRealm
let gate: Gate<null>
const fetches = () => realm.requests(paths.certs)
const present = (token: string) => gate.verifyBearer(`Bearer ${token}`, {})
const verdict = (token: string) =>
  present(token).then(
    () => "accepted",
    ({ code, reason }) => (reason === undefined ? code : `${code} ${reason}`) as string,
  )
const isAccepted = async (token: string) => (await verdict(token)) === "accepted"

beforeEach(async () => {
  realm = await startFaultyRealm()
  makeGate()
})
afterEach(async () => {
  vi.useRealTimers()
  mock.timers.reset()
  gate.close()
  await realm.close()
})

function makeGate(keySet: GateOptions<never>["keySet"] = {}): void {
  gate?.close()
  gate = createGate({ ...realm.gateOptions, timeoutMs: 10_000, keySet, onEvent: () => undefined, userStore: undefined })
}

const hour = 3600
const day = 24 * hour
const jumps = [-hour, -day, hour, day]
/** Of the wall clock alone: what an administrator, a time server or a virtual machine does to it. */
function jump(seconds: number): void {
  const now = Date.now() + seconds * 1000
  vi.useFakeTimers({ toFake: ["Date"], now })
}
/** Valid before and after each jump. */
const longLived = () => {
  const now = Math.floor(Date.now() / 1000)
  return realm.mint({ iat: now - 2 * day, exp: now + 2 * day })
}

describe.each(jumps)("a wall clock that jumps by %i s", seconds => {
  it("in the middle of a cool-down: an unknown key id is answered, and a rotated key honoured", async () => {
    const good = await longLived()
    await present(good)
    for (const kid of ["x", "y", "z", "z"]) expect(await verdict(forge(good, kid))).toBe("invalid_token key")
    jump(seconds)
    for (const kid of ["v", "w", "w"]) expect(await verdict(forge(good, kid))).toBe("invalid_token key")
    await realm.rotateKeys()
    const token = await realm.mint()
    expect(await ownTimeUntil(() => isAccepted(token))).toBeLessThan(1000)
    expect(fetches()).toBeLessThanOrEqual(6)
  })

  it("in the middle of an outage: known keys go on, and what is back is found", async () => {
    makeGate({ maxAgeSeconds: 0.5, cooldownSeconds: 2 })
    const good = await longLived()
    await present(good)
    await realm.goDown()
    await delay(600)
    expect(await verdict(good)).toBe("accepted")
    jump(seconds)
    expect(await verdict(good)).toBe("accepted")
    await realm.heal()
    await realm.rotateKeys()
    const token = await realm.mint()
    expect(await ownTimeUntil(() => isAccepted(token))).toBeLessThan(2000)
  })

  it("in the middle of a load: its answer is taken, and nothing is fetched twice", async () => {
    const { fault, letGo } = holdUp()
    realm.breakWith(fault, { at: paths.certs, times: 1 })
    const token = await longLived()
    const accepted = verdict(token)
    await expect.poll(fetches).toBe(1)
    jump(seconds)
    await letGo()
    expect(await accepted).toBe("accepted")
    expect(await verdict(await longLived())).toBe("accepted")
    expect(fetches()).toBe(1)
  })

  it("keeps no removed key alive, and takes no good one away", async () => {
    makeGate({ maxAgeSeconds: 1 })
    const good = await longLived()
    await present(good)
    await realm.rotateKeys({ removeOld: true })
    jump(seconds)
    expect(await verdict(good)).toBe("accepted")
    expect(fetches()).toBe(1)
    await delay(1001)
    expect(await verdict(good)).toBe("invalid_token key")
  })
})

describe("a fake clock that is put on a gate which exists", () => {
  const fakes: readonly { readonly name: string; readonly putOn: () => void; readonly pass: (s: number) => void }[] = [
    {
      name: "Vitest's and Jest's (@sinonjs/fake-timers), of Date",
      putOn: () => void vi.useFakeTimers({ toFake: ["Date"] }),
      pass: s => void vi.setSystemTime(Date.now() + s * 1000),
    },
    {
      name: "Vitest's and Jest's, of Date and performance",
      putOn: () => void vi.useFakeTimers({ toFake: ["Date", "performance"] }),
      pass: s => void vi.advanceTimersByTime(s * 1000),
    },
    {
      name: "node:test's",
      putOn: () => mock.timers.enable({ apis: ["Date"], now: Date.now() }),
      pass: s => mock.timers.tick(s * 1000),
    },
  ]

  it.each(fakes)("$name: an expired token is refused, be it remembered or not", async ({ putOn, pass }) => {
    const remembered = await realm.mint()
    const unseen = await realm.mint()
    await present(remembered)
    putOn()
    expect(await verdict(remembered)).toBe("accepted")
    pass(301 + 5)
    expect(await verdict(remembered)).toBe("invalid_token expired")
    expect(await verdict(unseen)).toBe("invalid_token expired")
    expect(await verdict(await realm.mint())).toBe("accepted")
  })

  it("of performance: keys grow old by it, also when it begins anew and when it is taken off", async () => {
    const good = await longLived()
    await present(good)
    expect(performance.now()).toBeGreaterThan(100)
    vi.useFakeTimers({ toFake: ["Date", "performance"] })
    expect(await verdict(good)).toBe("accepted")
    expect(fetches()).toBe(2)
    await realm.rotateKeys({ removeOld: true })
    vi.advanceTimersByTime(599_000)
    expect(await verdict(good)).toBe("accepted")
    vi.advanceTimersByTime(1001)
    expect(await verdict(good)).toBe("invalid_token key")
    vi.advanceTimersByTime(day * 1000)
    expect(await verdict(await realm.mint())).toBe("accepted")
    vi.useRealTimers()
    expect(await verdict(await realm.mint())).toBe("accepted")
  })

  it("of performance, while Keycloak is down: known keys go on, and its return is noticed", async () => {
    const good = await longLived()
    await present(good)
    realm.breakWith(answerWith({ status: 503 }), { at: paths.certs })
    await refusalOf(present(forge(good, "x")))
    vi.useFakeTimers({ toFake: ["Date", "performance"] })
    expect(await verdict(good)).toBe("accepted")
    await realm.heal()
    await realm.rotateKeys()
    vi.advanceTimersByTime(3000)
    expect(await verdict(await realm.mint())).toBe("accepted")
  })
})
