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

describe("logoutEverywhere", () => {
  it.each([undefined, "offline_access"])(
    "ends all sessions of one person and nobody else's (scope %s)",
    async scope => {
      const [ada, bob] = [shop.newPerson(), shop.newPerson()]
      const login = ({ username }: { username: string }) => shop.gate.loginWithPassword({ username, password, scope })
      const sessions = [await login(ada), await login(ada)]
      const other = await login(bob)
      await shop.gate.logoutEverywhere(ada.id)
      for (const { refreshToken } of sessions) {
        expect(await codeOf(shop.gate.refreshSession(refreshToken))).toBe("session_ended")
      }
      await shop.gate.refreshSession(other.refreshToken)
    },
  )

  it("can be called again, and for an account that does not exist", async () => {
    const { id } = shop.newPerson()
    for (const subject of [id, id, nobody]) await shop.gate.logoutEverywhere(subject)
  })
})
