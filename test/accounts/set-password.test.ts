import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { nobody, openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

const { password } = secrets
const codeOf = async (work: Promise<unknown>) => (await refusalOf(work)).code

const newPassword = `${password}-new`

describe("setPassword", () => {
  it("replaces the password and ends every session, unless it is told to leave them", async () => {
    const { id, username } = shop.newPerson()
    const { refreshToken } = await shop.gate.loginWithPassword({ username, password })
    await shop.gate.setPassword(id, newPassword, { endSessions: false })
    await shop.gate.refreshSession(refreshToken)
    await shop.gate.setPassword(id, newPassword)
    expect(await codeOf(shop.gate.refreshSession(refreshToken))).toBe("session_ended")
    expect(await codeOf(shop.gate.loginWithPassword({ username, password }))).toBe("invalid_credentials")
    await shop.gate.loginWithPassword({ username, password: newPassword })
  })

  it("sets a temporary one, with which nobody logs in before it was changed", async () => {
    const { id, username } = shop.newPerson()
    await shop.gate.setPassword(id, newPassword, { temporary: true })
    expect(shop.accountOf(id)?.requiredActions).toEqual(["UPDATE_PASSWORD"])
    expect(await codeOf(shop.gate.loginWithPassword({ username, password: newPassword }))).toBe("invalid_credentials")
  })

  it("names the rule of the policy that refuses it, and calls an account that is not there unknown", async () => {
    expect(await refusalOf(shop.gate.setPassword(shop.newPerson().id, "short"))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "password", rule: "invalidPasswordMinLengthMessage" }],
    })
    expect(await refusalOf(shop.gate.setPassword(nobody, newPassword))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "subject", rule: "unknown" }],
    })
  })
})
