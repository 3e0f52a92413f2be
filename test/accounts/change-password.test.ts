import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

const { password } = secrets
const codeOf = async (work: Promise<unknown>) => (await refusalOf(work)).code

const newPassword = `${password}-new`

describe("changePassword", () => {
  it.each(["username", "subject"] as const)("changes it for who proves the current one by %s", async by => {
    const { id, username } = shop.newPerson()
    const { refreshToken } = await shop.gate.loginWithPassword({ username, password })
    const who = by === "username" ? { username } : { subject: id }
    await shop.gate.changePassword({ ...who, currentPassword: password, newPassword })
    expect(await codeOf(shop.gate.refreshSession(refreshToken))).toBe("session_ended")
    expect(await codeOf(shop.gate.loginWithPassword({ username, password }))).toBe("invalid_credentials")
    await shop.gate.loginWithPassword({ username, password: newPassword })
  })

  it("changes nobody's password but the subject's, whoever else's password was proven", async () => {
    const [ada, bob] = [shop.newPerson(), shop.newPerson({ password: "Bobs-own-1" })]
    const change = { subject: ada.id, username: bob.username, currentPassword: "Bobs-own-1", newPassword }
    expect(await codeOf(shop.gate.changePassword(change))).toBe("invalid_credentials")
    await shop.gate.loginWithPassword({ username: bob.username, password: "Bobs-own-1" })
    await shop.gate.loginWithPassword({ username: ada.username, password })
  })

  it("names no rule of the policy before the current password was proven", async () => {
    const { username } = shop.newPerson()
    const change = { username, currentPassword: "wrong", newPassword: "short" }
    expect(await codeOf(shop.gate.changePassword(change))).toBe("invalid_credentials")
    expect(await refusalOf(shop.gate.changePassword({ ...change, currentPassword: password }))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "newPassword", rule: "invalidPasswordMinLengthMessage" }],
    })
  })
})
