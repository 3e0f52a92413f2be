import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { GateError } from "../../src/errors.js"
import { createTimeLimit } from "../../src/users/in-time.js"

const limitMs = 1000
const never = () => new Promise<never>(() => undefined)

let told: string[]
const limited = () =>
  createTimeLimit({
    limitMs,
    elapsed: () => performance.now(),
    expired(call) {
      told.push(`${call} expired`)
      return new GateError("store_unavailable", call)
    },
    settledInTime: call => void told.push(`${call} in time`),
  })

/** What became of it, without waiting for it. */
function outcomeOf(work: Promise<unknown>): { value: unknown } {
  const outcome: { value: unknown } = { value: "waits" }
  work.then(
    value => Object.assign(outcome, { value }),
    error => Object.assign(outcome, { value: error }),
  )
  return outcome
}

beforeEach(() => {
  told = []
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

describe("a time limit", () => {
  it("hands through what settles in time, be it a value, an error, or no promise at all", async () => {
    const { run } = limited()
    const error = new Error("no such column")
    expect(await run("a", async () => 1)).toBe(1)
    expect(await run("b", () => 2)).toBe(2)
    // biome-ignore lint/suspicious/noThenProperty: some query builders are no promises, but can be awaited.
    expect(await run("c", () => ({ then: (done: (value: number) => unknown) => done(3) }) as PromiseLike<number>)).toBe(
      3,
    )
    await expect(run("d", () => Promise.reject(error))).rejects.toBe(error)
    await expect(
      run("e", () => {
        throw error
      }),
    ).rejects.toBe(error)
    expect(told).toEqual(["a in time", "b in time", "c in time", "d in time", "e in time"])
  })

  it("ends each call after the limit of its own, and none before", async () => {
    const { run } = limited()
    const a = outcomeOf(run("a", never))
    await vi.advanceTimersByTimeAsync(400)
    const b = outcomeOf(run("b", never))
    await vi.advanceTimersByTimeAsync(400)
    const c = outcomeOf(run("c", never))
    const ended = () => [a, b, c].map(({ value }) => value !== "waits")
    for (const [afterMs, expected] of [
      [199, [false, false, false]],
      [1, [true, false, false]],
      [399, [true, false, false]],
      [1, [true, true, false]],
      [400, [true, true, true]],
    ] as const) {
      await vi.advanceTimersByTimeAsync(afterMs)
      expect(ended()).toEqual(expected)
    }
    expect(c.value).toMatchObject({ code: "store_unavailable", status: 503 })
  })

  it("tells of a call that settles after its limit, and gives nobody its result", async () => {
    const { run } = limited()
    let settle = (_: unknown): void => undefined
    const late = vi.fn()
    const call = outcomeOf(run("a", () => new Promise(resolve => (settle = resolve)), late))
    await vi.advanceTimersByTimeAsync(limitMs)
    expect(late).not.toHaveBeenCalled()
    settle("row")
    await vi.advanceTimersByTimeAsync(0)
    expect(late).toHaveBeenCalledTimes(1)
    expect(call.value).toBeInstanceOf(GateError)
    expect(told).toEqual(["a expired"])
  })

  it("does not tell of calls in time that they were late", async () => {
    const { run } = limited()
    const late = vi.fn()
    await run("a", async () => 1, late)
    await vi.advanceTimersByTimeAsync(2 * limitMs)
    expect(late).not.toHaveBeenCalled()
  })

  it("works under a clock that a test turns while the other stands still", async () => {
    vi.useRealTimers()
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    const { run } = limited()
    const calls = [outcomeOf(run("a", never)), outcomeOf(run("b", never))]
    await vi.advanceTimersByTimeAsync(limitMs + 50)
    expect(calls.map(({ value }) => value)).toEqual([expect.any(GateError), expect.any(GateError)])
  })

  it("leaves no timer once it is closed, and ends what is under way", async () => {
    const { run, close } = limited()
    const call = outcomeOf(run("a", never))
    expect(vi.getTimerCount()).toBe(1)
    close(name => new GateError("closed", name))
    expect(vi.getTimerCount()).toBe(0)
    await vi.advanceTimersByTimeAsync(0)
    expect(call.value).toMatchObject({ code: "closed" })
  })
})
