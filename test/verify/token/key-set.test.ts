import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { GateError } from "../../../src/errors.js"
import type { GateEvent } from "../../../src/events.js"
import { unavailable } from "../../../src/keycloak/network-error.js"
import type { Jwk } from "../../../src/verify/token/fetch-keys.js"
import { createKeySet, type KeySet } from "../../../src/verify/token/key-set.js"

const certsUrl = "https://sso.example.test/realms/shop/protocol/openid-connect/certs"
const rsa = (kid: unknown, more: Record<string, unknown> = {}) => ({
  kid,
  kty: "RSA",
  use: "sig",
  n: "AQAB",
  e: "AQAB",
  ...more,
})

/** A key set that lives by the clock of the test, and what it fetches. */
interface World {
  readonly set: KeySet
  keys: unknown
  /** What fetching throws, if anything. */
  failure: Error | null
  status: number
  /** Fetching waits for `release`. */
  hangs: boolean
  release: () => void
  /** Seconds at which it fetched. */
  readonly fetchedAt: number[]
  readonly requests: unknown[][]
  readonly events: GateEvent[]
  /** Milliseconds by which a test sets the clock of intervals. */
  jump: number
}

const start = 1_800_000_000_000
const seconds = () => (Date.now() - start) / 1000
const pass = (s: number) => vi.advanceTimersByTimeAsync(s * 1000)
const down = () => unavailable(certsUrl, "it is down")
const unavailableError = expect.objectContaining({ code: "keycloak_unavailable" })

let world: World
beforeEach(() => {
  vi.useFakeTimers({ now: start })
  world = makeWorld()
})
afterEach(() => {
  vi.useRealTimers()
})

function makeWorld(maxAgeSeconds = 600, cooldownSeconds = 10): World {
  const made: Omit<World, "set"> = {
    keys: [rsa("a")],
    failure: null,
    status: 200,
    hangs: false,
    release: () => undefined,
    fetchedAt: [],
    requests: [],
    events: [],
    jump: 0,
  }
  const transport = {
    async fetch(...request: unknown[]) {
      made.requests.push(request)
      made.fetchedAt.push(seconds())
      await Promise.resolve()
      if (made.hangs) await new Promise<void>(resolve => Object.assign(made, { release: resolve }))
      if (made.failure !== null) throw made.failure
      return new Response(JSON.stringify({ keys: made.keys }), { status: made.status })
    },
  }
  const report = (event: GateEvent) => void made.events.push(event)
  const elapsed = () => performance.now() + made.jump
  const options = { transport: transport as never, certsUrl, maxAgeSeconds, cooldownSeconds, timeoutMs: 5000 }
  return Object.assign(made, { set: createKeySet({ ...options, background: () => undefined, report, elapsed }) })
}

/** The only key of this id for RS256, or null. */
async function find(kid: string): Promise<Jwk | null> {
  const keys = await world.set.find(kid, "RS256")
  expect(keys.length).toBeLessThan(2)
  return keys[0] ?? null
}

/** Finds while time passes, so that a look-up which waits for its turn gets it. */
async function findLater(kid: string, waitSeconds = 10): Promise<unknown> {
  const found = find(kid)
  found.catch(() => undefined)
  await pass(waitSeconds)
  return found
}

