import { DatabaseSync } from "node:sqlite"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createSqliteStore, sqliteTable } from "../../examples/stores/sqlite.ts"
import { cachedUserStore, type MemoryUser, memoryUserStore, type UserStore } from "../../src/index.js"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"
import { ada, issuer, profile } from "./rows.ts"

const options = { seconds: 60, maxUsers: 1000 }

describe("a cached memory store", () => {
  itKeepsTheStoreContract(
    () => {
      const store = memoryUserStore()
      return { ...cachedUserStore(store, options), addUnlinked: store.addUnlinked }
    },
    { unownedRow: (store, names) => store.addUnlinked(names) },
  )
})

describe("a cached memory store that holds one row", () => {
  itKeepsTheStoreContract(() => cachedUserStore(memoryUserStore(), { seconds: 60, maxUsers: 1 }))
})

describe("a cached SQLite store", () => {
  itKeepsTheStoreContract(() => {
    const database = new DatabaseSync(":memory:")
    database.exec(sqliteTable)
    return cachedUserStore(createSqliteStore(database), options)
  })
})

interface Held {
  readonly call: string
  readonly end: () => void
}

/** A store whose calls wait until they are let go; each gives what the table has when it is let go. */
function heldStore() {
  const rows = memoryUserStore()
  const held: Held[] = []
  const hold =
    <Given extends unknown[], Result>(call: string, work: (...given: Given) => Promise<Result>) =>
    (...given: Given) => {
      const result = new Promise<Result>((resolve, reject) => {
        held.push({ call, end: () => void work(...given).then(resolve, reject) })
      })
      return result
    }
  const store: UserStore<MemoryUser> = {
    findUser: hold("find", rows.findUser),
    saveUser: hold("save", rows.saveUser),
    removeUser: hold("remove", rows.removeUser),
    linkUser: hold("link", rows.linkUser),
  }
  return {
    rows,
    cached: cachedUserStore(store, options),
    /** Lets the first of these calls go. */
    async letGo(call: string) {
      const at = held.findIndex(one => one.call === call)
      held.splice(at, 1)[0]?.end()
      await new Promise(setImmediate)
    },
    asked: () => held.map(({ call }) => call),
  }
}

const early = profile({ asOf: new Date(1000), firstName: "Early" })
const late = profile({ asOf: new Date(2000), firstName: "Late" })

