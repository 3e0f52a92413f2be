import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createTurns } from "../../src/accounts/turns.js"

const waitMs = 1000
const forAWhile = (ms: number) => () => new Promise<void>(resolve => void setTimeout(resolve, ms))

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe("createTurns", () => {
  it("does what is asked for one account one after the other, in the order in which it was asked", async () => {
    const inTurn = createTurns(waitMs)
    const did: string[] = []
    const step = (name: string) => async () => {
      did.push(`${name} begins`)
      await forAWhile(10)()
      did.push(`${name} ends`)
    }
    const all = Promise.all(["one", "two", "three"].map(name => inTurn("ada", step(name))))
    await vi.runAllTimersAsync()
    await all
    expect(did).toEqual(["one", "two", "three"].flatMap(name => [`${name} begins`, `${name} ends`]))
  })

  it("lets nobody wait for another account", async () => {
    const inTurn = createTurns(waitMs)
    const hanging = inTurn("ada", forAWhile(100_000))
    expect(await inTurn("grace", async () => "done")).toBe("done")
    await vi.runAllTimersAsync()
    await hanging
  })

  it("refuses whoever waits too long, all at the same time, and does nothing for them later", async () => {
    const inTurn = createTurns(waitMs)
    const hanging = inTurn("ada", forAWhile(5000))
    const later = vi.fn(async () => undefined)
    const waiting = Promise.allSettled(Array.from({ length: 10 }, () => inTurn("ada", later)))
    await vi.advanceTimersByTimeAsync(waitMs)
    for (const outcome of await waiting) {
      expect(outcome).toMatchObject({ reason: { code: "keycloak_unavailable", reason: "overload" } })
    }
    await vi.runAllTimersAsync()
    await hanging
    expect(later).not.toHaveBeenCalled()
  })

  it("passes the turn on after a failure, and to whoever still waits when others have left the line", async () => {
    const inTurn = createTurns(waitMs)
    const failing = inTurn("ada", async () => {
      await forAWhile(1500)()
      throw new Error("on purpose")
    }).catch((error: Error) => error.message)
    const tooLate = inTurn("ada", async () => "too late").catch(() => "refused")
    await vi.advanceTimersByTimeAsync(900)
    const inTime = inTurn("ada", async () => "in time")
    await vi.runAllTimersAsync()
    expect(await Promise.all([failing, tooLate, inTime])).toEqual(["on purpose", "refused", "in time"])
  })

  it("lets no more than a thousand wait, and forgets an account when nobody waits any more", async () => {
    const inTurn = createTurns(waitMs)
    const hanging = inTurn("ada", forAWhile(500))
    const waiting = Array.from({ length: 1000 }, () => inTurn("ada", async () => undefined))
    await expect(inTurn("ada", async () => undefined)).rejects.toMatchObject({ reason: "overload" })
    await vi.runAllTimersAsync()
    await Promise.all([hanging, ...waiting])
    expect(vi.getTimerCount()).toBe(0)
    expect(await inTurn("ada", async () => "at once")).toBe("at once")
  })
})
