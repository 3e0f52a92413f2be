import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { GateEvent } from "../../src/events.js"
import { type BoundedStore, createBoundedStore } from "../../src/users/bounded-store.js"
import { memoryUserStore } from "../../src/users/memory-user-store.js"
import type { UserStore } from "../../src/users/user-store.js"
import { ada, profile } from "./rows.ts"

const never = () => new Promise<never>(() => undefined)

let events: GateEvent[]
function bounded<User>(store: UserStore<User>): BoundedStore<User> {
  const report = (event: GateEvent) => events.push(event)
  return createBoundedStore({ store, storeTimeoutMs: 1000, report, elapsed: () => performance.now() })
}

beforeEach(() => {
  events = []
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

const calls: readonly [name: string, call: (store: BoundedStore<unknown>) => Promise<unknown>][] = [
  ["findUser", store => store.findUser(ada)],
  ["saveUser", store => store.saveUser(profile(), undefined, () => undefined)],
  ["removeUser", store => store.removeUser(ada)],
  ["listSubjects", store => store.listSubjects({ issuer: ada.issuer, after: null, limit: 10 })],
  ["onMissing", store => store.bounded("onMissing", never)],
]

describe("a bounded store", () => {
  it.each(calls)(
    "answers `store_unavailable` when %s does not settle, and names it and the limit",
    async (name, call) => {
      const hanging = { findUser: never, saveUser: never, removeUser: never, listSubjects: never }
      const outcome = call(bounded(hanging)).then(undefined, error => error)
      await vi.advanceTimersByTimeAsync(1000)
      const error = await outcome
      expect(error).toMatchObject({ code: "store_unavailable", status: 503 })
      expect(error.message).toMatch(new RegExp(`${name}.* 1000 ms`))
      expect(events).toEqual([{ type: "store_slow", call: name, error }])
    },
  )

  it.each(calls)("fails a %s under way with `closed`, and begins no other", async (name, call) => {
    const begun = vi.fn(never)
    const store = bounded({ findUser: begun, saveUser: begun, removeUser: begun, listSubjects: begun })
    const underWay = call(store).catch(error => error)
    store.close()
    expect(await underWay).toMatchObject({ code: "closed" })
    const before = begun.mock.calls.length
    await expect(call(store)).rejects.toMatchObject({ code: "closed" })
    expect([begun.mock.calls.length, vi.getTimerCount(), events]).toEqual([before, 0, []])
    expect(before).toBe(name === "onMissing" ? 0 : 1)
  })

  it("tells once that a function is slow, and anew only after a call of it has settled in time", async () => {
    const { findUser, ...others } = memoryUserStore()
    let hangs = true
    const store = bounded({ ...others, findUser: identity => (hangs ? never() : findUser(identity)) })
    const find = async () => {
      const outcome = store.findUser(ada).catch(error => error)
      await vi.advanceTimersByTimeAsync(1000)
      return outcome
    }
    for (let times = 0; times < 3; times++) await find()
    await store.saveUser(profile(), undefined, () => undefined)
    await find()
    expect(events).toHaveLength(1)
    hangs = false
    await find()
    hangs = true
    for (let times = 0; times < 2; times++) await find()
    expect(events.map(event => "call" in event && event.call)).toEqual(["findUser", "findUser"])
  })

  it("keeps `this` for a store that is a class", async () => {
    class Store {
      readonly row = { name: "ada" }
      findUser() {
        return Promise.resolve(this.row)
      }
      saveUser() {
        return Promise.resolve(this.row)
      }
      async removeUser() {
        if (this.row === undefined) throw new Error("no this")
      }
    }
    const store = bounded(new Store())
    expect(await store.findUser(ada)).toEqual({ name: "ada" })
    expect(await store.saveUser(profile(), undefined, () => undefined)).toEqual({ name: "ada" })
    await store.removeUser(ada)
  })
})