describe("a row that is remembered", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] })
  })
  afterEach(() => vi.useRealTimers())

  function counted(settings = options) {
    const rows = memoryUserStore()
    const findUser = vi.fn(rows.findUser)
    return { rows, findUser, cached: cachedUserStore({ ...rows, findUser }, settings) }
  }

  it("is asked for once, is there at once, and is one object for everybody", async () => {
    const { rows, findUser, cached } = counted()
    await rows.saveUser(early)
    expect(cached.peekUser(ada)).toBeUndefined()
    const row = await cached.findUser(ada)
    expect(await cached.findUser({ ...ada })).toBe(row)
    expect(cached.peekUser({ ...ada })).toBe(row)
    expect(findUser).toHaveBeenCalledOnce()
  })

  it("is read anew after its seconds, counted from the beginning of the read", async () => {
    const { rows, cached } = counted({ seconds: 0.5, maxUsers: 1000 })
    await rows.saveUser(early)
    await cached.findUser(ada)
    await rows.saveUser(late) // another process
    vi.advanceTimersByTime(499)
    expect(await cached.findUser(ada)).toMatchObject({ firstName: "Early" })
    vi.advanceTimersByTime(1)
    expect(cached.peekUser(ada)).toBeUndefined()
    expect(await cached.findUser(ada)).toMatchObject({ firstName: "Late" })

    const { rows: slow, cached: waiting, letGo } = heldStore()
    await slow.saveUser(early)
    const reading = waiting.findUser(ada)
    vi.advanceTimersByTime(60_000)
    await letGo("find")
    expect(await reading).toMatchObject({ firstName: "Early" })
    expect(waiting.peekUser(ada)).toBeUndefined()
  })

  it("is what was saved or linked last", async () => {
    const { rows, findUser, cached } = counted()
    const saved = await cached.saveUser(early)
    expect(cached.peekUser(ada)).toBe(saved)
    expect(await cached.saveUser(late)).toBe(cached.peekUser(ada))
    const key = rows.addUnlinked({ username: "bob" })
    const bob = { ...early, subject: "bob" }
    expect(await cached.linkUser?.(key, bob)).toBe(cached.peekUser(bob))
    expect(findUser).not.toHaveBeenCalled()
  })

  it("is gone after removeUser and forget, and never one of a person who has none", async () => {
    const { rows, findUser, cached } = counted()
    await cached.saveUser(early)
    await cached.removeUser(ada)
    expect(cached.peekUser(ada)).toBeUndefined()
    for (let times = 0; times < 2; times++) expect(await cached.findUser(ada)).toBeNull()
    expect(findUser).toHaveBeenCalledTimes(2)
    await cached.saveUser(early)
    await rows.saveUser(late)
    cached.forget(early)
    expect(cached.peekUser(ada)).toBeUndefined()
    expect(await cached.findUser(ada)).toMatchObject({ firstName: "Late" })
  })

  it("is one of so many, and those that nobody asked for go first", async () => {
    const { cached } = counted({ seconds: 60, maxUsers: 3 })
    const identity = (subject: string) => ({ issuer, subject })
    for (const subject of ["a", "b", "c"]) await cached.saveUser({ ...early, subject })
    cached.peekUser(identity("a"))
    cached.peekUser(identity("c"))
    await cached.saveUser({ ...early, subject: "d" })
    const there = ["a", "b", "c", "d"].filter(subject => cached.peekUser(identity(subject)) !== undefined)
    expect(there).toEqual(["a", "c", "d"])
    for (let count = 0; count < 50; count++) await cached.saveUser({ ...early, subject: `${count}` })
    const left = Array.from({ length: 50 }, (_, count) => cached.peekUser(identity(`${count}`)))
    expect(left.filter(row => row !== undefined)).toHaveLength(3)
  })
})

describe("a row that is read beside a change", () => {
  it.each([
    ["save", (cached: ReturnType<typeof heldStore>["cached"]) => cached.saveUser(late)],
    ["remove", (cached: ReturnType<typeof heldStore>["cached"]) => cached.removeUser(ada)],
    ["link", (cached: ReturnType<typeof heldStore>["cached"]) => cached.linkUser?.(1, late)],
  ])("is not remembered if the read began before a %s or beside it", async (call, change) => {
    const { rows, cached, letGo, asked } = heldStore()
    await rows.saveUser(early)
    const before = cached.findUser(ada)
    const changing = change(cached)
    const beside = cached.findUser(ada)
    expect(asked()).toEqual(["find", call, "find"])
    await letGo("find")
    await letGo(call)
    await changing
    const now = cached.peekUser(ada)
    await letGo("find")
    await Promise.all([before, beside])
    expect(cached.peekUser(ada)).toBe(now)
    expect(now).toEqual(call === "save" ? expect.objectContaining({ firstName: "Late" }) : undefined)
  })

  it("is not there while a change is under way", async () => {
    const { rows, cached, letGo } = heldStore()
    await rows.saveUser(early)
    const reading = cached.findUser(ada)
    await letGo("find")
    await reading
    const removing = cached.removeUser(ada)
    expect(cached.peekUser(ada)).toBeUndefined()
    await letGo("remove")
    await removing
    expect(cached.peekUser(ada)).toBeUndefined()
  })

  it("is not remembered if `forget` was called since, nor is what a save gives then", async () => {
    const { rows, cached, letGo } = heldStore()
    await rows.saveUser(early)
    const reading = cached.findUser(ada)
    cached.forget(ada)
    await letGo("find")
    await reading
    expect(cached.peekUser(ada)).toBeUndefined()
    const saving = cached.saveUser(late)
    cached.forget(ada)
    await letGo("save")
    await saving
    expect(cached.peekUser(ada)).toBeUndefined()
  })

  it("is not remembered of two saves at once: nobody knows whose answer is the later one", async () => {
    const { cached, letGo } = heldStore()
    const saves = [cached.saveUser(late), cached.saveUser(early)]
    await letGo("save")
    expect(cached.peekUser(ada)).toBeUndefined()
    await letGo("save")
    await Promise.all(saves)
    expect(cached.peekUser(ada)).toBeUndefined()
  })

  it("is not remembered after a save that failed, which may have done its work", async () => {
    const rows = memoryUserStore()
    const failure = new Error("connection lost")
    const saveUser = async () => {
      await rows.saveUser(late)
      throw failure
    }
    const cached = cachedUserStore({ ...rows, saveUser }, options)
    await rows.saveUser(early)
    await cached.findUser(ada)
    await expect(cached.saveUser(late)).rejects.toBe(failure)
    expect(await cached.findUser(ada)).toMatchObject({ firstName: "Late" })
  })

  it("is remembered although somebody else's row changes", async () => {
    const { rows, cached, letGo } = heldStore()
    await rows.saveUser(early)
    const reading = cached.findUser(ada)
    const saving = cached.saveUser({ ...late, subject: "bob" })
    cached.forget({ issuer: "https://other.example.test", subject: ada.subject })
    await letGo("save")
    await letGo("find")
    await Promise.all([reading, saving])
    expect(cached.peekUser(ada)).toMatchObject({ firstName: "Early" })
  })
})

