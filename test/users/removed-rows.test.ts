import { setImmediate as nextTurn } from "node:timers/promises"
import fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import { isGateError } from "../../src/errors.js"
import { type MemoryUser, memoryUserStore } from "../../src/users/memory-user-store.js"
import type { UserKey, UserStore } from "../../src/users/user-store.js"
import type { AskAlive } from "../../src/verify/session/account-alive.js"
import { ada, issuer, principal, profile, rowsOn } from "./rows.ts"

/** A promise that somebody else settles. */
function deferred() {
  let settle = (): void => undefined
  const promise = new Promise<void>(resolve => {
    settle = resolve
  })
  return { promise, settle }
}

const revoked = { code: "invalid_token", reason: "revoked" }

describe("a row that was removed in this process", () => {
  it("is not made again by a token from before, at its first sight or later", async () => {
    const store = memoryUserStore()
    const { syncUser, removeUser } = rowsOn(store)
    await removeUser(ada)
    await expect(syncUser(principal())).rejects.toMatchObject(revoked)
    await expect(syncUser(principal({ iat: 1500, email: "new@example.test" }))).rejects.toMatchObject(revoked)
    expect(await store.findUser(ada)).toBeNull()
  })

  it("comes with a token that Keycloak issued since: there is an account again", async () => {
    const { syncUser, removeUser } = rowsOn(memoryUserStore())
    await removeUser(ada)
    expect(await syncUser(principal({ iat: 2001 }))).toMatchObject({ subject: "s1" })
  })

  it("keeps nobody out of the same subject at another issuer", async () => {
    const { syncUser, removeUser } = rowsOn(memoryUserStore())
    await removeUser({ issuer: "https://other.example.test/realms/shop", subject: "s1" })
    expect(await syncUser(principal())).toMatchObject({ issuer })
  })

  it("is not saved from an account that was read before, and is from one that is read after", async () => {
    const store = memoryUserStore()
    const { beginReading, saveRead, saveListed, removeUser } = rowsOn(store)
    const before = beginReading()
    await removeUser(ada)
    const later = profile({ asOf: new Date(3_000_000_000) }) // whatever the clocks say
    await expect(saveRead(later, before)).rejects.toMatchObject({
      code: "invalid_request",
      fields: [{ rule: "unknown" }],
    })
    expect(await saveListed(later, before)).toBeNull()
    expect(await store.findUser(ada)).toBeNull()
    expect(await saveListed(profile({ asOf: new Date(0) }), beginReading())).toMatchObject({ subject: "s1" })
  })

  it("is not saved by its registration, which goes on", async () => {
    const store = memoryUserStore()
    const { saveRegistered, removeUser } = rowsOn(store)
    await removeUser(ada)
    await expect(saveRegistered(profile(), { plan: "pro" })).rejects.toSatisfy(isGateError)
    expect(await store.findUser(ada)).toBeNull()
  })

  it("takes no row without subject from an account that was read before", async () => {
    const store = memoryUserStore()
    const key = store.addUnlinked({ username: "ada" })
    const { beginReading, linkRow, removeUser } = rowsOn(store)
    const before = beginReading()
    await removeUser(ada)
    expect(await linkRow(key, profile(), before)).toBeNull()
    expect(await linkRow(key, profile(), beginReading())).toMatchObject({ subject: "s1" })
  })

  // Each in the ways of saving: a request, a registration, an update, a listing.
  const ways = ["syncUser", "saveRegistered", "saveRead", "saveListed", "linkRow"] as const
  function savingWith(rows: ReturnType<typeof rowsOn>, key: UserKey) {
    const { syncUser, saveRegistered, saveRead, saveListed, linkRow, beginReading } = rows
    return {
      syncUser: () => syncUser(principal()),
      saveRegistered: () => saveRegistered(profile(), undefined),
      saveRead: () => saveRead(profile(), beginReading()),
      saveListed: () => saveListed(profile(), beginReading()),
      linkRow: () => linkRow(key, profile(), beginReading()),
    }
  }

  it.each(ways)("waits for a save under way: %s", async way => {
    const store = memoryUserStore()
    const held = deferred()
    const slow: UserStore<MemoryUser> = {
      ...store,
      saveUser: (...saved) => held.promise.then(() => store.saveUser(...saved)),
      linkUser: (...linked) => held.promise.then(() => store.linkUser(...linked)),
    }
    const rows = rowsOn(slow)
    const saving = savingWith(rows, store.addUnlinked({ username: "ada" }))[way]()
    const removal = rows.removeUser(ada)
    held.settle()
    await Promise.all([saving, removal])
    expect(await store.findUser(ada)).toBeNull()
    await expect(rows.syncUser(principal())).rejects.toMatchObject(revoked)
  })

  it.each(ways)("is removed again when a save settles after its limit: %s", async way => {
    const store = memoryUserStore()
    const held = deferred()
    const removeUser = vi.fn(store.removeUser)
    const slow: UserStore<MemoryUser> = {
      ...store,
      removeUser,
      saveUser: (...saved) => held.promise.then(() => store.saveUser(...saved)),
      linkUser: (...linked) => held.promise.then(() => store.linkUser(...linked)),
    }
    const rows = rowsOn(slow, { storeTimeoutMs: 20 })
    const saving = savingWith(rows, store.addUnlinked({ username: "ada" }))[way]()
    await expect(saving).rejects.toMatchObject({ code: "store_unavailable" })
    await rows.removeUser(ada)
    held.settle()
    await expect.poll(() => removeUser.mock.calls.length).toBe(2)
    expect(await store.findUser(ada)).toBeNull()
  })

  it("waits no longer for a save than the save may take", async () => {
    const hanging = { ...memoryUserStore(), saveUser: () => new Promise<never>(() => undefined) }
    const rows = rowsOn(hanging, { storeTimeoutMs: 20 })
    const saving = rows.syncUser(principal())
    await rows.removeUser(ada)
    await expect(saving).rejects.toMatchObject({ code: "store_unavailable" })
  })

  it("is told of when a late save has brought it back and it can't be removed", async () => {
    const store = memoryUserStore()
    const held = deferred()
    const failure = new Error("still referenced by table orders")
    let removals = 0
    const rows = rowsOn(
      {
        ...store,
        saveUser: (...saved) => held.promise.then(() => store.saveUser(...saved)),
        removeUser: async () => {
          if (++removals > 1) throw failure
        },
      },
      { storeTimeoutMs: 20 },
    )
    await expect(rows.syncUser(principal())).rejects.toMatchObject({ code: "store_unavailable" })
    await rows.removeUser(ada)
    held.settle()
    await expect
      .poll(() => rows.events.at(-1))
      .toMatchObject({ type: "refusal", error: { code: "store_unavailable", cause: failure } })
  })

  it("stays when its account is back and a save of before settles late", async () => {
    const store = memoryUserStore()
    const held = deferred()
    const removeUser = vi.fn(store.removeUser)
    const late = vi.fn(() => held.promise.then(() => store.saveUser(profile())))
    let saveUser: typeof store.saveUser = late
    const rows = rowsOn({ ...store, removeUser, saveUser: (...saved) => saveUser(...saved) }, { storeTimeoutMs: 20 })
    await expect(rows.syncUser(principal())).rejects.toMatchObject({ code: "store_unavailable" })
    saveUser = store.saveUser
    await rows.removeUser(ada)
    const back = await rows.syncUser(principal({ iat: 2001, preferred_username: "back" }))
    held.settle()
    await late.mock.results[0]?.value
    await nextTurn()
    expect(removeUser).toHaveBeenCalledTimes(1)
    expect(await store.findUser(ada)).toEqual(back)
  })

  it("is not handed to a request that has waited for the save of another", async () => {
    const store = memoryUserStore()
    const held = deferred()
    const rows = rowsOn({ ...store, findUser: identity => held.promise.then(() => store.findUser(identity)) })
    const [first, second] = [rows.syncUser(principal({}, "one")), rows.syncUser(principal({}, "two"))]
    await first
    await rows.removeUser(ada)
    held.settle()
    await expect(second).rejects.toMatchObject(revoked)
  })

  it("does not come back, in whatever order the store and Keycloak answer", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async scheduler => {
        const turn = (label: string) => scheduler.schedule(Promise.resolve(), label)
        const store = memoryUserStore()
        const slow: UserStore<MemoryUser> = {
          async findUser(identity) {
            await turn("find")
            return store.findUser(identity)
          },
          async saveUser(...saved) {
            await turn("save")
            const row = await store.saveUser(...saved)
            await turn("saved")
            return row
          },
          async removeUser(identity) {
            await turn("remove")
            await store.removeUser(identity)
            await turn("removed")
          },
        }
        let hasAccount = true
        const rows = rowsOn(slow)
        const readsAndSaves = async (save: "saveRead" | "saveListed") => {
          const reading = rows.beginReading()
          await turn("read")
          const answer = hasAccount
          await turn("was read")
          if (answer) await rows[save](profile(), reading)
        }
        const deletes = async () => {
          await rows.removeUser(ada)
          await turn("delete account")
          hasAccount = false
          await rows.removeUser(ada)
        }
        const begins: readonly (() => Promise<unknown>)[] = [
          () => rows.syncUser(principal({}, "one")),
          () => rows.syncUser(principal({ iat: 1500, email: "new@example.test" }, "two")),
          () => rows.syncUser(principal({ scope: "orders", email: undefined }, "three")),
          () => rows.saveRegistered(profile(), { plan: "pro" }),
          () => readsAndSaves("saveRead"),
          () => readsAndSaves("saveListed"),
          deletes,
        ]
        const works = Promise.allSettled(begins.map(begin => turn("begin").then(begin)))
        await scheduler.waitFor(works)
        expect(await store.findUser(ada)).toBeNull()
        const later = rows.syncUser(principal({ iat: 1600 }, "four"))
        await scheduler.waitFor(Promise.allSettled([later]))
        await expect(later).rejects.toMatchObject(revoked)
        expect(await store.findUser(ada)).toBeNull()
      }),
      { numRuns: 500 },
    )
  })
})

