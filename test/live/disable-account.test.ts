import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { refusalOf } from "../support/refusal-of.ts"
import { attribute, type People, password, startPeople } from "./people.ts"

let people: People
beforeAll(async () => {
  people = await startPeople("shop-disable")
  await people.declareAttributes(attribute("phone"))
})
afterAll(() => people.close())

const login = (username: string, scope?: string) => people.gate.loginWithPassword({ username, password, scope })
const codeOf = async (work: Promise<unknown>) => (await refusalOf(work)).code

describe("disableAccount and enableAccount on the real server", () => {
  it("shuts an account with all its sessions, and changes nothing else of it", async () => {
    const { subject, username } = await people.newPerson({ phone: "123" })
    const before = await people.accountOf(subject)
    const sessions = [await login(username), await login(username, "offline_access")]
    await people.gate.disableAccount(subject)
    const { notBefore: _, ...after } = (await people.accountOf(subject)) ?? {}
    expect({ ...before, ...after }).toEqual({ ...before, enabled: false })
    expect(await codeOf(login(username))).toBe("invalid_credentials")
    await people.gate.enableAccount(subject)
    // Without ending them, Keycloak would let these sessions live on now.
    for (const { refreshToken } of sessions) {
      expect(await codeOf(people.gate.refreshSession(refreshToken))).toBe("session_ended")
    }
    await login(username)
  })

  it("can be done again", async () => {
    const { subject, username } = await people.newPerson()
    for (let times = 0; times < 2; times++) await people.gate.disableAccount(subject)
    for (let times = 0; times < 2; times++) await people.gate.enableAccount(subject)
    await login(username)
  })

  it("is not undone by updates at the same time, as Keycloak by itself does with every third", async () => {
    const { subject } = await people.newPerson()
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        people.gate.updateAccount(subject, { firstName: `Round ${round}` }),
        people.gate.disableAccount(subject),
        people.gate.updateAccount(subject, { attributes: { phone: String(round) } }),
      ])
      const expected = { enabled: false, firstName: `Round ${round}`, attributes: { phone: [String(round)] } }
      expect(await people.accountOf(subject)).toMatchObject(expected)
      await people.gate.enableAccount(subject)
    }
  })

  it("names the attribute for which Keycloak refuses to write the account, and ends its sessions all the same", async () => {
    const { subject, username } = await people.newPerson({ phone: "not digits" })
    const { refreshToken } = await login(username)
    await people.declareAttributes(attribute("phone", { validations: { pattern: { pattern: "^[0-9]+$" } } }))
    expect(await refusalOf(people.gate.disableAccount(subject))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "phone", rule: "error-pattern-no-match" }],
    })
    expect(await codeOf(people.gate.refreshSession(refreshToken))).toBe("session_ended")
    await people.declareAttributes(attribute("phone"))
  })

  it("calls an account that is not there unknown", async () => {
    const subject = "00000000-0000-4000-8000-000000000000"
    for (const verb of [people.gate.disableAccount, people.gate.enableAccount]) {
      expect(await refusalOf(verb(subject))).toMatchObject({
        code: "invalid_request",
        fields: [{ field: "subject", rule: "unknown" }],
      })
    }
  })
})
