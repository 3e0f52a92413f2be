import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf, secrets } from "../support/refusal-of.ts"
import { openShopWithRows, type ShopWithRows } from "../support/shop-with-rows.ts"

let shop: ShopWithRows
beforeAll(async () => {
  shop = await openShopWithRows()
})
afterAll(() => shop.close())

const { password } = secrets

describe("loginWithPassword", () => {
  it.each([
    ["username", (person: { username: string }) => person.username],
    ["username in other letters", (person: { username: string }) => person.username.toUpperCase()],
    ["e-mail", (person: { email: string | null }) => String(person.email)],
  ])("logs in by %s", async (_, nameOf) => {
    const username = nameOf(shop.newPerson())
    const session = await shop.gate.loginWithPassword({ username, password, scope: "openid" })
    expect(session).toMatchObject({ tokenType: "Bearer", idToken: expect.any(String) })
    expect(Object.isFrozen(session)).toBe(true)
  })

  it("gives one answer to a wrong password, and to an unknown, a disabled and an unfinished account", async () => {
    const disabled = shop.newPerson({ enabled: false })
    const unfinished = shop.newPerson({ requiredActions: ["UPDATE_PASSWORD"] })
    const tries = [
      { username: shop.newPerson().username, password: "wrong" },
      { username: "nobody", password },
      { username: disabled.username, password },
      { username: unfinished.username, password },
    ]
    const answers = await Promise.all(
      tries.map(async one => shop.gate.refusalFor(await refusalOf(shop.gate.loginWithPassword(one)))),
    )
    expect(answers[0]).toMatchObject({ status: 401, body: { error: "invalid_credentials" } })
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })

  it.each([
    ["an empty username", { username: "" }],
    ["an empty password", { password: "" }],
    ["a username with a line break", { username: "alice\r\n" }],
    ["a username with NUL", { username: "alice\0" }],
    ["a username of 5,000 characters", { username: "a".repeat(5000) }],
    ["a password of 5,000 characters", { password: "a".repeat(5000) }],
    ["an object for a username", { username: { $ne: null } as unknown as string }],
  ])("refuses %s by itself, as a bad request", async (_, wrong) => {
    shop.realm.forgetRequests()
    const error = await refusalOf(shop.gate.loginWithPassword({ username: "alice", password, ...wrong }))
    expect(error).toMatchObject({ code: "invalid_request", status: 400, fields: [{ field: Object.keys(wrong)[0] }] })
    expect(shop.realm.requests).toEqual([])
  })

  it("leaves the user store alone: a row is made from a verified token only", async () => {
    const never = () => expect.unreachable("the store was called")
    const gate = shop.gateWith({ userStore: { findUser: never, saveUser: never, removeUser: never } })
    await gate.loginWithPassword({ username: shop.newPerson().username, password })
  })
})
