import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type Realm, startRealm } from "./realm.ts"

let realm: Realm
beforeAll(async () => {
  realm = await startRealm()
})
afterAll(() => realm.close())

describe("an onEvent that is an async function", () => {
  // CWE-755: whoever can send a bad token must not be able to end the process
  it("and rejects is a warning, and changes no answer", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const failure = new Error("the log is full")
    const gate = realm.makeGate({ onEvent: async () => Promise.reject(failure) })
    expect(await realm.verdict(realm.sign({ claims: { exp: 1 } }), gate)).toBe("invalid_token expired")
    await expect.poll(() => warned.mock.calls).toMatchObject([[expect.any(String), { code: "onEvent" }]])
    warned.mockRestore()
  })
})
