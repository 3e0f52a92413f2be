import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createSessionEnding } from "../../src/accounts/session-ending.js"
import { createUnfinished, type Unfinished } from "../../src/accounts/unfinished.js"
import { GateError } from "../../src/errors.js"
import type { GateEvent } from "../../src/events.js"
import { startDeadline } from "../../src/keycloak/deadline.js"

const down = new GateError("keycloak_unavailable", "down")
const forbidden = new GateError("keycloak_refused_us", "the role is missing")
const startedAt = 1_796_000_000_000

let events: GateEvent[]
let queue: Unfinished
let now: () => Promise<void>
let later: () => Promise<void>
let endedUntil: [string, Date][]
beforeEach(() => {
  vi.useFakeTimers({ now: startedAt, toFake: ["setTimeout", "clearTimeout", "Date", "performance"] })
  events = []
  queue = createUnfinished(
    () => performance.now(),
    () => undefined,
  )
  now = async () => undefined
  later = async () => undefined
  endedUntil = []
})
afterEach(() => {
  queue.close()
  vi.useRealTimers()
})

const ending = () =>
  createSessionEnding({
    // Used up, so that nothing is repeated within the call.
    deadline: startDeadline(0, () => performance.now()),
    endSessions: () => now(),
    async endSessionsUntil(subject, until) {
      await later()
      endedUntil.push([subject, until])
    },
    queue,
    now: () => Date.now(),
    report: event => void events.push(event),
  })
const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000)

describe("createSessionEnding", () => {
  it("leaves nothing for later once the sessions are ended", async () => {
    await ending().end("s-1")
    await ending().endInTheEnd("s-1")
    expect(queue.size()).toBe(0)
  })

  it("throws an outage, and ends later what began until the call", async () => {
    now = () => Promise.reject(down)
    await expect(ending().end("s-1")).rejects.toBe(down)
    await seconds(2)
    expect(endedUntil).toEqual([["s-1", new Date(startedAt)]])
    expect([queue.size(), events]).toEqual([0, []])
  })

  it("goes on with nothing that was refused, but for what can't be undone", async () => {
    now = () => Promise.reject(forbidden)
    await expect(ending().end("s-1")).rejects.toBe(forbidden)
    expect(queue.size()).toBe(0)
    await ending().endInTheEnd("s-1")
    expect(queue.size()).toBe(1)
  })

  it("throws what is nobody's refusal, whatever came before", async () => {
    const mistake = new TypeError("a mistake of this library")
    now = () => Promise.reject(mistake)
    await expect(ending().endInTheEnd("s-1")).rejects.toBe(mistake)
    expect(queue.size()).toBe(0)
  })

  it("waits for the end of an outage", async () => {
    later = () => Promise.reject(down)
    ending().endLater("s-1", down)
    await seconds(3600)
    expect([queue.size(), events]).toEqual([1, []])
    later = async () => undefined
    await seconds(31)
    expect(endedUntil).toHaveLength(1)
  })

  it("gives up after five refusals, and names the account and the cause", async () => {
    later = () => Promise.reject(forbidden)
    ending().endLater("s-1", down)
    await seconds(800)
    expect(events).toMatchObject([
      { type: "sessions_not_ended", subject: "s-1", error: { code: "keycloak_refused_us", cause: forbidden } },
    ])
    const [event] = events
    const message = event !== undefined && "error" in event ? event.error.message : ""
    expect(message).toContain("s-1")
    expect(message).toContain(new Date(startedAt).toISOString())
    expect(queue.size()).toBe(0)
  })

  it("names at once what comes after the gate was closed", () => {
    queue.close()
    ending().endLater("s-1", down)
    expect(events).toMatchObject([
      { type: "sessions_not_ended", subject: "s-1", error: { code: "keycloak_unavailable", cause: down } },
    ])
  })
})
