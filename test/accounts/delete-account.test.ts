import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { nobody, openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

const { password } = secrets

describe("deleteAccount", () => {
  it("removes account and row, and is no error when there is nothing left, or never was", async () => {
    const { id } = shop.newPerson()
    await shop.gate.updateAccount(id, {}) // makes the row
    for (let times = 0; times < 2; times++) await shop.gate.deleteAccount(id)
    expect([shop.accountOf(id), await shop.rowOf(id)]).toEqual([undefined, null])
    await shop.gate.deleteAccount(nobody)
  })

  it("refuses a token from before at once, so that it can't make the row again", async () => {
    const { id, username } = shop.newPerson()
    const { accessToken } = await shop.gate.loginWithPassword({ username, password })
    await shop.gate.deleteAccount(id)
    const error = await refusalOf(shop.gate.verifyBearer(`Bearer ${accessToken}`))
    expect(error).toMatchObject({ code: "invalid_token", reason: "revoked" })
    expect(await shop.rowOf(id)).toBeNull()
  })

  it("keeps the account, disabled, while the store refuses to remove the row, and finishes when called again", async () => {
    const { id } = shop.newPerson()
    const failure = new Error("still referenced by table orders")
    const failing = shop.gateWith({ userStore: { ...shop.store, removeUser: () => Promise.reject(failure) } })
    await expect(failing.deleteAccount(id)).rejects.toBe(failure)
    expect(shop.accountOf(id)).toMatchObject({ enabled: false })
    await shop.gate.deleteAccount(id)
    expect(shop.accountOf(id)).toBeUndefined()
  })
})
