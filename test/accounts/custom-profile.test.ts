import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createGate,
  type Gate,
  type GateOptions,
  importUsers,
  linkUsers,
  type MemoryUser,
  memoryUserStore,
  syncUsers,
} from "../../src/index.js"
import { openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

type CustomProfile = NonNullable<GateOptions<MemoryUser>["customProfile"]>

/** Another process on the same rows, if it is given them. */
function gateWith(customProfile: CustomProfile, userStore = memoryUserStore()): Gate<MemoryUser> {
  return createGate<MemoryUser>({ ...shop.realm.gateOptions, userStore, customProfile, onEvent: () => undefined })
}

const fromClaims: CustomProfile["fromClaims"] = ({ plan }) => ({ plan })
const fromAccount: CustomProfile["fromAccount"] = ({ attributes }) => ({ plan: attributes.plan?.[0] })
const person = { firstName: "Ada", lastName: "Lovelace", password: "a long enough password" }
let count = 0
const newNames = () => ({ username: `custom-${++count}`, email: `custom-${count}@example.test` })

async function bearer(username: string, plan: string): Promise<string> {
  return `Bearer ${await shop.realm.issueToken(username, { plan })}`
}

describe("customProfile", () => {
  it("fills the row at registration, at an update, with a later token and in a sync", async () => {
    const store = memoryUserStore()
    const gate = gateWith({ fromClaims, fromAccount }, store)
    const names = newNames()
    const { subject, user } = await gate.registerUser({ ...names, ...person, attributes: { plan: "free" } })
    expect(user.custom).toEqual({ plan: "free" })

    const updated = await gate.updateAccount(subject, { attributes: { plan: "team" } })
    expect([updated.user.custom, updated.attributes]).toEqual([{ plan: "team" }, { plan: ["team"] }])

    const later = shop.realm.issueToken(names.username, { plan: "pro", iat: Math.ceil(Date.now() / 1000) + 1 })
    expect(await gate.verifyBearer(`Bearer ${await later}`)).toMatchObject({ user: { custom: { plan: "pro" } } })

    const other = memoryUserStore()
    await syncUsers(gateWith({ fromClaims, fromAccount }, other))
    expect(await other.findUser({ issuer: shop.realm.issuer, subject })).toMatchObject({ custom: { plan: "team" } })
    await gate.close()
  })

  it("fills the row at the first sight of a person", async () => {
    const { username } = shop.newPerson()
    const gate = gateWith({ fromClaims })
    expect(await gate.verifyBearer(await bearer(username, "pro"))).toMatchObject({ user: { custom: { plan: "pro" } } })
    await gate.close()
  })

  it("fills the rows that importUsers and linkUsers tie to an account", async () => {
    const store = memoryUserStore()
    const linked = shop.newPerson({ attributes: { plan: ["older"] } })
    const gate = gateWith({ fromAccount }, store)
    const { password: _, ...names } = { ...person, ...newNames() }
    const key = store.addUnlinked({ username: names.username })
    await importUsers(gate, [{ key, ...names, attributes: { plan: "old" } }])
    store.addUnlinked({ username: linked.username })
    await linkUsers(gate, { by: "username", until: new Date() })
    const customOf = async (subject = "") => (await store.findUser({ issuer: shop.realm.issuer, subject }))?.custom
    const imported = shop.realm.users().find(({ username }) => username === names.username)
    expect([await customOf(imported?.id), await customOf(linked.id)]).toEqual([{ plan: "old" }, { plan: "older" }])
    await gate.close()
  })

  it("reads attributes in a sync only where it is asked for", async () => {
    const briefness = async (customProfile: CustomProfile) => {
      const gate = gateWith(customProfile)
      shop.realm.forgetRequests()
      await syncUsers(gate)
      await gate.close()
      const pages = shop.realm.requests.filter(({ path, query }) => path.endsWith("/users") && query.first === "0")
      return pages.map(({ query }) => query.briefRepresentation)
    }
    expect(await briefness({ fromAccount })).toEqual(["false"])
    expect(await briefness({ fromClaims })).toEqual(["true"])
  })

  it("hands the application's own error through, and registers nobody then", async () => {
    const failure = new Error("no such plan")
    const fail = () => {
      throw failure
    }
    const gate = gateWith({ fromClaims: fail, fromAccount: fail })
    const names = newNames()
    const before = shop.realm.users().length
    await expect(gate.registerUser({ ...names, ...person })).rejects.toBe(failure)
    expect(shop.realm.users()).toHaveLength(before)
    const { id, username } = shop.newPerson()
    await expect(gate.verifyBearer(await bearer(username, "pro"))).rejects.toBe(failure)
    await expect(gate.updateAccount(id, { firstName: "Augusta" })).rejects.toBe(failure)
    await expect(syncUsers(gate)).rejects.toBe(failure)
    await gate.close()
  })

  it("is `config_invalid` where a function gives something else than plain values", async () => {
    const gate = gateWith({ fromClaims: () => ["pro"] as never, fromAccount: () => ({ at: new Date() }) as never })
    const { id, username } = shop.newPerson()
    const wrong = (name: string) => ({ code: "config_invalid", message: expect.stringContaining(name) })
    await expect(gate.verifyBearer(await bearer(username, "pro"))).rejects.toMatchObject(wrong("fromClaims"))
    await expect(gate.updateAccount(id, { firstName: "A" })).rejects.toMatchObject(wrong("fromAccount"))
    await gate.close()
  })
})
