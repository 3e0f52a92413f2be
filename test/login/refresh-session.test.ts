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

describe("refreshSession", () => {
  it("gives new tokens until the session was logged out", async () => {
    const session = await shop.gate.loginWithPassword({ username: shop.newPerson().username, password })
    const refreshed = await shop.gate.refreshSession(session.refreshToken)
    expect(refreshed.accessToken).not.toBe(session.accessToken)
    expect(Object.isFrozen(refreshed)).toBe(true)
    await shop.gate.logout(refreshed.refreshToken)
    expect(await refusalOf(shop.gate.refreshSession(session.refreshToken))).toMatchObject({
      code: "session_ended",
      status: 401,
    })
  })

  it("calls a refresh token that is none an ended session", async () => {
    const { accessToken } = await shop.gate.loginWithPassword({ username: shop.newPerson().username, password })
    for (const token of ["abc.def.ghi", accessToken]) {
      expect(await codeOf(shop.gate.refreshSession(token))).toBe("session_ended")
    }
  })

  it.each(["", 5, null])("refuses %j by itself, as a bad request", async token => {
    expect(await refusalOf(shop.gate.refreshSession(token as string))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "refresh_token" }],
    })
  })
})
