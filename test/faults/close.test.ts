import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

let realm: FaultyRealm
let gate: Gate<MemoryUser>
beforeEach(async () => {
  realm = await startFaultyRealm()
  gate = createGate({ ...realm.gateOptions, userStore: memoryUserStore() })
})
afterEach(() => realm.close())

const person = {
  username: "ada",
  email: secrets.email,
  firstName: "Ada",
  lastName: "Lovelace",
  password: secrets.password,
}
const calls: readonly { readonly verb: string; readonly call: () => Promise<unknown>; readonly at?: RegExp }[] = [
  { verb: "verifyBearer", call: async () => gate.verifyBearer(`Bearer ${await realm.mint()}`) },
  { verb: "loginWithPassword", call: () => gate.loginWithPassword(person) },
  { verb: "refreshSession", call: async () => gate.refreshSession(await realm.mint()) },
  { verb: "logout", call: async () => gate.logout(await realm.mint()) },
  { verb: "registerUser", call: () => gate.registerUser(person) },
  { verb: "registerUser that creates", call: () => gate.registerUser(person), at: paths.create },
  { verb: "updateAccount", call: () => gate.updateAccount("s-1", { firstName: "Ada" }) },
  { verb: "setPassword", call: () => gate.setPassword("s-1", secrets.password) },
  {
    verb: "changePassword",
    call: () => gate.changePassword({ username: "ada", currentPassword: secrets.password, newPassword: "other" }),
  },
  { verb: "sendPasswordReset", call: () => gate.sendPasswordReset(secrets.email) },
  { verb: "sendEmailVerification", call: () => gate.sendEmailVerification("s-1") },
  { verb: "disableAccount", call: () => gate.disableAccount("s-1") },
  { verb: "enableAccount", call: () => gate.enableAccount("s-1") },
  { verb: "deleteAccount", call: () => gate.deleteAccount("s-1") },
  { verb: "ready", call: () => gate.ready() },
]

describe("close()", () => {
  it.each(calls)(
    "fails a $verb in flight with `closed`, at once",
    async ({ call, at }) => {
      realm.breakWith(hangBeforeHeaders, { at })
      const inFlight = refusalOf(call())
      await expect.poll(() => realm.requests(at), { interval: 5, timeout: 20_000 }).toBeGreaterThan(0)
      const started = performance.now()
      gate.close()
      expect(await inFlight).toMatchObject({ code: "closed", status: 503 })
      expect(performance.now() - started).toBeLessThan(500)
    },
    30_000,
  )

  it.each(calls)("makes every later $verb fail with `closed`, and nothing is sent", async ({ call }) => {
    gate.close()
    expect(await refusalOf(call())).toMatchObject({ code: "closed", status: 503 })
    expect(realm.requests()).toBe(0)
  })

  it("closes for known keys and remembered tokens too", async () => {
    const token = await realm.mint()
    await gate.verifyBearer(`Bearer ${token}`)
    gate.close()
    expect(await refusalOf(gate.verifyBearer(`Bearer ${token}`))).toMatchObject({ code: "closed" })
  })

  it("can be called twice", () => {
    gate.close()
    gate.close()
  })

  it("leaves other gates open", async () => {
    const other = createGate(realm.gateOptions)
    gate.close()
    await other.verifyBearer(`Bearer ${await realm.mint()}`, {})
    other.close()
  })
})
