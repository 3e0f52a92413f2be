import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../../src/index.js"
import { adminFetch, lockingRealm, type TestClient } from "../../live/realms.ts"
import { newPerson } from "../../support/accounts.ts"
import { cutAnswer } from "../../support/faults.ts"
import { paths } from "../../support/paths.ts"
import { startProxy } from "../../support/proxy.ts"
import { refusalOf } from "../../support/refusal-of.ts"

const realm = "gate-lost-login"
const person = newPerson()
let options: TestClient
let subject = ""

beforeAll(async () => {
  options = await lockingRealm(realm)
  subject = (await createGate(options).registerUser(person)).subject
})
afterAll(() => adminFetch("DELETE", `/realms/${realm}`))

describe("a wrong password whose answer gets lost", () => {
  it("counts once against the brute-force lock", async () => {
    const proxy = await startProxy(options.serverUrl)
    const gate = createGate({ ...options, internalUrl: proxy.url, onEvent: () => undefined })
    proxy.breakWith(cutAnswer, { at: paths.token })
    expect((await refusalOf(gate.loginWithPassword({ ...person, password: "wrong" }))).code).toBe(
      "keycloak_unavailable",
    )
    const failures = async () => {
      const answer = await adminFetch("GET", `/realms/${realm}/attack-detection/brute-force/users/${subject}`)
      return ((await answer.json()) as { numFailures: number }).numFailures
    }
    await expect.poll(failures).toBe(1)
    expect(proxy.requests(paths.token)).toBe(1)
    gate.close()
    await proxy.close()
  })
})

describe("refreshSession on the way to the real server", () => {
  it("is sent once, and its refresh token can be used again after an answer was lost", async () => {
    const proxy = await startProxy(options.serverUrl)
    const gate = createGate({ ...options, internalUrl: proxy.url, onEvent: () => undefined })
    const { refreshToken } = await gate.loginWithPassword(person)
    proxy.breakWith(cutAnswer, { at: paths.token, times: 1 })
    expect((await refusalOf(gate.refreshSession(refreshToken))).code).toBe("keycloak_unavailable")
    expect(proxy.requests(paths.token)).toBe(2)
    await gate.refreshSession(refreshToken)
    gate.close()
    await proxy.close()
  })
})
