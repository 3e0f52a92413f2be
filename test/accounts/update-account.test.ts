import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf } from "../support/refusal-of.ts"
import { nobody, openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

describe("updateAccount", () => {
  it("changes what is named and nothing else, in the account and in the row", async () => {
    const { id, username, email } = shop.newPerson({ attributes: { phone: ["123"] } })
    const updated = await shop.gate.updateAccount(id, { firstName: "Augusta" })
    expect(updated).toMatchObject({
      subject: id,
      username,
      email,
      firstName: "Augusta",
      attributes: { phone: ["123"] },
    })
    expect(shop.accountOf(id)).toMatchObject({ username, email, firstName: "Augusta", attributes: { phone: ["123"] } })
    expect(await shop.rowOf(id)).toEqual(updated.user)
  })

  it("removes an attribute for null and leaves the others", async () => {
    const { id } = shop.newPerson({ attributes: { phone: ["123"], tag: ["a"] } })
    const { attributes } = await shop.gate.updateAccount(id, { attributes: { phone: null } })
    expect(attributes).toEqual({ tag: ["a"] })
    expect(shop.accountOf(id)?.attributes).toEqual({ tag: ["a"] })
  })

  it("counts another e-mail as unverified unless told otherwise", async () => {
    const { id, email } = shop.newPerson()
    expect(await shop.gate.updateAccount(id, { email: `other-${email}` })).toMatchObject({ emailVerified: false })
    const told = { email: `third-${email}`, emailVerified: true }
    expect(await shop.gate.updateAccount(id, told)).toMatchObject({ emailVerified: true })
  })

  it("takes no word of what a prototype says", async () => {
    const { id } = shop.newPerson()
    await shop.gate.updateAccount(id, { emailVerified: false })
    const polluted = Object.create({ emailVerified: true })
    expect(await shop.gate.updateAccount(id, polluted)).toMatchObject({ emailVerified: false })
  })

  it("tells which name is taken, and calls an account that is not there unknown", async () => {
    const [ada, bob] = [shop.newPerson(), shop.newPerson()]
    const taken = await refusalOf(shop.gate.updateAccount(bob.id, { username: ada.username }))
    expect(taken).toMatchObject({ code: "user_exists", status: 409 })
    expect(await refusalOf(shop.gate.updateAccount(nobody, { firstName: "Ada" }))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "subject", rule: "unknown" }],
    })
  })

  it("hands the store's own error through, with the account changed", async () => {
    const { id } = shop.newPerson()
    const failure = new Error("disk full")
    const gate = shop.gateWith({ userStore: { ...shop.store, saveUser: () => Promise.reject(failure) } })
    await expect(gate.updateAccount(id, { firstName: "Augusta" })).rejects.toBe(failure)
    expect(shop.accountOf(id)?.firstName).toBe("Augusta")
  })
})
