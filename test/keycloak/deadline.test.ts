import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { tryAgain } from "../../src/accounts/try-again.js"
import { GateError } from "../../src/errors.js"
import { startDeadline } from "../../src/keycloak/deadline.js"

const timeoutMs = 1000
const start = () => startDeadline(timeoutMs, () => performance.now())
const outage = () => new GateError("keycloak_unavailable", "down")

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }))
afterEach(() => void vi.useRealTimers())

describe("startDeadline", () => {
  it("lets requests begin for twice the time-out of one, so that the last one has its full time", () => {
    const deadline = start()
    vi.advanceTimersByTime(1999)
    deadline.assertTime()
    expect([deadline.hasTime(), deadline.hasTime(100)]).toEqual([true, false])
    vi.advanceTimersByTime(1)
    expect(deadline.assertTime).toThrow(expect.objectContaining({ code: "keycloak_unavailable" }))
  })

  it("waits for what others share until three times the time-out, and keeps no timer after it", async () => {
    const hanging = start()
      .within(new Promise<never>(() => undefined))
      .catch((error: GateError) => error.code)
    await vi.advanceTimersByTimeAsync(3000)
    expect(await hanging).toBe("keycloak_unavailable")
    expect(await start().within(Promise.resolve("there"))).toBe("there")
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe("tryAgain", () => {
  it("does work once more after an outage that has passed", async () => {
    const work = vi
      .fn(async () => "done")
      .mockRejectedValueOnce(outage())
      .mockRejectedValueOnce(outage())
    const done = tryAgain(start(), work)
    await vi.runAllTimersAsync()
    expect(await done).toBe("done")
  })

  it("gives up with the last outage after three times", async () => {
    const last = outage()
    const work = vi.fn(async () => Promise.reject(outage()))
    work.mockRejectedValueOnce(outage()).mockRejectedValueOnce(outage()).mockRejectedValueOnce(last)
    const failed = tryAgain(start(), work).catch((error: unknown) => error)
    await vi.runAllTimersAsync()
    expect(await failed).toBe(last)
    expect(work).toHaveBeenCalledTimes(3)
  })

  it("begins no other try when there is no time left for it", async () => {
    const work = vi.fn(async () => {
      await new Promise(resolve => setTimeout(resolve, 1950))
      throw outage()
    })
    const failed = tryAgain(start(), work).catch((error: GateError) => error.code)
    await vi.runAllTimersAsync()
    expect(await failed).toBe("keycloak_unavailable")
    expect(work).toHaveBeenCalledTimes(1)
  })

  it.each([
    ["a refusal", new GateError("account_rejected", "no")],
    ["a full line", new GateError("keycloak_unavailable", "full", { reason: "overload" })],
    ["a wish to be asked later", new GateError("keycloak_unavailable", "busy", { retryAfterSeconds: 7 })],
    ["what is not ours", new TypeError("a mistake")],
  ])("does not repeat after %s", async (_, error) => {
    const work = vi.fn(async () => Promise.reject(error))
    await expect(tryAgain(start(), work)).rejects.toBe(error)
    expect(work).toHaveBeenCalledTimes(1)
  })
})
