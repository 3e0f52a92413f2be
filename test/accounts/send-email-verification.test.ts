import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf } from "../support/refusal-of.ts"
import { nobody, openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

describe("sendEmailVerification", () => {
  it("sends one mail", async () => {
    const { id, email } = shop.newPerson({ emailVerified: false })
    await shop.gate.sendEmailVerification(id)
    expect(shop.realm.mails.filter(({ to }) => to === email)).toMatchObject([{ actions: ["VERIFY_EMAIL"] }])
  })

  it.each([
    ["unknown", () => nobody],
    ["disabled", () => shop.newPerson({ enabled: false }).id],
    ["without_email", () => shop.newPerson({ email: null }).id],
  ])("says of an account why it can't: %s", async (rule, subjectOf) => {
    expect(await refusalOf(shop.gate.sendEmailVerification(subjectOf()))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "subject", rule }],
    })
  })
})
