import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { refusalOf } from "../support/refusal-of.ts"

const file = JSON.parse(readFileSync(new URL("../../examples/realm.json", import.meta.url), "utf8"))
const password = "Difference-1822!"
const names = { firstName: "Ada", lastName: "Lovelace", password }

let realm: TestRealm
let gate: Gate<null>
beforeAll(async () => {
  realm = await startTestRealm({ realm: { ...file, editUsernameAllowed: true }, clientId: "shop-api" })
  gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
})
afterAll(async () => {
  gate.close()
  await realm.stop()
})

let number = 0
/** An e-mail that nobody else has. */
const newEmail = () => `ada-${++number}@shop.example`
const register = async (username: string, email = newEmail()) => ({
  ...(await gate.registerUser({ ...names, username, email })),
  email,
})

/** Refused before Keycloak hears of the name. */
async function expectRefused(work: Promise<unknown>): Promise<void> {
  const { code, status, fields } = await refusalOf(work)
  expect([code, status, fields]).toEqual([
    "account_rejected",
    422,
    [{ field: "username", rule: "must_equal_email", params: [] }],
  ])
}

// Whoever has that e-mail could not register any more, and would be taken for its owner by everybody who sees the name.
describe("a username that is somebody's e-mail", () => {
  it.each([
    ["a stranger's e-mail", "eve@shop.example"],
    ["in capitals", "EVE@SHOP.EXAMPLE"],
    ["with a dot at its end", "eve@shop.example."],
    ["without a domain's dot", "eve@shop"],
    ["with two at signs", "eve@shop@example"],
    ["with a full-width at sign", "eve\uff20shop.example"],
    ["with a small at sign", "eve\ufe6bshop.example"],
    ["in full-width letters", "\uff45\uff56\uff45@shop.example"],
    ["with an accent put on", "e\u0301ve@shop.example"],
    ["with a dotted capital I", "\u0130ve@shop.example"],
    ["with what can't be seen", "eve@shop.\u00adexample"],
  ])("is refused at registration: %s", async (_, username) => {
    realm.forgetRequests()
    await expectRefused(register(username))
    expect(realm.requests).toEqual([])
  })

  it("is refused when it only looks like the own one", async () => {
    await expectRefused(register("anna\uff20shop.example", "anna@shop.example"))
    await expectRefused(register("anna@shop.example.", "anna@shop.example"))
    await expectRefused(register("strasse@shop.example", "stra\u00dfe@shop.example"))
  })

  it("is taken when it is the own one, in whatever case", async () => {
    const email = newEmail()
    expect(await register(email.toUpperCase(), email)).toMatchObject({ username: email, email })
  })

  it.each(["@anna", "anna@", "anna.lovelace", "@@"])("is none where the name is %s", async username => {
    const outcome = await register(username).catch(error => error)
    expect(outcome.fields?.[0]?.rule).not.toBe("must_equal_email")
  })

  it("can't come in as an attribute", async () => {
    const attributes = { username: "eve@shop.example" }
    const error = await refusalOf(gate.registerUser({ ...names, username: "anna-a", email: newEmail(), attributes }))
    expect(error).toMatchObject({ code: "invalid_request", fields: [{ field: "username", rule: "not_an_attribute" }] })
  })

  it("is refused in updateAccount, unless the e-mail comes with it", async () => {
    const { subject, email } = await register(`anna-${++number}`)
    await expectRefused(gate.updateAccount(subject, { username: "eve@shop.example" }))
    await expectRefused(gate.updateAccount(subject, { username: "eve\uff20shop.example" }))
    await expectRefused(gate.updateAccount(subject, { username: email, email: newEmail() }))
    expect(await gate.updateAccount(subject, { username: email.toUpperCase() })).toMatchObject({ username: email })
    const other = newEmail()
    expect(await gate.updateAccount(subject, { username: other, email: other })).toMatchObject({ username: other })
  })

  it("is not left behind when the e-mail alone changes", async () => {
    const email = newEmail()
    const { subject } = await register(email, email)
    await expectRefused(gate.updateAccount(subject, { email: newEmail() }))
    expect(realm.users().find(({ id }) => id === subject)).toMatchObject({ username: email, email })
    expect(await gate.updateAccount(subject, { email: email.toUpperCase(), firstName: "Anna" })).toMatchObject({
      email,
    })
  })

  it("stays with an account that had it before, whatever else changes", async () => {
    const { subject } = await register(`anna-${++number}`)
    const liberal = createGate({ ...realm.gateOptions, registration: { allowEmailLikeUsernames: true } })
    const username = `old-${++number}@shop.example`
    await liberal.updateAccount(subject, { username })
    const email = newEmail()
    expect(await gate.updateAccount(subject, { firstName: "Anna", username, email })).toMatchObject({ username, email })
    await expectRefused(gate.updateAccount(subject, { username: "eve@shop.example" }))
    liberal.close()
  })

  it("is taken with `allowEmailLikeUsernames`, as Keycloak takes it", async () => {
    const registration = { allowEmailLikeUsernames: true }
    const liberal = createGate({ ...realm.gateOptions, registration, onEvent: () => undefined })
    const username = `eve-${++number}@shop.example`
    const { subject } = await liberal.registerUser({ ...names, username, email: newEmail() })
    const email = newEmail()
    expect(await liberal.updateAccount(subject, { email })).toMatchObject({ username, email })
    liberal.close()
  })
})

describe("a service account's name", () => {
  it.each(["service-account-shop-api", "Service-Account-x", "\uff53ervice-account-x", "service\uff0daccount-x"])(
    "is refused for a person: %s",
    async username => {
      const reserved = { code: "account_rejected", fields: [{ field: "username", rule: "reserved_prefix" }] }
      expect(await refusalOf(register(username))).toMatchObject(reserved)
      const { subject } = await register(`anna-${++number}`)
      expect(await refusalOf(gate.updateAccount(subject, { username }))).toMatchObject(reserved)
    },
  )
})
