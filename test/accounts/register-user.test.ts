import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

const { password } = secrets

const names = { firstName: "Ada", lastName: "Lovelace" }
const ada = { username: "ada", email: secrets.email, ...names, password }

describe("registerUser", () => {
  it("makes an account that can log in, and its row with what the application adds", async () => {
    const { subject, user, pending } = await shop.gate.registerUser(ada, { plan: "pro" })
    expect(pending).toEqual([])
    expect(shop.accountOf(subject)).toMatchObject({ username: "ada", email: ada.email, ...names, enabled: true })
    expect(user).toMatchObject({ subject, username: "ada", extra: { plan: "pro" } })
    expect(await shop.rowOf(subject)).toEqual(user)
    const { accessToken } = await shop.gate.loginWithPassword(ada)
    expect(await shop.gate.verifyBearer(`Bearer ${accessToken}`, {})).toMatchObject({ subject, user })
  })

  it("tells which name is taken, and makes nothing", async () => {
    const before = shop.realm.users().length
    const again = { ...ada, email: "other@shop.example" }
    expect(await refusalOf(shop.gate.registerUser(again))).toMatchObject({ code: "user_exists", status: 409 })
    expect(shop.realm.users()).toHaveLength(before)
  })

  it("names the rule of the policy that refuses the password", async () => {
    const grace = { ...ada, username: "grace", email: "grace@shop.example", password: "short" }
    expect(await refusalOf(shop.gate.registerUser(grace))).toMatchObject({
      code: "account_rejected",
      status: 422,
      fields: [{ field: "password", rule: "invalidPasswordMinLengthMessage" }],
    })
  })

  it("leaves no account when the store fails, and hands through the store's own error", async () => {
    const failure = new Error("disk full")
    const gate = shop.gateWith({ userStore: { ...shop.store, saveUser: () => Promise.reject(failure) } })
    const eve = { ...ada, username: "eve", email: "eve@shop.example" }
    await expect(gate.registerUser(eve)).rejects.toBe(failure)
    expect(shop.realm.users().map(({ username }) => username)).not.toContain("eve")
  })
})
