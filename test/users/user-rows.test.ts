import { describe, expect, it } from "vitest"
import { type MemoryUser, memoryUserStore } from "../../src/users/memory-user-store.js"
import type { UserStore } from "../../src/users/user-store.js"
import type { AskAlive } from "../../src/verify/session/account-alive.js"
import { ada, principal, profile, rowsOn } from "./rows.ts"

function countingStore(askAlive?: AskAlive) {
  const store = memoryUserStore()
  const calls: string[] = []
  const counted: UserStore<MemoryUser> = {
    async findUser(identity) {
      calls.push("find")
      return store.findUser(identity)
    },
    async saveUser(profile, extra) {
      calls.push("save")
      return store.saveUser(profile, extra)
    },
    removeUser: store.removeUser,
    linkUser: store.linkUser,
  }
  return { calls, store, ...rowsOn(counted, askAlive && { askAlive }) }
}

describe("syncUser", () => {
  it("saves at the first sight of a subject and only looks it up after that", async () => {
    const { syncUser, calls } = countingStore()
    await syncUser(principal())
    await syncUser(principal())
    await syncUser(principal({ iat: 2000 }))
    expect(calls).toEqual(["save", "find", "find"])
  })

  it("saves again when a later token carries other values", async () => {
    const { syncUser, calls } = countingStore()
    await syncUser(principal())
    expect((await syncUser(principal({ iat: 2000, email: "new@example.test" }))).email).toBe("new@example.test")
    expect(calls).toEqual(["save", "find", "save"])
  })

  it("never lets an earlier token overwrite what a later one told", async () => {
    const { syncUser, calls } = countingStore()
    await syncUser(principal({ iat: 2000, preferred_username: "new-name" }))
    expect((await syncUser(principal({ iat: 1000 }))).username).toBe("new-name")
    expect(calls).toEqual(["save", "find"])
  })

  it("makes the row anew when it is gone and Keycloak says that there is an account", async () => {
    const { syncUser, store, calls } = countingStore()
    await syncUser(principal())
    await store.removeUser(ada)
    expect((await syncUser(principal())).username).toBe("ada")
    expect(calls).toEqual(["save", "find", "save"])
  })

  it("only looks up a row that was linked here, and tells what the store refuses", async () => {
    const { linkRow, beginReading, syncUser, store, calls } = countingStore()
    const key = store.addUnlinked({ username: "ada" })
    expect(await linkRow(key, profile(), beginReading())).toMatchObject({ subject: "s1" })
    expect(await linkRow(key, profile(), beginReading())).toBeNull()
    await syncUser(principal())
    expect(calls).toEqual(["find"])
  })

  it("takes undefined for no row, as a store may answer that nobody has held to the contract", async () => {
    const { findUser, ...store } = memoryUserStore()
    const { syncUser } = rowsOn({
      ...store,
      findUser: async identity => (await findUser(identity)) ?? (undefined as never),
    })
    await syncUser(principal())
    await store.removeUser(ada)
    expect((await syncUser(principal())).username).toBe("ada")
  })

  it("calls saveUser once when 50 first requests arrive together", async () => {
    const { syncUser, calls } = countingStore()
    const rows = await Promise.all(Array.from({ length: 50 }, () => syncUser(principal())))
    expect(calls.filter(call => call === "save")).toHaveLength(1)
    expect(new Set(rows.map(row => row.subject))).toEqual(new Set(["s1"]))
  })

  it("does not blank a row for a token that was issued without the scopes profile and email", async () => {
    const { syncUser } = countingStore()
    await syncUser(principal())
    const bare = {
      scope: "orders",
      preferred_username: undefined,
      email: undefined,
      given_name: undefined,
      family_name: undefined,
    }
    expect(await syncUser(principal({ iat: 5000, ...bare }))).toMatchObject({
      username: "ada",
      email: "ada@example.test",
      firstName: "Ada",
    })
    expect((await syncUser(principal({ sub: "s2", ...bare }))).username).toBeNull()
  })

  it("takes an e-mail away when a token with the scope email carries none", async () => {
    const { syncUser } = countingStore()
    await syncUser(principal())
    expect((await syncUser(principal({ iat: 2000, email: undefined }))).email).toBeNull()
  })

  it("keeps two people apart who swap usernames and e-mails", async () => {
    const { syncUser } = countingStore()
    await syncUser(principal())
    await syncUser(principal({ sub: "s2", preferred_username: "bob", email: "bob@example.test" }))
    await syncUser(principal({ iat: 2000, preferred_username: "bob", email: "bob@example.test" }))
    await syncUser(principal({ iat: 2000, sub: "s2" }))
    expect(
      (await syncUser(principal({ iat: 2001, preferred_username: "bob", email: "bob@example.test" }))).username,
    ).toBe("bob")
    expect((await syncUser(principal({ iat: 2001, sub: "s2" }))).username).toBe("ada")
  })

  it("hands through what the store throws, and tries again at the next request", async () => {
    const failure = new Error("the database is down")
    const store = memoryUserStore()
    let isDown = true
    const failing: UserStore<unknown> = {
      ...store,
      saveUser: profile => (isDown ? Promise.reject(failure) : store.saveUser(profile)),
    }
    const { syncUser } = rowsOn(failing)
    await expect(syncUser(principal())).rejects.toBe(failure)
    isDown = false
    expect(await syncUser(principal())).toMatchObject({ subject: "s1" })
  })

  it("knows a registered person already, with the application's own data", async () => {
    const { syncUser, saveRegistered, calls } = countingStore()
    await saveRegistered(profile({ asOf: new Date(500_000) }), { plan: "pro" })
    expect((await syncUser(principal())).extra).toEqual({ plan: "pro" })
    expect(calls).toEqual(["save", "find"])
  })
})
