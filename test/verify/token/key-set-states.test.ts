import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { unavailable } from "../../../src/keycloak/network-error.js"
import { createKeySet } from "../../../src/verify/token/key-set.js"

const certsUrl = "https://sso.example.test/realms/shop/protocol/openid-connect/certs"
const timeoutMs = 5000
const cooldownMs = 10_000
const stepMs = 100

/** How Keycloak answers for keys: after how long, and whether with them. */
const states = {
  up: { afterMs: 5, isGood: true },
  slow: { afterMs: 3000, isGood: true },
  "answering 503": { afterMs: 5, isGood: false },
  down: { afterMs: 0, isGood: false },
  hanging: { afterMs: timeoutMs, isGood: false },
} as const
type State = keyof typeof states

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Numbers that look random and are the same in each run. */
function noise(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A key set under Keycloak's changing states, and what it did. */
function makeWorld(maxAgeSeconds: number) {
  const world = {
    state: "up" as State,
    signsWith: 0,
    fetchedAt: [] as number[],
    longestWaitMs: 0,
    verdicts: new Set<string>(),
  }
  const transport = {
    async fetch() {
      world.fetchedAt.push(performance.now())
      const { afterMs, isGood } = states[world.state]
      const keys = Array.from({ length: world.signsWith + 1 }, (_, index) => ({ kid: `key ${index}`, kty: "RSA" }))
      await new Promise(resolve => setTimeout(resolve, afterMs))
      if (!isGood) throw unavailable(certsUrl, world.state)
      return new Response(JSON.stringify({ keys }))
    },
  }
  const set = createKeySet({
    transport: transport as never,
    certsUrl,
    maxAgeSeconds,
    cooldownSeconds: cooldownMs / 1000,
    timeoutMs,
    background: () => undefined,
    report: () => undefined,
    elapsed: () => performance.now(),
  })

  async function ask(kid: string, alg = "RS256"): Promise<string> {
    const askedAt = performance.now()
    const verdict = await set.find(kid, alg).then(
      keys => (keys.length > 0 ? "found" : "unknown"),
      ({ code }) => code as string,
    )
    world.longestWaitMs = Math.max(world.longestWaitMs, performance.now() - askedAt)
    world.verdicts.add(verdict)
    return verdict
  }

  return { world, ask }
}

function mostInOneCooldown(times: readonly number[]): number {
  return Math.max(...times.map(from => times.filter(at => at >= from && at - from < cooldownMs).length))
}

describe("createKeySet in a flood of every kind of token", () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))(
    "fetches 5 times per cool-down beside its renewals, and lets nobody wait too long, in the changing states %i",
    async seed => {
      const random = noise(seed)
      const pick = <One>(list: readonly One[]): One => list[Math.floor(random() * list.length)] as One
      const { world, ask } = makeWorld(600)
      const waiting: Promise<unknown>[] = []
      world.state = pick(Object.keys(states) as State[])
      for (let step = 0; step < 1200; step++) {
        if (random() < 0.02) world.state = pick(Object.keys(states) as State[])
        if (random() < 0.01) world.signsWith++
        waiting.push(
          ask(`random ${step}`),
          ask(`repeated ${step % 7}`),
          ask(`twice ${step >> 1}`),
          ask("key 0", pick(["PS256", "ES512"])),
          ask(`key ${world.signsWith}`),
        )
        await vi.advanceTimersByTimeAsync(stepMs)
      }
      await vi.advanceTimersByTimeAsync(timeoutMs)
      await Promise.all(waiting)
      // One more: the first load, or the renewal that finds out that Keycloak is down.
      expect(mostInOneCooldown(world.fetchedAt)).toBeLessThanOrEqual(6)
      expect(mostInOneCooldown(world.fetchedAt.slice(1))).toBeLessThanOrEqual(5)
      expect(world.longestWaitMs).toBeLessThanOrEqual(timeoutMs)
      expect(world.verdicts).toEqual(new Set(["found", "unknown", "keycloak_unavailable"]))
    },
  )

  it.each(["answering 503", "down", "hanging"] as const)(
    "honours what Keycloak signs with since an outage (%s) within a third of a cool-down of its return",
    async state => {
      for (const outageMs of [1000, 2000, 7000, 16_000, 45_000]) {
        const { world, ask } = makeWorld(600)
        void ask("key 0")
        await vi.advanceTimersByTimeAsync(stepMs)
        world.state = state
        const flood = async (ms: number) => {
          for (let passed = 0; passed < ms; passed += stepMs) {
            void ask(`random ${passed} ${ms}`)
            void ask("repeated")
            await vi.advanceTimersByTimeAsync(stepMs)
          }
        }
        await flood(outageMs)
        world.state = "up"
        world.signsWith = 1
        // A fetch that hangs when Keycloak comes back is over first.
        await flood(cooldownMs / 3 + (state === "hanging" ? timeoutMs : 0))
        const verdict = ask("key 1")
        await vi.advanceTimersByTimeAsync(0)
        expect([outageMs, await verdict]).toEqual([outageMs, "found"])
        expect(mostInOneCooldown(world.fetchedAt.slice(1))).toBeLessThanOrEqual(5)
      }
    },
  )
})
