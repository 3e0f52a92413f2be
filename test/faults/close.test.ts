import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser, memoryUserStore, type UserStore } from "../../src/index.js"
import { answerLate, hangBeforeHeaders } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { inOwnTime } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

let realm: FaultyRealm
let gate: Gate<MemoryUser>
let userStore: UserStore<MemoryUser>
beforeEach(async () => {
  realm = await startFaultyRealm()
  userStore = memoryUserStore()
  gate = createGate({ ...realm.gateOptions, userStore, onEvent: () => undefined })
})
afterEach(async () => {
  await gate.close()
  await realm.close()
})

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
  { verb: "diagnose", call: () => gate.diagnose({ probe: true }) },
]

describe("close()", () => {
  it.each(calls.filter(({ verb }) => verb !== "registerUser"))(
    "fails a $verb in flight with `closed`, at once",
    async ({ call, at }) => {
      realm.breakWith(hangBeforeHeaders, { at })
      const inFlight = refusalOf(call())
      await expect.poll(() => realm.requests(at), { interval: 5 }).toBeGreaterThan(0)
      void gate.close()
      const { ms, result } = await inOwnTime(inFlight)
      expect(result).toMatchObject({ code: "closed", status: 503 })
      expect(ms).toBeLessThan(500)
    },
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

  it("lets a registration in flight end, and nothing else begin", async () => {
    const newcomer = { ...person, username: "grace", email: `grace.${secrets.email}` }
    realm.breakWith(answerLate(500), { at: paths.create })
    let row: unknown = null
    const registered = gate.registerUser(newcomer).then(({ user }) => {
      row = user
    })
    await expect.poll(() => realm.requests(paths.create), { interval: 5 }).toBe(1)
    const closed = gate.close()
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "closed" })
    expect(await refusalOf(gate.loginWithPassword(person))).toMatchObject({ code: "closed" })
    await closed
    expect(row).toMatchObject({ username: "grace" })
    expect(realm.users().filter(({ username }) => username === "grace").length).toBe(1)
    await registered
  })

  it.each([
    { name: "Keycloak hangs at the create", at: paths.create },
    { name: "Keycloak hangs before it gives a service token", at: paths.token },
    { name: "the store hangs", at: null },
  ])("waits for a registration no longer than timeoutMs when $name", async ({ at }) => {
    const timeoutMs = 500
    let saves = 0
    const saveUser = () => {
      saves += 1
      return new Promise<never>(() => undefined)
    }
    const options = { ...realm.gateOptions, userStore: { ...userStore, saveUser }, timeoutMs, onEvent: () => undefined }
    const slow = createGate(options)
    if (at !== null) realm.breakWith(hangBeforeHeaders, { at })
    slow.registerUser({ ...person, username: "hopper", email: `hopper.${secrets.email}` }).catch(() => undefined)
    const came = () => (at === null ? saves : realm.requests(at))
    await expect.poll(came, { interval: 5 }).toBeGreaterThan(0)
    expect((await inOwnTime(slow.close())).ms).toBeLessThan(timeoutMs + 1000)
    expect(await refusalOf(slow.verifyBearer(null))).toMatchObject({ code: "closed" })
  })

  it("resolves once, however often it is called", async () => {
    const closed = gate.close()
    expect(gate.close()).toBe(closed)
    await closed
    expect(gate.close()).toBe(closed)
  })

  it("leaves other gates open", async () => {
    const other = createGate(realm.gateOptions)
    gate.close()
    await other.verifyBearer(`Bearer ${await realm.mint()}`, {})
    other.close()
  })
})
