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

describe("logout", () => {
  it("ends one session and no other, and can be done again", async () => {
    const { id, username } = shop.newPerson()
    const [session, other] = [
      await shop.gate.loginWithPassword({ username, password }),
      await shop.gate.loginWithPassword({ username, password }),
    ]
    await shop.gate.logout(session.refreshToken)
    await shop.gate.logout(session.refreshToken)
    expect(await codeOf(shop.gate.refreshSession(session.refreshToken))).toBe("session_ended")
    await shop.gate.refreshSession(other.refreshToken)
    expect(shop.accountOf(id)?.sessions).toBe(1)
  })

  it("calls a refresh token that is none an ended session", async () => {
    expect(await codeOf(shop.gate.logout("abc.def.ghi"))).toBe("session_ended")
  })
})
