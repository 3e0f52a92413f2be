import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  createGate,
  type Gate,
  type GateOptions,
  type MemoryUser,
  memoryUserStore,
  syncUsers,
  type UserStore,
} from "../../src/index.js"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

type Event = Parameters<NonNullable<GateOptions<never>["onEvent"]>>[0]
type Call = keyof UserStore<MemoryUser>

let realm: FaultyRealm
let somebody: { readonly username: string; readonly id: string }
let gate: Gate<MemoryUser>
let events: Event[]
/** The function of the store that never settles. */
let hanging: Call | "onMissing" | null
let hangs: () => void
let people = 0
beforeEach(async () => {
  realm = await startFaultyRealm()
  somebody = realm.addUser({ username: `somebody-${people++}` })
  hanging = null
  hangs = () => undefined
  events = []
  const onEvent = (event: Event) => events.push(event)
  gate = createGate({ ...realm.gateOptions, userStore: hangingStore(), storeTimeoutMs: 200, onEvent })
})
afterEach(async () => {
  gate.close()
  await realm.close()
})

function hangingStore(): UserStore<MemoryUser> {
  const { findUser, saveUser, removeUser, listSubjects } = memoryUserStore()
  const orHang =
    <Asked extends unknown[], Answer>(call: Call, work: (...asked: Asked) => Promise<Answer>) =>
    (...asked: Asked) =>
      call === hanging ? new Promise<never>(() => hangs()) : work(...asked)
  return {
    findUser: orHang("findUser", findUser),
    saveUser: orHang("saveUser", saveUser),
    removeUser: orHang("removeUser", removeUser),
    listSubjects: orHang("listSubjects", listSubjects),
  }
}

function person() {
  const username = `registering-${people++}`
  const names = { firstName: "Eve", lastName: "Lovelace" }
  return { username, email: `${username}@example.test`, ...names, password: secrets.password }
}
const verify = async () => gate.verifyBearer(`Bearer ${await realm.issueToken(somebody.username)}`, {})

const situations: readonly [call: Call, verb: string, work: () => Promise<unknown>][] = [
  ["saveUser", "verifyBearer", verify],
  ["findUser", "verifyBearer of somebody known", verify],
  ["saveUser", "updateAccount", () => gate.updateAccount(somebody.id, { firstName: "Augusta" })],
  ["saveUser", "registerUser", () => gate.registerUser(person())],
  ["removeUser", "deleteAccount", () => gate.deleteAccount(somebody.id)],
  ["saveUser", "syncUsers", async () => syncUsers(gate)],
  ["listSubjects", "syncUsers with onMissing", async () => syncUsers(gate, { onMissing: "report" })],
]

describe("a store that never settles", () => {
  it.each(situations)("in %s has %s answer 503 after its limit, is told of once, and heals", async (call, _, work) => {
    if (call === "findUser") await verify()
    hanging = call
    for (let times = 0; times < 2; times++) {
      const error = await refusalOf(work())
      expect(error).toMatchObject({ code: "store_unavailable", status: 503 })
      expect(gate.refusalFor(error)).toMatchObject({ status: 503, body: { error: "store_unavailable" } })
    }
    // One event for the state, and none for each request that meets it.
    expect(events).toMatchObject([{ type: "store_slow", call }])
    hanging = null
    await work()
  })

  it("leaves no account whose registration could not save its row", async () => {
    const registration = person()
    hanging = "saveUser"
    await refusalOf(gate.registerUser(registration))
    expect(realm.users().map(({ username }) => username)).not.toContain(registration.username)
    hanging = null
    await gate.registerUser(registration)
  })

  it("ends a run of syncUsers whose function for missing rows never settles", async () => {
    await verify()
    const elsewhere = createGate(realm.gateOptions)
    await elsewhere.deleteAccount(somebody.id)
    elsewhere.close()
    const onMissing = () => new Promise<void>(() => undefined)
    expect(await refusalOf(Promise.resolve(syncUsers(gate, { onMissing })))).toMatchObject({
      code: "store_unavailable",
    })
    expect(events).toMatchObject([{ type: "store_slow", call: "onMissing" }])
  })

  it("fails what waits for it with `closed` when the gate is closed", async () => {
    hanging = "saveUser"
    const begun = new Promise<void>(resolve => {
      hangs = resolve
    })
    const waiting = refusalOf(verify())
    await begun
    gate.close()
    expect(await waiting).toMatchObject({ code: "closed", status: 503 })
  })
})
