import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate } from "../../../src/index.js"
import { adminFetch } from "../../live/realms.ts"
import { newPerson, removeAccounts, throughProxy } from "../../support/accounts.ts"
import { cutAnswer } from "../../support/faults.ts"
import { paths } from "../../support/paths.ts"
import { startProxy } from "../../support/proxy.ts"
import { refusalOf } from "../../support/refusal-of.ts"

const upstream = throughProxy({ url: "" }).serverUrl
const person = newPerson()
let subject = ""

beforeAll(async () => {
  const gate = createGate({ ...throughProxy({ url: upstream }), timeoutMs: 30_000 })
  subject = (await gate.registerUser(person)).subject
})
afterAll(removeAccounts)

describe("a wrong password whose answer gets lost", () => {
  it("counts once against the brute-force lock", async () => {
    const proxy = await startProxy(upstream)
    const gate = createGate({ ...throughProxy(proxy), timeoutMs: 30_000, onEvent: () => undefined })
    proxy.breakWith(cutAnswer, { at: paths.token })
    expect((await refusalOf(gate.loginWithPassword({ ...person, password: "wrong" }))).code).toBe(
      "keycloak_unavailable",
    )
    const failures = async () => {
      const answer = await adminFetch("GET", `/realms/gate-test/attack-detection/brute-force/users/${subject}`)
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
    const proxy = await startProxy(upstream)
    const gate = createGate({ ...throughProxy(proxy), timeoutMs: 30_000, onEvent: () => undefined })
    const { refreshToken } = await gate.loginWithPassword(person)
    proxy.breakWith(cutAnswer, { at: paths.token, times: 1 })
    expect((await refusalOf(gate.refreshSession(refreshToken))).code).toBe("keycloak_unavailable")
    expect(proxy.requests(paths.token)).toBe(2)
    await gate.refreshSession(refreshToken)
    gate.close()
    await proxy.close()
  })
})
