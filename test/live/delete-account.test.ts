import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { answerWith, cutAnswer } from "../support/faults.ts"
import { paths } from "../support/paths.ts"
import { startProxy } from "../support/proxy.ts"
import { refusalOf } from "../support/refusal-of.ts"
import { attribute, type People, type Person, password, startPeople } from "./people.ts"

let people: People
beforeAll(async () => {
  people = await startPeople("shop-delete")
  await people.declareAttributes(attribute("phone"))
})
afterAll(() => people.close())

async function expectGone({ subject }: Person): Promise<void> {
  expect([await people.accountOf(subject), await people.rowOf(subject)]).toEqual([null, null])
}

describe("deleteAccount on the real server", () => {
  it("removes account and row, and is no error when there is nothing left, or never was", async () => {
    const person = await people.newPerson()
    await people.gate.deleteAccount(person.subject)
    await expectGone(person)
    await people.gate.deleteAccount(person.subject)
    await people.gate.deleteAccount("00000000-0000-4000-8000-000000000000")
  })

  it("removes the row of an account that somebody else has deleted", async () => {
    const person = await people.newPerson()
    await people.administer("DELETE", `/users/${person.subject}`)
    await people.gate.deleteAccount(person.subject)
    await expectGone(person)
  })

  it("refuses a token from before at once, so that it can't make the row again", async () => {
    const person = await people.newPerson()
    const { accessToken } = await people.gate.loginWithPassword(person)
    await people.gate.verifyBearer(`Bearer ${accessToken}`, {})
    await people.gate.deleteAccount(person.subject)
    const error = await refusalOf(people.gate.verifyBearer(`Bearer ${accessToken}`))
    expect(error).toMatchObject({ code: "invalid_token", reason: "revoked", status: 401 })
    await expectGone(person)
  })

  it.each([
    ["introspection", {}],
    ["userinfo", { clientSecret: undefined }],
  ])("leaves no row to another process that knew the person, which is told by %s", async (_, differences) => {
    const other = createGate({ ...people.options, ...differences, userStore: people.store, onEvent() {} })
    const person = await people.newPerson()
    const { accessToken } = await people.gate.loginWithPassword({ ...person, scope: "openid" })
    await people.administer("PUT", `/users/${person.subject}`, { firstName: "Augusta" })
    const later = await people.gate.loginWithPassword({ ...person, scope: "openid" })
    await other.verifyBearer(`Bearer ${accessToken}`, {})
    await people.gate.deleteAccount(person.subject)
    for (const token of [accessToken, later.accessToken]) {
      const error = await refusalOf(other.verifyBearer(`Bearer ${token}`))
      expect(error).toMatchObject({ code: "invalid_token", reason: "revoked" })
    }
    await expectGone(person)
    await other.close()
  })

  it("lets the same name register again, as somebody else", async () => {
    const person = await people.newPerson()
    await people.gate.deleteAccount(person.subject)
    const { username, email } = person
    const again = await people.gate.registerUser({ username, email, firstName: "Eve", lastName: "L", password })
    expect(again.subject).not.toBe(person.subject)
    const { accessToken } = await people.gate.loginWithPassword({ username, password })
    const { user } = await people.gate.verifyBearer(`Bearer ${accessToken}`, {})
    expect(user).toMatchObject({ subject: again.subject, firstName: "Eve" })
    await expectGone(person)
  })

  it("deletes an account that Keycloak refuses to write because its attributes break the rules of today", async () => {
    const person = await people.newPerson({ phone: "not digits" })
    await people.declareAttributes(attribute("phone", { validations: { pattern: { pattern: "^[0-9]+$" } } }))
    await people.gate.deleteAccount(person.subject)
    await expectGone(person)
    await people.declareAttributes(attribute("phone"))
  })

  it("keeps the account, disabled, while the store refuses to remove the row, and finishes when called again", async () => {
    const person = await people.newPerson()
    const failure = new Error("still referenced by table orders")
    const failing = createGate({
      ...people.options,
      userStore: { ...people.store, removeUser: () => Promise.reject(failure) },
    })
    await expect(failing.deleteAccount(person.subject)).rejects.toBe(failure)
    expect(await people.accountOf(person.subject)).toMatchObject({ enabled: false })
    expect(await people.rowOf(person.subject)).not.toBeNull()
    failing.close()
    await people.gate.deleteAccount(person.subject)
    await expectGone(person)
  })

  it.each([
    ["the look-up", /^GET .*\/users\/[^/]+$/],
    ["disabling", /^PUT .*\/users\/[^/]+$/],
    ["deleting", paths.remove],
  ])(
    "leaves no row without an account when %s fails or its answer is lost, and finishes when called again",
    async (_, at) => {
      for (const fault of [cutAnswer, answerWith({ status: 502, body: "<h1>Bad Gateway</h1>" })]) {
        const person = await people.newPerson()
        const proxy = await startProxy(people.options.serverUrl)
        const gate = createGate({ ...people.options, internalUrl: proxy.url, userStore: people.store, onEvent() {} })
        proxy.breakWith(fault, { at })
        // What was done although its answer got lost needs no further call.
        const error = await gate.deleteAccount(person.subject).catch((thrown: unknown) => thrown)
        if (error !== undefined) expect(error).toMatchObject({ code: "keycloak_unavailable" })
        const [account, row] = [await people.accountOf(person.subject), await people.rowOf(person.subject)]
        expect(row !== null && account === null).toBe(false)
        await proxy.heal()
        await gate.deleteAccount(person.subject)
        await expectGone(person)
        gate.close()
        await proxy.close()
      }
    },
  )
})
