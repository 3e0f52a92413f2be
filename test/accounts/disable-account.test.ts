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

describe("disableAccount and enableAccount", () => {
  it("shut an account with all its sessions, and open it without them, as often as they are called", async () => {
    const { id, username } = shop.newPerson()
    const { refreshToken } = await shop.gate.loginWithPassword({ username, password })
    for (let times = 0; times < 2; times++) await shop.gate.disableAccount(id)
    expect(shop.accountOf(id)).toMatchObject({ enabled: false, sessions: 0 })
    expect(await codeOf(shop.gate.loginWithPassword({ username, password }))).toBe("invalid_credentials")
    for (let times = 0; times < 2; times++) await shop.gate.enableAccount(id)
    expect(await codeOf(shop.gate.refreshSession(refreshToken))).toBe("session_ended")
    await shop.gate.loginWithPassword({ username, password })
  })

  it("call an account that is not there unknown", async () => {
    for (const verb of [shop.gate.disableAccount, shop.gate.enableAccount]) {
      expect(await refusalOf(verb(nobody))).toMatchObject({
        code: "invalid_request",
        fields: [{ field: "subject", rule: "unknown" }],
      })
    }
  })
})
