import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"

let realm: TestRealm
let gate: Gate<null>
beforeAll(async () => {
  realm = await startTestRealm()
  gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
})
afterAll(async () => {
  await gate.close()
  await realm.stop()
})

it("verbs work again after their code could not be loaded once", async () => {
  const { id } = realm.addUser({ username: "ada" })
  let loads = 0
  vi.doMock("../../src/accounts/account-context.js", async original => {
    if (loads++ === 0) throw new Error("Cannot find module")
    return original()
  })
  await expect(gate.logoutEverywhere(id)).rejects.toThrow()
  await gate.logoutEverywhere(id)
  expect(loads).toBe(2)
})
