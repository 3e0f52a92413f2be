import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createKeySet, type Jwk, type KeySet } from "../../src/keycloak/key-set.js"
import { unavailable } from "../../src/keycloak/transport.js"

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
  const set = createKeySet({ transport: transport as never, certsUrl, maxAgeSeconds, cooldownSeconds, now: Date.now })
  return Object.assign(made, { set })
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
    expect(world.set.publishes(rsa("a") as Jwk)).toBe(false)
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
    expect(await findLater("a")).toBeNull()
    expect(world.set.publishes(key)).toBe(false)
    expect(await find("b")).toEqual(rsa("b"))
    expect(world.fetchedAt).toEqual([0, 600.001, 600.001])
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
    await pass(500)
    await ask(key)
    expect(world.fetchedAt).toEqual([0, 540.001])
  })

  it("asks ahead no more than every half second while that fails, and goes on", async () => {
    const key = (await find("a")) as Jwk
    await pass(540.001)
    world.failure = down()
    for (let count = 0; count < 8; count++) {
      expect(world.set.publishes(key)).toBe(true)
      await pass(0.25)
    }
    expect(world.fetchedAt).toEqual([0, 540.001, 540.751, 541.501])
    world.failure = null
    await pass(0.25)
    expect(world.set.publishes(key)).toBe(true)
    await pass(599)
    expect(world.set.publishes(key)).toBe(true)
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

    it("looks 5 times per cool-down, two of them for ids it has refused before, and then says no without a request", async () => {
      for (let count = 0; count < 8; count++) expect(await findLater("x", 1)).toBeNull()
      expect(world.fetchedAt).toEqual([0, 0, 1, 2, 4, 6])
      const answered = vi.fn()
      void find("y").then(answered)
      await pass(0)
      expect(answered).toHaveBeenCalledWith(null)
      expect(world.fetchedAt).toHaveLength(6)
    })

    it("lets whoever asks during the last look-up of a budget wait for it", async () => {
      for (let count = 0; count < 2; count++) await findLater(`x${count}`, 1)
      world.keys = [rsa("b"), rsa("a")]
      expect(await Promise.all([find("x2"), find("b"), find("x3")])).toEqual([null, rsa("b"), null])
      expect(world.fetchedAt).toEqual([0, 0, 1, 2])
    })

    it("looks again when the first look-up of the cool-down has become old", async () => {
      for (let count = 0; count < 8; count++) await findLater("x", 1)
      world.keys = [rsa("b")]
      await pass(1.999) // 9.999 s after the first look-up
      expect(await findLater("b", 0)).toBeNull()
      await pass(0.001)
      expect(await findLater("b", 1)).toEqual(rsa("b"))
    })

    it("waits 0.2 s before the second look-up, 0.4 s before the third, up to 0.8 s: five within 2 s", async () => {
      const flood = (async () => {
        for (let count = 0; count < 7; count++) await find("x")
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

    it("looks once more for an id of a flood that comes again, and then holds it for unknown as any other", async () => {
      for (let count = 0; count < 4; count++) await findLater(`x${count}`, 1)
      for (let count = 0; count < 6; count++) await findLater("x3", 1)
      expect(world.fetchedAt).toHaveLength(6)
    })

    it.each([
      [9_999, "knows an id that it refused before up to 9,999 others, and looks for it once more", 5],
      [10_000, "has forgotten it after 10,000, so that its memory is bounded", 4],
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

    it("throws what the look-up threw: nobody knows whether the key is good", async () => {
      world.failure = down()
      await expect(find("x")).rejects.toBe(world.failure)
    })
  })

  describe("while Keycloak is down", () => {
    beforeEach(async () => {
      await find("a")
      world.failure = down()
    })

    it("answers unknown key ids with the failure, and asks again no more than every half second", async () => {
      for (const at of [0, 0.25, 0.5]) {
        await expect(find("x")).rejects.toBe(world.failure)
        expect([at, world.fetchedAt]).toEqual([at, [0, 0]])
        await pass(0.25)
      }
      await expect(find("x")).rejects.toBe(world.failure)
      expect(world.fetchedAt).toEqual([0, 0, 0.75])
    })

    it("counts no failed look-up against the budget", async () => {
      for (let count = 0; count < 20; count++) {
        await expect(find("x")).rejects.toBe(world.failure)
        await pass(1)
      }
      world.failure = null
      world.keys = [rsa("x")]
      await pass(1)
      expect(await find("x")).toEqual(rsa("x"))
    })

    it("answers with the failure also when the budget is used up: nobody knows whether the key is good", async () => {
      world.failure = null
      for (let count = 0; count < 8; count++) await findLater("x", 1)
      expect(await find("x")).toBeNull()
      world.failure = down()
      await expect(world.set.load()).rejects.toBe(world.failure)
      await expect(find("x")).rejects.toBe(world.failure)
    })

    it("goes on with known keys for six times their age, and not longer", async () => {
      for (const at of [601, 1200, 3000, 3599, 3600]) {
        await pass(at - seconds())
        expect(await find("a")).toEqual(rsa("a"))
      }
      await pass(0.001)
      await expect(find("a")).rejects.toBe(world.failure)
    })

    it("waits for one try when its keys have become too old, and lets later ones go on in the background", async () => {
      await pass(601)
      await find("a")
      expect(world.fetchedAt).toEqual([0, 601])
      await pass(0.5)
      await find("a")
      expect(world.fetchedAt).toEqual([0, 601])
      await pass(0.001)
      await find("a")
      expect(world.fetchedAt).toEqual([0, 601, 601.501])
      await pass(0.501)
      world.hangs = true
      await find("a") // waits for nobody
      expect(world.fetchedAt.length).toBe(4)
      world.hangs = false
      world.release()
      await pass(0)
      world.failure = null
      world.keys = [rsa("a"), rsa("b")]
      await pass(1)
      await find("a") // starts the try that heals it
      await pass(0)
      expect(await find("b")).toEqual(rsa("b"))
      expect(world.fetchedAt.length).toBe(5)
      await pass(600)
      expect(await find("a")).toEqual(rsa("a"))
    })

    it("heals with the first good answer, and forgets the failure", async () => {
      await expect(find("x")).rejects.toBe(world.failure)
      world.failure = null
      await pass(0.501)
      expect(await find("x")).toBeNull()
      await findLater("x", 1)
      expect(await find("a")).toEqual(rsa("a"))
    })
  })

  it("asks again after half a cool-down where that is shorter than a second", async () => {
    world = makeWorld(600, 0.2)
    await find("a")
    world.failure = down()
    await expect(find("x")).rejects.toBe(world.failure)
    await pass(0.1)
    await expect(find("x")).rejects.toBe(world.failure)
    await pass(0.001)
    await expect(find("x")).rejects.toBe(world.failure)
    expect(world.fetchedAt).toEqual([0, 0, 0.101])
  })
})
