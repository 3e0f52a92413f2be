import { describe, expect, it } from "vitest"
import type { CustomSettings } from "../../src/users/custom-profile.js"
import { createCustomReader, profileOfAccount } from "../../src/users/custom-profile.js"
import { memoryUserStore } from "../../src/users/memory-user-store.js"
import type { UserProfile, UserStore } from "../../src/users/user-store.js"
import { ada, principal, profile, rowsOn } from "./rows.ts"

const fromClaims: CustomSettings["fromClaims"] = ({ plan }) => ({ plan })
const fromAccount: CustomSettings["fromAccount"] = ({ attributes }) => ({ plan: attributes.plan?.[0] })

/** A process of its own, on one table; it counts its saves. */
function processOn<User>(store: UserStore<User>, customProfile: Partial<CustomSettings>) {
  const saves: UserProfile[] = []
  const counted: UserStore<User> = {
    ...store,
    saveUser(profile, extra) {
      saves.push(profile)
      return store.saveUser(profile, extra)
    },
  }
  const custom = createCustomReader({ fromClaims: null, fromAccount: null, ...customProfile })
  const account = (plan: string | null, asOf: number, changes: Partial<UserProfile> = {}) =>
    profileOfAccount(custom, ada, profile(changes), plan === null ? {} : { plan: [plan] }, new Date(asOf))
  return { saves, account, ...rowsOn(counted, { customProfile }) }
}

const token = (iat: number, plan?: string, changes = {}) =>
  principal({ iat, ...(plan !== undefined && { plan }), ...changes })

/** A store that knows nothing of `customAsOf`. */
function simpleStore(): UserStore<UserProfile> {
  const { findUser, saveUser, removeUser } = memoryUserStore()
  return { findUser, removeUser, saveUser: ({ customAsOf: _, ...profile }, extra) => saveUser(profile, extra) }
}

describe.each([
  ["a store that keeps their date", memoryUserStore],
  ["a store that keeps one date for all", simpleStore],
])("custom values of tokens and accounts, in %s,", (_, createStore: () => UserStore<UserProfile>) => {
  it("are saved at the first sight, and again when a later token tells others; equal ones are not", async () => {
    const { syncUser, saves } = processOn(createStore(), { fromClaims, fromAccount })
    expect((await syncUser(token(1000, "free"))).custom).toEqual({ plan: "free" })
    await syncUser(token(1001, "free"))
    expect(saves).toHaveLength(1)
    expect((await syncUser(token(1002, "pro"))).custom).toEqual({ plan: "pro" })
    await syncUser(token(1002, "pro"))
    expect((await syncUser(token(1003))).custom).toEqual({})
    expect(saves.map(({ customAsOf }) => customAsOf)).toEqual([undefined, undefined, undefined])
  })

  it("are never those of an earlier token", async () => {
    const { syncUser, saves } = processOn(createStore(), { fromClaims })
    await syncUser(token(2000, "pro"))
    expect((await syncUser(token(1000, "free"))).custom).toEqual({ plan: "pro" })
    expect(saves).toHaveLength(1)
  })

  it("follow an account that is registered, read, listed or linked", async () => {
    const store = memoryUserStore()
    const { saveRegistered, saveRead, saveListed, linkRow, removeUser, beginReading, account } = processOn(store, {
      fromAccount,
    })
    expect(await saveRegistered(account("a", 1_000_000), undefined)).toMatchObject({ custom: { plan: "a" } })
    expect(await saveRead(account("b", 1_001_000), beginReading())).toMatchObject({ custom: { plan: "b" } })
    expect(await saveListed(account("c", 1_002_000), beginReading())).toMatchObject({ custom: { plan: "c" } })
    await removeUser(ada)
    const key = store.addUnlinked({ username: "ada" })
    expect(await linkRow(key, account("d", 1_003_000), beginReading())).toMatchObject({ custom: { plan: "d" } })
  })

  it("stay where the other source has none, and with the names that it tells", async () => {
    const claimsOnly = processOn(createStore(), { fromClaims })
    await claimsOnly.syncUser(token(1000, "pro"))
    const renamed = claimsOnly.account(null, 1_500_000, { firstName: "Augusta" })
    const told = { firstName: "Augusta", custom: { plan: "pro" } }
    expect(await claimsOnly.saveRead(renamed, claimsOnly.beginReading())).toMatchObject(told)
    expect(await claimsOnly.saveListed(renamed, claimsOnly.beginReading())).toMatchObject(told)

    const accountsOnly = processOn(createStore(), { fromAccount })
    await accountsOnly.saveRegistered(accountsOnly.account("pro", 1_000_000), undefined)
    const other = await accountsOnly.syncUser(token(2000, "ignored", { given_name: "Augusta" }))
    expect(other).toMatchObject(told)
    expect(accountsOnly.saves).toHaveLength(2)
  })

  it("come with a token of the very second of the registration that told none", async () => {
    const { saveRegistered, syncUser, saves, account } = processOn(createStore(), { fromClaims })
    await saveRegistered(account(null, 1_000_700), undefined)
    expect(await syncUser(token(1000, "pro"))).toMatchObject({ custom: { plan: "pro" }, asOf: new Date(1_000_700) })
    await syncUser(token(1000, "pro"))
    expect(saves).toHaveLength(2)
  })

  it("cost no save where the registration told none and the token has none either", async () => {
    const { saveRegistered, syncUser, saves, account } = processOn(createStore(), { fromClaims })
    await saveRegistered(account(null, 1_000_700), undefined)
    for (const iat of [1000, 1001, 1002]) await syncUser(token(iat))
    expect(saves).toHaveLength(1)
  })
})

describe("custom values, in a store that keeps their date,", () => {
  it("survive a process that hears of the person from the other source first", async () => {
    const store = memoryUserStore()
    const first = processOn(store, { fromAccount })
    await first.saveRegistered(first.account("pro", 1_000_000), undefined)
    const second = processOn(store, { fromAccount })
    expect(await second.syncUser(token(2000))).toMatchObject({ custom: { plan: "pro" } })
    // And the account's next word is the later one, whatever date the token gave the row.
    const third = processOn(store, { fromAccount })
    const read = third.account("free", 1_999_000)
    expect(await third.saveRead(read, third.beginReading())).toMatchObject({
      custom: { plan: "free" },
      asOf: new Date(2_000_000),
    })
  })

  it("come with a token that is older than what another process listed", async () => {
    const store = memoryUserStore()
    const first = processOn(store, { fromClaims })
    await first.saveListed(first.account(null, 3_000_000, { firstName: "Listed" }), first.beginReading())
    const second = processOn(store, { fromClaims })
    expect(await second.syncUser(token(2000, "pro"))).toMatchObject({ custom: { plan: "pro" }, firstName: "Listed" })
    expect(await second.syncUser(token(1000, "free"))).toMatchObject({ custom: { plan: "pro" } })
  })

  it("are not brought back by a process that knows older ones", async () => {
    const store = memoryUserStore()
    const first = processOn(store, { fromClaims })
    await first.syncUser(token(1000, "free"))
    await processOn(store, { fromClaims }).syncUser(token(2000, "pro"))
    const listed = await first.saveListed(first.account(null, 3_000_000), first.beginReading())
    expect(listed).toMatchObject({ custom: { plan: "pro" }, asOf: new Date(3_000_000) })
  })
})

describe("without customProfile", () => {
  it("a profile's custom is empty, and nothing else is in it", async () => {
    const { syncUser, saves } = processOn(memoryUserStore(), {})
    await syncUser(token(1000, "pro"))
    await syncUser(token(2000, "free"))
    expect(saves).toEqual([profile()])
  })
})
