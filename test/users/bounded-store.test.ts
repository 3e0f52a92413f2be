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

/** A store whose every function is this one. */
function storeOf(call: () => Promise<never>): UserStore<never> {
  const needed = { findUser: call, saveUser: call, removeUser: call }
  return { ...needed, listSubjects: call, findUnlinked: call, linkUser: call }
}

const calls: readonly [name: string, call: (store: BoundedStore<unknown>) => Promise<unknown>][] = [
  ["findUser", store => store.findUser(ada)],
  ["saveUser", store => store.saveUser(profile(), undefined, () => undefined)],
  ["removeUser", store => store.removeUser(ada)],
  ["listSubjects", store => store.listSubjects({ issuer: ada.issuer, after: null, limit: 10 })],
  ["findUnlinked", store => store.findUnlinked(profile(), { by: "email" })],
  ["linkUser", store => store.linkUser(1, profile(), () => undefined)],
  ["onMissing", store => store.bounded("onMissing", never)],
]

describe("a bounded store", () => {
  it.each(calls)(
    "answers `store_unavailable` when %s does not settle, and names it and the limit",
    async (name, call) => {
      const outcome = call(bounded(storeOf(never))).then(undefined, error => error)
      await vi.advanceTimersByTimeAsync(1000)
      const error = await outcome
      expect(error).toMatchObject({ code: "store_unavailable", status: 503 })
      expect(error.message).toMatch(new RegExp(`${name}.* 1000 ms`))
      expect(events).toEqual([{ type: "store_slow", call: name, error }])
    },
  )

  it.each(calls)("fails a %s under way with `closed`, and begins no other", async (name, call) => {
    const begun = vi.fn(never)
    const store = bounded(storeOf(begun))
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

  it("says which functions a store has that it need not have", () => {
    const { findUser, saveUser, removeUser, listSubjects, findUnlinked, linkUser } = memoryUserStore()
    const needed = { findUser, saveUser, removeUser }
    const can = ({ canList, canFindUnlinked, canLink }: BoundedStore<unknown>) => [canList, canFindUnlinked, canLink]
    expect(can(bounded(needed))).toEqual([false, false, false])
    expect(can(bounded({ ...needed, listSubjects }))).toEqual([true, false, false])
    expect(can(bounded({ ...needed, findUnlinked }))).toEqual([false, true, false])
    expect(can(bounded({ ...needed, linkUser }))).toEqual([false, false, true])
  })

  it("links and finds with the store's own functions", async () => {
    const own = memoryUserStore()
    const key = own.addUnlinked({ username: "Ada", extra: { plan: "pro" } })
    const store = bounded(own)
    expect(await store.findUnlinked(profile(), { by: "username" })).toEqual([key])
    const late = vi.fn()
    expect(await store.linkUser(key, profile(), late)).toMatchObject({ subject: "s1", extra: { plan: "pro" } })
    expect(await store.findUnlinked(profile(), { by: "username" })).toEqual([])
    expect(late).not.toHaveBeenCalled()
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