describe("cachedUserStore", () => {
  it("has the functions that its store has, and calls them as methods of it", async () => {
    class Store {
      readonly row = { name: "ada" }
      async findUser() {
        return this.row
      }
      async saveUser() {
        return this.row
      }
      async removeUser() {
        if (this.row === undefined) throw new Error("no this")
      }
    }
    const cached = cachedUserStore(new Store(), options)
    expect(Object.keys(cached).sort()).toEqual(["findUser", "forget", "peekUser", "removeUser", "saveUser"])
    expect([await cached.findUser(ada), await cached.saveUser(early)]).toEqual(Array(2).fill({ name: "ada" }))
    await cached.removeUser(ada)
    const all = cachedUserStore(memoryUserStore(), options)
    expect(await all.listSubjects?.({ issuer, after: null, limit: 1 })).toEqual([])
    expect(await all.findUnlinked?.(early, { by: "email" })).toEqual([])
    expect(await all.linkUser?.(1, early)).toBeNull()
  })

  it("hands on what its store throws", async () => {
    const failure = new Error("no connection")
    const fail = () => {
      throw failure
    }
    const cached = cachedUserStore({ findUser: fail, saveUser: fail, removeUser: fail }, options)
    for (const call of [() => cached.findUser(ada), () => cached.saveUser(early), () => cached.removeUser(ada)])
      await expect(call()).rejects.toBe(failure)
  })

  it.each<[string, unknown, unknown]>([
    ["seconds", memoryUserStore(), {}],
    ["seconds", memoryUserStore(), { seconds: 0 }],
    ["seconds", memoryUserStore(), { seconds: "10" }],
    ["maxUsers", memoryUserStore(), { seconds: 1, maxUsers: 0 }],
    ["second", memoryUserStore(), { second: 1 }],
    ["options", memoryUserStore(), undefined],
    ["store", { findUser() {} }, { seconds: 1 }],
    ["store", undefined, { seconds: 1 }],
  ])("is `config_invalid` for a wrong %s", (name, store, settings) => {
    expect(() => cachedUserStore(store as UserStore<unknown>, settings as typeof options)).toThrow(
      expect.objectContaining({
        code: "config_invalid",
        fields: expect.arrayContaining([{ field: name, rule: "option", params: [] }]),
      }),
    )
  })
})
