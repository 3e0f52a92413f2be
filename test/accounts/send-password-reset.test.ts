import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf } from "../support/refusal-of.ts"
import { openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

const codeOf = async (work: Promise<unknown>) => (await refusalOf(work)).code

const mailsTo = (email: string | null) => shop.realm.mails.filter(({ to }) => to === email)

describe("sendPasswordReset", () => {
  it("sends one mail to whoever has the e-mail, and none to a disabled account or to nobody", async () => {
    const [person, disabled] = [shop.newPerson(), shop.newPerson({ enabled: false })]
    for (const { email } of [disabled, { email: "nobody@shop.example" }, person]) {
      expect(await shop.gate.sendPasswordReset(String(email))).toBeUndefined()
    }
    await expect.poll(() => mailsTo(person.email)).toMatchObject([{ actions: ["UPDATE_PASSWORD"] }])
    expect(mailsTo(disabled.email)).toEqual([])
    expect(shop.events).toEqual([])
  })

  it("refuses what is no e-mail by itself, as a bad request", async () => {
    expect(await codeOf(shop.gate.sendPasswordReset(""))).toBe("invalid_request")
  })
})