describe("createKeySet", () => {
  it("fetches nothing by itself, and once for all who ask at first", async () => {
    await pass(60)
    expect(world.set.held("a", "RS256")).toEqual([])
    expect(world.set.state()).toBeNull()
    expect(world.fetchedAt).toEqual([])
    const found = await Promise.all([find("a"), find("a"), find("a")])
    expect(found).toEqual([rsa("a"), rsa("a"), rsa("a")])
    const call = { endpoint: "keys", share: "own", isRepeatable: true }
    expect(world.requests).toEqual([[certsUrl, call, { headers: { accept: "application/json" } }]])
  })

  it("knows without a request that a key is published, and of none once that is too old", async () => {
    const key = (await find("a")) as Jwk
    expect(world.set.publishes(key)).toBe(true)
    expect(world.set.publishes({ ...key })).toBe(false)
    expect(world.fetchedAt).toEqual([0])
    world.failure = down()
    await pass(600)
    expect(world.set.publishes(key)).toBe(true)
    await pass(0.001)
    expect(world.set.publishes(key)).toBe(false)
  })

  it("fetches again when its keys are older than their age, and then replaces all of them", async () => {
    const key = (await find("a")) as Jwk
    world.keys = [rsa("b")]
    await pass(600.001)
    expect(world.fetchedAt).toEqual([0])
    // Not twice: those keys are newer than the question.
    expect(await find("a")).toBeNull()
    expect(world.set.publishes(key)).toBe(false)
    expect(await find("b")).toEqual(rsa("b"))
    expect(world.fetchedAt).toEqual([0, 600.001])
  })

  it.each<[string, (key: Jwk) => unknown]>([
    ["is looked for", key => find(key.kid)],
    ["was remembered", key => expect(world.set.publishes(key)).toBe(true)],
  ])("fetches ahead of their age when a key %s then, and nobody waits for it", async (_, ask) => {
    const key = (await find("a")) as Jwk
    await pass(540)
    await ask(key)
    expect(world.fetchedAt).toEqual([0])
    await pass(0.001)
    world.hangs = true
    await Promise.all([ask(key), ask(key)])
    await pass(59.999)
    await ask(key)
    expect(world.fetchedAt).toEqual([0, 540.001])
    await pass(0.001)
    const tooLate = find("a")
    world.hangs = false
    world.release()
    expect(await tooLate).toBe(key)
    expect(world.fetchedAt).toEqual([0, 540.001])
    await pass(480) // 540 s after the question
    await ask(key)
    expect(world.fetchedAt).toEqual([0, 540.001])
    await pass(0.001)
    await ask(key)
    expect(world.fetchedAt).toEqual([0, 540.001, 1080.002])
  })

  it("asks ahead twice a half second later while that fails, then every three, and goes on", async () => {
    const key = (await find("a")) as Jwk
    await pass(540.001)
    world.failure = down()
    for (let count = 0; count < 40; count++) {
      expect(world.set.publishes(key)).toBe(true)
      await pass(0.25)
    }
    expect(world.fetchedAt).toEqual([0, 540.001, 540.501, 541.001, 541.501, 544.501, 547.501])
    world.failure = null
    await pass(0.5)
    expect(world.set.publishes(key)).toBe(true)
    await pass(539)
    expect(world.fetchedAt).toHaveLength(8)
    expect(world.set.publishes(key)).toBe(true)
    expect(world.fetchedAt).toHaveLength(8)
  })

  it("finds the key of an id for an algorithm: a keystore that serves two is published once for each", async () => {
    const [forRs, forPs] = [rsa("a", { alg: "RS256" }), rsa("a", { alg: "PS256" })]
    world.keys = [forRs, forPs, rsa("b")]
    const keys = await world.set.find("a", "PS256")
    expect(keys).toEqual([forPs])
    expect(await world.set.find("a", "RS256")).toEqual([forRs])
    await world.set.load()
    expect((await world.set.find("a", "PS256"))[0]).toBe(keys[0])
    expect(keys.map(world.set.publishes)).toEqual([true])
  })

  it("finds every key of an id that names no algorithm, beside the one that names it", async () => {
    const both = [rsa("a"), rsa("a", { alg: "PS256" })]
    world.keys = both
    expect(await world.set.find("a", "PS256")).toEqual(both)
    expect(await world.set.find("a", "RS256")).toEqual([rsa("a")])
    expect(world.fetchedAt).toEqual([0])
  })

  it("looks again at once for an algorithm that is new to a known id, within the budget for unknown ids", async () => {
    const forRs = rsa("a", { alg: "RS256" })
    world.keys = [forRs]
    expect(await find("a")).toEqual(forRs)
    const forPs = rsa("a", { alg: "PS256" })
    world.keys = [forRs, forPs]
    expect(await world.set.find("a", "PS256")).toEqual([forPs])
    expect(world.fetchedAt).toEqual([0, 0])
    for (const alg of ["RS384", "RS512", "PS384", "PS512"]) {
      const found = world.set.find("a", alg)
      await pass(1)
      expect(await found).toEqual([])
    }
    expect(world.fetchedAt.length).toBe(4)
    expect(await find("a")).toEqual(forRs)
  })

  it("keeps the object of a key whose text has not changed, and no other", async () => {
    world.keys = [rsa("a"), rsa("b")]
    const [a, b] = [await find("a"), await find("b")]
    world.keys = [rsa("a"), rsa("b", { n: "AQABAQAB" })]
    await world.set.load()
    expect(await find("a")).toBe(a)
    expect(await find("b")).not.toBe(b)
    expect(await find("b")).toMatchObject({ n: "AQABAQAB" })
  })

  it.each<[string, unknown]>([
    ["for encryption", rsa("x", { use: "enc" })],
    ["of an unknown use", rsa("x", { use: "both" })],
    ["with a use of null", rsa("x", { use: null })],
    ["that is symmetric", { kid: "x", kty: "oct", k: "AQAB" }],
    ["without a kind", { kid: "x", use: "sig" }],
    ["of a strange kind", rsa("x", { kty: 1 })],
  ])("ignores a key %s", async (_, jwk) => {
    world.keys = [jwk, rsa("a")]
    expect(await findLater("x")).toBeNull()
    expect(await find("a")).not.toBeNull()
  })

  it.each([[null], [5], ["x"], [[]], [{}], [rsa("")], [rsa(7)], [rsa(null)]])("survives the entry %j", async entry => {
    world.keys = [entry, rsa("a"), { kid: "b", kty: "EC" }]
    expect(await find("a")).toEqual(rsa("a"))
    expect(await find("b")).toEqual({ kid: "b", kty: "EC" })
    expect(await findLater("")).toBeNull()
  })

  it.each([[[]], [null], [undefined], ["x"], [{ a: rsa("a") }], [[rsa("x", { use: "enc" })]]])(
    "calls the key set %j an outage and tries again",
    async keys => {
      world.keys = keys
      await expect(find("a")).rejects.toEqual(unavailableError)
      world.keys = [rsa("a")]
      expect(await find("a")).toEqual(rsa("a"))
    },
  )

  it.each([201, 204, 400, 401, 403, 404])("calls the status %i an outage, and says what to look at", async status => {
    Object.assign(world, { status: status === 204 ? 203 : status })
    await expect(find("a")).rejects.toMatchObject({
      code: "keycloak_unavailable",
      message: expect.stringMatching(/key set answered \d+; check `serverUrl` and `realm`/),
    })
  })

  it("says what a key set lacks", async () => {
    world.keys = []
    await expect(find("a")).rejects.toThrow("holds no key that can check a signature")
  })

  it("throws what fetching threw, to all who waited, and remembers no failed first try", async () => {
    world.failure = down()
    const results = await Promise.allSettled([find("a"), find("b")])
    expect(results).toEqual(Array(2).fill({ status: "rejected", reason: world.failure }))
    expect(world.fetchedAt).toEqual([0])
    world.failure = null
    expect(await find("a")).toEqual(rsa("a"))
  })

  describe("asked for an unknown key id", () => {
    beforeEach(() => find("a"))

    it("looks again at once, and finds what Keycloak has begun to sign with", async () => {
      world.keys = [rsa("b"), rsa("a")]
      expect(await find("b")).toEqual(rsa("b"))
      expect(world.fetchedAt).toEqual([0, 0])
    })

    it("looks once for all who ask meanwhile", async () => {
      const all = Promise.all(Array.from({ length: 1000 }, (_, index) => find(`x${index}`)))
      expect(new Set(await all)).toEqual(new Set([null]))
      expect(world.fetchedAt).toEqual([0, 0])
    })

    it("looks 5 times per cool-down, two of them for ids it has refused unseen, and then says no without a request", async () => {
      for (let count = 0; count < 3; count++) await findLater(`x${count}`, 1)
      for (const kid of ["y", "y", "z", "z", "z"]) expect(await findLater(kid, 1)).toBeNull()
      expect(world.fetchedAt).toEqual([0, 0, 1, 2, 4, 6])
      const answered = vi.fn()
      for (const kid of ["x0", "v", "v"]) void find(kid).then(answered)
      await pass(0)
      expect(answered.mock.calls).toEqual([[null], [null], [null]])
      expect(world.fetchedAt).toHaveLength(6)
    })

    it("has one for an id only until it was looked for, be it for another id's sake", async () => {
      for (let count = 0; count < 3; count++) await findLater(`x${count}`, 1)
      for (const kid of ["y", "z", "y", "z", "z"]) expect(await findLater(kid, 1)).toBeNull()
      expect(world.fetchedAt).toEqual([0, 0, 1, 2, 5])
    })

    it("has none of those that are kept for a known id under another algorithm", async () => {
      world.keys = [rsa("a", { alg: "RS256" }), rsa("b")]
      for (let count = 0; count < 3; count++) await findLater(`x${count}`, 1)
      for (let count = 0; count < 3; count++)
        expect(await world.set.find("a", "PS256").then(keys => keys.length)).toBe(0)
      expect(world.fetchedAt).toEqual([0, 0, 1, 2])
    })

    it("lets whoever asks while a kept look-up waits for its turn have its answer too", async () => {
      for (let count = 0; count < 3; count++) await findLater(`x${count}`, count === 2 ? 0 : 1)
      await find("y")
      const kept = find("y")
      world.keys = [rsa("b"), rsa("a")]
      const other = find("b")
      await pass(0.6)
      expect([await kept, await other]).toEqual([null, rsa("b")])
      expect(world.fetchedAt).toEqual([0, 0, 1, 2, 2.6])
    })

    it("lets whoever asks during a fetch wait for it, also when the budget is used up", async () => {
      for (const kid of ["x", "x", "x", "y", "y", "z", "z"]) await findLater(kid, 1)
      world.hangs = true
      void world.set.load()
      world.keys = [rsa("b"), rsa("a")]
      const found = find("b")
      await pass(1)
      world.release()
      expect(await found).toEqual(rsa("b"))
    })

    it("lets whoever asks during the last look-up of a budget wait for it", async () => {
      for (let count = 0; count < 2; count++) await findLater(`x${count}`, 1)
      world.keys = [rsa("b"), rsa("a")]
      expect(await Promise.all([find("x2"), find("b"), find("x3")])).toEqual([null, rsa("b"), null])
      expect(world.fetchedAt).toEqual([0, 0, 1, 2])
    })

    it("looks again when the first look-up of the cool-down has become old", async () => {
      for (let count = 0; count < 8; count++) await findLater("x", 1)
      expect(world.fetchedAt).toEqual([0, 0, 1, 2])
      world.keys = [rsa("b")]
      await pass(1.999) // 9.999 s after the first look-up
      expect(await findLater("b", 0)).toBeNull()
      expect(world.fetchedAt).toHaveLength(4)
      await pass(0.001)
      expect(await findLater("c", 1)).toBeNull()
      expect(world.fetchedAt).toHaveLength(5)
    })

    it("waits 0.2 s before the second look-up, 0.4 s before the third, up to 0.8 s: five within 2 s", async () => {
      const flood = (async () => {
        for (const kid of ["x", "x", "x", "y", "y", "z", "z"]) await find(kid)
      })()
      await pass(3)
      await flood
      expect(world.fetchedAt).toEqual([0, 0, 0.2, 0.6, 1.2, 2])
    })

    it("finds a key that was rotated in the middle of a flood of random ids within a second, when it is asked for again", async () => {
      for (let count = 0; count < 5000; count++) void find(`x${count}`)
      await pass(0)
      for (let count = 0; count < 5000; count++) await findLater(`y${count}`, count < 3 ? 1 : 0)
      expect(world.fetchedAt).toHaveLength(4)
      world.keys = [rsa("b"), rsa("a")]
      expect(await findLater("b", 0)).toBeNull()
      expect(await findLater("b", 0.6)).toEqual(rsa("b"))
    })

    it("keeps what is kept from a flood that repeats its ids, and from known ids with other algorithms", async () => {
      world.keys = [rsa("a", { alg: "RS256" })]
      await world.set.load()
      const ids = Array.from({ length: 20 }, (_, index) => `x${index}`)
      for (let round = 0; round < 9; round++) {
        for (const kid of ids) void find(kid)
        for (const alg of ["PS256", "RS512"]) void world.set.find("a", alg)
        await pass(0.9)
      }
      expect(world.fetchedAt).toHaveLength(5)
      world.keys = [rsa("b"), rsa("a")]
      expect(await findLater("b", 0)).toBeNull()
      expect(await findLater("b", 0.9)).toEqual(rsa("b"))
      expect(world.fetchedAt).toHaveLength(6)
    })

    it.each([
      [9_995, "knows an id that it refused before up to 9,996 others, and looks for it once more", 5],
      [9_997, "has forgotten it after 10,000 with three that it looked for, so that its memory is bounded", 4],
    ])("with %i others in between, %s", async (others, _, fetches) => {
      for (let count = 0; count < 3; count++) await findLater(`x${count}`, 1)
      expect(await findLater("again", 0)).toBeNull()
      for (let count = 0; count < others; count++) void find(`y${count}`)
      await pass(0)
      expect(world.fetchedAt).toHaveLength(4)
      expect(await findLater("again", 1)).toBeNull()
      expect(world.fetchedAt).toHaveLength(fetches)
    })

    it("waits for what is left of a pause, and not at all after it", async () => {
      await findLater("x", 0.15)
      await findLater("x", 0.06)
      expect(world.fetchedAt).toEqual([0, 0, 0.2])
      await pass(0.38)
      const waiting = find("x")
      await pass(0.009)
      expect(world.fetchedAt).toEqual([0, 0, 0.2])
      await pass(0.001)
      expect(await waiting).toBeNull()
      expect(world.fetchedAt).toEqual([0, 0, 0.2, 0.6])
    })

    it("does not wait for known keys' sake", async () => {
      void find("x")
      expect(await find("a")).toEqual(rsa("a"))
    })

    it("waits for a second try half a second after the first has failed: a cut connection is no outage", async () => {
      world.failure = down()
      const found = Promise.all([find("b"), find("b")])
      await pass(0.25)
      const later = find("b")
      world.failure = null
      world.keys = [rsa("b")]
      await pass(0.249)
      expect(world.fetchedAt).toEqual([0, 0])
      await pass(0.001)
      expect(await found).toEqual([rsa("b"), rsa("b")])
      expect(await later).toEqual(rsa("b"))
      expect(world.fetchedAt).toEqual([0, 0, 0.5])
    })

    it("throws what the second try threw: nobody knows whether the key is good", async () => {
      world.failure = down()
      await expect(findLater("x", 0.5)).rejects.toBe(world.failure)
      expect(world.fetchedAt).toEqual([0, 0, 0.5])
    })

    it("takes no answer to a question of before for the last word: the key may have come since", async () => {
      world.hangs = true
      void find("x")
      await pass(0.1)
      const found = find("b")
      world.hangs = false
      const asked = world.release
      asked()
      await pass(0) // Keycloak's answer of before the rotation
      world.keys = [rsa("b"), rsa("a")]
      await pass(0.2)
      expect(await found).toEqual(rsa("b"))
      expect(world.fetchedAt).toEqual([0, 0, 0.2])
    })

    it("answers after the time limit that Keycloak does not, however many fetches that took", async () => {
      world.hangs = true
      void find("x").catch(() => undefined)
      await pass(0.1)
      const waiting = find("b")
      waiting.catch(() => undefined)
      await pass(3)
      world.release()
      await pass(1.999)
      const settled = vi.fn()
      void waiting.then(settled, settled)
      await pass(0)
      expect(settled).not.toHaveBeenCalled()
      await pass(0.001)
      await expect(waiting).rejects.toMatchObject({
        code: "keycloak_unavailable",
        message: expect.stringContaining("5000 ms"),
      })
      expect(settled).toHaveBeenCalledTimes(1)
      expect(world.fetchedAt).toHaveLength(3)
    })

    it("asks at once after close(), which its caller hears of then", async () => {
      await findLater("x", 0.1)
      const waiting = find("b")
      await pass(0.05)
      expect(world.fetchedAt).toEqual([0, 0])
      world.failure = new GateError("closed", "closed")
      world.set.close()
      await expect(waiting).rejects.toBe(world.failure)
      expect(vi.getTimerCount()).toBe(0)
    })
  })

  describe("while Keycloak is down", () => {
    beforeEach(async () => {
      await find("a")
      world.failure = down()
    })

    it("answers unknown key ids with the failure, at once from the second on", async () => {
      await expect(findLater("x", 0.5)).rejects.toBe(world.failure)
      for (let count = 0; count < 9; count++) {
        await expect(find("x")).rejects.toBe(world.failure)
        await pass(0.05)
      }
      expect(world.fetchedAt).toEqual([0, 0, 0.5])
      await pass(0.05)
      await expect(find("x")).rejects.toBe(world.failure)
      expect(world.fetchedAt).toEqual([0, 0, 0.5, 1])
    })

    it("asks five times per cool-down, evenly after the first tries, whatever is looked for", async () => {
      for (let count = 0; count < 1000; count++) {
        for (const kid of ["x", `y${count}`]) find(kid).catch(() => undefined)
        world.set.find("a", "PS256").catch(() => undefined)
        await pass(0.02)
      }
      expect(world.fetchedAt).toEqual([0, 0, 0.5, 1, 4, 7, 10, 13, 16, 19])
    })

    it("finds with the first good answer whatever has come meanwhile", async () => {
      for (let count = 0; count < 20; count++) {
        find("x").catch(() => undefined)
        await pass(1)
      }
      world.failure = null
      world.keys = [rsa("x")]
      await pass(3)
      expect(await find("x")).toEqual(rsa("x"))
    })

    it("answers with the failure also when the budget is used up: nobody knows whether the key is good", async () => {
      world.failure = null
      for (const kid of ["x", "x", "x", "y", "y", "z", "z"]) await findLater(kid, 1)
      expect(world.fetchedAt).toHaveLength(6)
      expect(await find("x")).toBeNull()
      world.failure = down()
      await expect(world.set.load()).rejects.toBe(world.failure)
      await expect(findLater("x", 3)).rejects.toBe(world.failure)
      await expect(find("x")).rejects.toBe(world.failure)
      expect(world.fetchedAt).toEqual([0, 0, 1, 2, 4, 6, 7, 10])
    })

    it("answers with the failure after the pause when the budget is used up until then", async () => {
      world.failure = null
      for (const kid of ["x", "x", "x", "y", "y", "z", "z"]) await findLater(kid, 0.8)
      world.failure = down()
      await expect(world.set.load()).rejects.toBe(world.failure)
      const asked = world.fetchedAt.length
      await expect(findLater("x", 3)).rejects.toBe(world.failure)
      expect(world.fetchedAt).toHaveLength(asked)
    })

    it("goes on with known keys for six times their age, and not longer", async () => {
      const key = await find("a")
      for (const at of [601, 1200, 3000, 3599, 3600]) {
        await pass(at - seconds())
        expect(await find("a")).toBe(key)
        expect(world.set.held("a", "RS256")).toEqual([key])
      }
      await pass(0.001)
      await expect(find("a")).rejects.toBe(world.failure)
      expect(world.set.held("a", "RS256")).toEqual([])
    })

    it("waits for the first try when its keys have become too old, and for later ones only a quarter of a second", async () => {
      await pass(601)
      world.hangs = true
      const first = find("a")
      await pass(4)
      const settled = vi.fn()
      void first.then(settled)
      await pass(0)
      expect(settled).not.toHaveBeenCalled()
      world.release()
      expect(await first).toEqual(rsa("a"))
      const second = find("a") // the next try was due meanwhile
      second.then(settled)
      await pass(0.249)
      expect([settled.mock.calls.length, world.fetchedAt.length]).toEqual([1, 3])
      await pass(0.001)
      expect(settled).toHaveBeenCalledTimes(2)
      await find("a") // waits for nobody
      world.hangs = false
      world.failure = null
      world.keys = [rsa("b")]
      world.release()
      await pass(0)
      expect(await find("a")).toBeNull()
    })

    it("uses no removed key from the moment at which Keycloak answers again", async () => {
      await pass(601)
      expect(await find("a")).toEqual(rsa("a"))
      world.failure = null
      world.keys = [rsa("b")]
      await pass(0.5)
      expect(await find("a")).toBeNull()
      expect(world.fetchedAt).toEqual([0, 601, 601.5])
    })

    it("lets a burst after a long outage wait for the fetch under way", async () => {
      await pass(3000)
      await find("a")
      await pass(3000)
      await expect(find("a")).rejects.toBe(world.failure)
      world.failure = null
      world.hangs = true
      await pass(1)
      const burst = Promise.all(Array.from({ length: 100 }, () => find("a")))
      await pass(4)
      world.release()
      expect(new Set(await burst)).toEqual(new Set([rsa("a")]))
      expect(world.fetchedAt).toEqual([0, 3000, 6000, 6001])
    })

    it("lets nobody wait longer than the time limit", async () => {
      await pass(6000)
      world.hangs = true
      const burst = Promise.allSettled(["a", "a", "x"].map(find))
      await pass(4.999)
      // As every request to Keycloak does in time.
      world.release()
      await pass(0.001)
      expect(await burst).toEqual(Array(3).fill({ status: "rejected", reason: unavailableError }))
    })

    it("asks anew, once, for those who wait for a fetch that never ends", async () => {
      await pass(6000)
      world.hangs = true
      void find("a").catch(() => undefined)
      await pass(1)
      const others = Promise.all([find("a"), find("a")])
      world.hangs = false
      world.failure = null
      const asked = world.requests.length
      await pass(5)
      expect(await others).toEqual([rsa("a"), rsa("a")])
      expect(world.requests).toHaveLength(asked + 1)
    })

    it("heals with the first good answer, and forgets the failure", async () => {
      await expect(findLater("x", 0.5)).rejects.toBe(world.failure)
      world.failure = null
      await pass(0.5)
      expect(await find("x")).toBeNull()
      await findLater("x", 1)
      expect(await find("a")).toEqual(rsa("a"))
    })
  })

  describe("before its first keys", () => {
    it("asks again for the first three who come after a failure, and then within the budget", async () => {
      world.failure = down()
      for (let count = 0; count < 1000; count++) {
        await expect(find("a")).rejects.toBe(world.failure)
        await pass(0.02)
      }
      // The first load is nobody's.
      expect(world.fetchedAt).toEqual([0, 0.02, 0.04, 0.06, 3.06, 6.06, 10.02, 13.02, 16.02, 19.02])
    })
  })

  it("asks again after a twentieth of a cool-down where that is shorter than half a second", async () => {
    world = makeWorld(600, 0.2)
    await find("a")
    world.failure = down()
    await expect(findLater("x", 0.01)).rejects.toBe(world.failure)
    await pass(0.009)
    await expect(find("x")).rejects.toBe(world.failure)
    await pass(0.001)
    await expect(find("x")).rejects.toBe(world.failure)
    expect(world.fetchedAt).toEqual([0, 0, 0.01, 0.02])
  })

  it("serves whoever asked with keys that are too old when they come, and fetches anew for who came later", async () => {
    world = makeWorld(0.001)
    world.hangs = true
    const first = find("a")
    await pass(0.05)
    const second = find("a")
    await pass(0.05)
    world.release()
    expect(await first).toEqual(rsa("a"))
    expect(world.fetchedAt).toEqual([0, 0.1])
    world.release()
    expect(await second).toEqual(rsa("a"))
    expect(world.fetchedAt).toEqual([0, 0.1])
  })

  it("waits shorter between look-ups where the cool-down is shorter", async () => {
    world = makeWorld(600, 2)
    await find("a")
    const flood = (async () => {
      for (const kid of ["x", "x", "x", "y", "y", "z", "z"]) await find(kid)
    })()
    await pass(0.4)
    await flood
    expect(world.fetchedAt).toEqual([0, 0, 0.04, 0.12, 0.24, 0.4])
  })

  it("waits no longer than 0.2 s more for each look-up, however long the cool-down", async () => {
    world = makeWorld(600, 3600)
    await find("a")
    const flood = (async () => {
      for (const kid of ["x", "x", "x", "y", "y", "z", "z"]) await find(kid)
    })()
    await pass(2)
    await flood
    expect(world.fetchedAt).toEqual([0, 0, 0.2, 0.6, 1.2, 2])
  })

  it("sends a look-up and a try after a failure once, all else again after a cut connection", async () => {
    await find("a")
    await findLater("x", 1)
    world.failure = down()
    await pass(600)
    await find("a")
    await pass(1)
    await find("a")
    const repeatable = world.requests.map(([, call]) => (call as { isRepeatable: boolean }).isRepeatable)
    expect(repeatable).toEqual([true, false, true, false])
  })

  describe("keys_ageing", () => {
    const told = () => world.events.map(event => (event.type === "keys_ageing" ? event : expect.unreachable()))

    it("is told when keys have passed their age and can't be renewed, once until they are", async () => {
      const key = (await find("a")) as Jwk
      world.failure = down()
      for (let count = 0; count < 700; count++) {
        world.set.publishes(key)
        await pass(1)
        if (seconds() < 600) expect(world.events).toEqual([])
      }
      expect(told()).toEqual([
        {
          type: "keys_ageing",
          ageSeconds: expect.closeTo(602, -0.5),
          usableForSeconds: expect.closeTo(2998, -0.5),
          error: expect.objectContaining({ code: "keycloak_unavailable", cause: world.failure }),
        },
      ])
      const { ageSeconds, usableForSeconds, error } = told()[0] ?? expect.unreachable()
      expect(ageSeconds + usableForSeconds).toBe(3600)
      expect(error.message).toContain(`are ${ageSeconds} s old`)
      expect(error.message).toContain(`another ${usableForSeconds} s`)
      expect(error.message).toContain("it is down")

      world.failure = null
      await pass(3)
      await find("a")
      world.failure = down()
      await pass(600.001)
      await find("a")
      expect(told()).toHaveLength(2)
    })

    it("is not told of a look-up that failed, nor of the first load, nor before their age, nor after close()", async () => {
      world.failure = down()
      await expect(find("a")).rejects.toBe(world.failure)
      await expect(world.set.load()).rejects.toBe(world.failure)
      world.failure = null
      await find("a")
      world.failure = down()
      await expect(findLater("x", 1)).rejects.toBe(world.failure)
      await pass(600 - seconds())
      await expect(world.set.load()).rejects.toBe(world.failure)
      world.failure = new GateError("closed", "closed")
      await pass(60)
      await expect(world.set.load()).rejects.toBe(world.failure)
      expect(world.events).toEqual([])
    })

    it("says nothing less than 0 s when nobody has come for long", async () => {
      await find("a")
      world.failure = down()
      await pass(4000)
      await expect(find("a")).rejects.toBe(world.failure)
      expect(told()).toMatchObject([{ ageSeconds: 4000, usableForSeconds: 0 }])
    })
  })

  it("tells the age of its keys without a request, counted from the question", async () => {
    world.hangs = true
    const found = find("a")
    await pass(3)
    world.release()
    await found
    await pass(4000)
    expect(world.set.state()).toEqual({ ageSeconds: 4003, usableForSeconds: 0 })
    expect(world.fetchedAt).toEqual([0])
    world.hangs = false
    await world.set.load()
    await pass(1.2345)
    expect(world.set.state()).toEqual({ ageSeconds: 1.235, usableForSeconds: 3598.766 })
  })

  describe("when its clock begins anew, as a test's does", () => {
    beforeEach(async () => {
      await pass(100_000)
      world = makeWorld()
      await find("a")
      for (let count = 0; count < 8; count++) await findLater(`x${count % 5}`, 0.5)
    })

    it("takes its keys for stale, and the budget for unused", async () => {
      world.jump = -90_000_000
      world.keys = [rsa("b")]
      expect(await find("a")).toBeNull()
      expect(world.fetchedAt).toHaveLength(5)
      world.keys = [rsa("c"), rsa("b")]
      const key = (await find("c")) as Jwk
      expect(world.set.publishes(key)).toBe(true)
      expect(world.fetchedAt).toHaveLength(6)
    })

    it("goes on with its keys while Keycloak is down, for what is left of six times their age", async () => {
      world.failure = down()
      world.jump = -90_000_000
      expect(await find("a")).toEqual(rsa("a"))
      expect(world.set.state()?.usableForSeconds).toBeCloseTo(3000, -1)
      await pass(2999)
      expect(await find("a")).toEqual(rsa("a"))
      await pass(2)
      await expect(find("a")).rejects.toBe(world.failure)
    })

    it("asks at once after a failure of before", async () => {
      world.failure = down()
      await expect(world.set.load()).rejects.toBe(world.failure)
      world.jump = -90_000_000
      world.failure = null
      world.keys = [rsa("y")]
      expect(await find("y")).toEqual(rsa("y"))
    })
  })
})