describe("a row that was removed elsewhere", () => {
  /** A process that has seen Ada, whose row another one has removed. */
  async function afterRemovalElsewhere(askAlive: AskAlive, now = () => 2000) {
    const store = memoryUserStore()
    const ask = vi.fn(askAlive)
    const rows = rowsOn(store, { askAlive: ask, now })
    await rows.syncUser(principal())
    await store.removeUser(ada)
    return { ...rows, store, ask }
  }

  it("is not made again by a token that Keycloak calls inactive, old news or new", async () => {
    const { syncUser, store, ask } = await afterRemovalElsewhere(async () => "ended")
    await expect(syncUser(principal())).rejects.toMatchObject(revoked)
    await expect(syncUser(principal({ iat: 1500, email: "new@example.test" }))).rejects.toMatchObject(revoked)
    await expect(syncUser(principal({ iat: 1500, scope: "orders", email: undefined }))).rejects.toMatchObject(revoked)
    expect([await store.findUser(ada), ask.mock.calls.length]).toEqual([null, 3])
  })

  it("is remembered too by a process that only ever found it", async () => {
    const store = memoryUserStore()
    await store.saveUser(profile())
    const bare = principal({ scope: "orders", preferred_username: undefined, email: undefined })
    const { syncUser } = rowsOn(store, { askAlive: async () => "ended" })
    await syncUser(bare)
    await store.removeUser(ada)
    await expect(syncUser(bare)).rejects.toMatchObject(revoked)
    expect(await store.findUser(ada)).toBeNull()
  })

  it("is made again, with what the token tells, where Keycloak says that there is an account", async () => {
    const { syncUser, store } = await afterRemovalElsewhere(async () => "alive")
    expect(await syncUser(principal({ iat: 1500, email: "new@example.test" }))).toMatchObject({
      email: "new@example.test",
    })
    expect(await store.findUser(ada)).not.toBeNull()
  })

  it("is neither made nor called a bad token while Keycloak can't be asked, and the next request asks again", async () => {
    const outage = new Error("no Keycloak")
    let isDown = true
    const { syncUser, store } = await afterRemovalElsewhere(async () => {
      if (isDown) throw outage
      return "alive"
    })
    await expect(syncUser(principal())).rejects.toBe(outage)
    expect(await store.findUser(ada)).toBeNull()
    isDown = false
    expect(await syncUser(principal())).toMatchObject({ subject: "s1" })
  })

  it("needs a token that was issued since where Keycloak can't be asked about the one at hand", async () => {
    let time = 2000
    const { syncUser, store, ask } = await afterRemovalElsewhere(
      async () => "unknown",
      () => time,
    )
    await expect(syncUser(principal())).rejects.toMatchObject(revoked)
    await expect(syncUser(principal({ iat: 1999 }))).rejects.toMatchObject(revoked)
    expect([await store.findUser(ada), ask.mock.calls.length]).toEqual([null, 1])
    time = 2100
    expect(await syncUser(principal({ iat: 2100 }))).toMatchObject({ subject: "s1" })
  })

  it("is asked about once for 50 requests with one token", async () => {
    const { syncUser, ask } = await afterRemovalElsewhere(async () => "alive")
    const rows = await Promise.all(Array.from({ length: 50 }, () => syncUser(principal())))
    expect([new Set(rows.map(({ subject }) => subject)).size, ask.mock.calls.length]).toEqual([1, 1])
  })

  it("is asked about one token at a time, and one token's end is not another's", async () => {
    let [asking, most] = [0, 0]
    const { syncUser } = await afterRemovalElsewhere(async ({ token }) => {
      most = Math.max(most, ++asking)
      await new Promise(resolve => setTimeout(resolve, 1))
      asking -= 1
      return token === "living" ? "alive" : "ended"
    })
    const tokens = ["ended", "ended too", "living", "another"]
    const outcomes = await Promise.allSettled(tokens.map(token => syncUser(principal({}, token))))
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"])
    expect(most).toBe(1)
  })

  it("is made without a question by a process that remembers nobody", async () => {
    const ask = vi.fn<AskAlive>(async () => "ended")
    expect(await rowsOn(memoryUserStore(), { askAlive: ask }).syncUser(principal())).toMatchObject({ subject: "s1" })
    expect(ask).not.toHaveBeenCalled()
  })
})

describe("a save that never settles", () => {
  afterEach(() => vi.useRealTimers())

  it("keeps nobody out for longer than its limit", async () => {
    vi.useFakeTimers()
    const store = memoryUserStore()
    let hangs = true
    const rows = rowsOn(
      { ...store, saveUser: (...saved) => (hangs ? new Promise<never>(() => undefined) : store.saveUser(...saved)) },
      { storeTimeoutMs: 1000 },
    )
    const waiting = Promise.allSettled([rows.syncUser(principal()), rows.syncUser(principal())])
    await vi.advanceTimersByTimeAsync(1000)
    expect(await waiting).toMatchObject(Array(2).fill({ status: "rejected", reason: { code: "store_unavailable" } }))
    hangs = false
    expect(await rows.syncUser(principal())).toMatchObject({ subject: "s1" })
    expect(rows.events).toHaveLength(1)
  })
})
