import { randomUUID } from "node:crypto"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser, memoryUserStore, syncUsers, type UserStore } from "../../src/index.js"
import { answerWith, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"

const people = Array.from({ length: 430 }, (_, index) => `p${String(index).padStart(4, "0")}`)
const listing = /^GET \/admin\/realms\/shop\/users$/
const byId = /^GET \/admin\/realms\/shop\/users\/[^/]{36}$/

let realm: FaultyRealm
let store: UserStore<MemoryUser>
let names: Set<string | null>
let gate: Gate<MemoryUser>
beforeAll(async () => {
  realm = await startFaultyRealm()
  for (const username of people) realm.addUser({ username })
})
afterAll(() => realm.close())
beforeEach(() => {
  names = new Set()
  const { saveUser, ...others } = memoryUserStore()
  store = {
    ...others,
    saveUser(profile, extra) {
      names.add(profile.username)
      return saveUser(profile, extra)
    },
  }
  gate = createGate({ ...realm.gateOptions, userStore: store })
})
afterEach(async () => {
  gate.close()
  await realm.heal()
})

describe("syncUsers that ends before its end", () => {
  it.each([
    ["answers 502 with HTML", answerWith({ status: 502, body: "<h1>Bad Gateway</h1>" })],
    ["resets the connection", reset],
    ["answers with half a page", answerWith({ status: 200, body: '[{"id":"' })],
  ])("goes on from the error's cursor after Keycloak %s", async (_, fault) => {
    const run = syncUsers(gate, { onProgress: () => realm.breakWith(fault, { at: listing }) })
    const error = await run.then(undefined, thrown => thrown)
    expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503, cursor: expect.any(String) })
    expect(names.size).toBeLessThan(431)
    await realm.heal()
    const done = await syncUsers(gate, { cursor: error.cursor })
    expect(done.saved).toBeLessThan(300)
    expect([...names].sort()).toEqual(["ada", ...people])
  })

  it("hands through what the store throws, begins no further save, and goes on from the cursor on it", async () => {
    const failure: Error & { cursor?: string } = new Error("disk full")
    let saves = 0
    const saveUser: typeof store.saveUser = profile =>
      ++saves >= 210 ? Promise.reject(failure) : store.saveUser(profile)
    const failing = createGate({ ...realm.gateOptions, userStore: { ...store, saveUser } })
    await expect(syncUsers(failing, { concurrency: 4 })).rejects.toBe(failure)
    expect(saves).toBeLessThan(214)
    const done = await syncUsers(gate, { cursor: failure.cursor })
    expect(done.saved).toBeLessThan(300)
    expect([...names].sort()).toEqual(["ada", ...people])
  })

  it("ends with the signal's reason", async () => {
    const reason = new Error("the deployment is over")
    const abort = new AbortController()
    const run = syncUsers(gate, { signal: abort.signal, onProgress: () => abort.abort(reason) })
    await expect(run).rejects.toBe(reason)
    expect(names.size).toBe(200)
    await expect(syncUsers(gate, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it("does not wait for an answer of Keycloak once it was aborted", async () => {
    const reason = new Error("the deployment is over")
    const abort = new AbortController()
    realm.breakWith(() => abort.abort(reason), { at: listing })
    await expect(syncUsers(gate, { signal: abort.signal })).rejects.toBe(reason)
  })

  it("is over with its gate", async () => {
    await expect(syncUsers(gate, { onProgress: () => gate.close() })).rejects.toMatchObject({ code: "closed" })
  })
})

describe("syncUsers with onMissing, for a row whose account is gone,", () => {
  const issuerHere = () => `${realm.url}/realms/shop`
  async function saveRow() {
    const identity = { issuer: issuerHere(), subject: randomUUID() }
    const nobody = { username: null, email: null, emailVerified: false, firstName: null, lastName: null, custom: {} }
    await store.saveUser({ ...nobody, ...identity, asOf: new Date(0) })
    return identity
  }

  const html = { status: 404, headers: { "content-type": "text/html" }, body: "<h1>Not found</h1>" }
  const json = (body: unknown) => ({ status: 404, body: JSON.stringify(body) })
  it.each([
    ["a proxy's 404", html, "keycloak_unavailable"],
    ["a 404 of another service", json({ message: "no route" }), "keycloak_unavailable"],
    ["a realm that is not there", json({ error: "Realm not found." }), "keycloak_refused_us"],
    ["an outage", { status: 503 }, "keycloak_unavailable"],
  ])("removes nothing on %s, and goes on from the error's cursor", async (_, reply, code) => {
    const identity = await saveRow()
    realm.breakWith(answerWith(reply), { at: byId })
    const error = await syncUsers(gate, { onMissing: "remove" }).then(undefined, thrown => thrown)
    expect(error).toMatchObject({ code, cursor: expect.any(String) })
    expect(await store.findUser(identity)).not.toBeNull()
    await realm.heal()
    const done = await syncUsers(gate, { onMissing: "remove", cursor: error.cursor })
    expect(done).toMatchObject({ saved: 0, missing: 1, cursor: null })
    expect(await store.findUser(identity)).toBeNull()
  })

  it("saves and removes nothing when the realm is not that of the rows, unless it is told how many may go", async () => {
    for (let row = 0; row < 8; row++) await saveRow()
    const rows = async () => (await store.listSubjects?.({ issuer: issuerHere(), after: null, limit: 1000 }))?.length
    names.clear()
    for (const onMissing of ["remove", () => undefined] as const) {
      const error = await syncUsers(gate, { onMissing }).catch(thrown => thrown)
      expect(error).toMatchObject({ code: "keycloak_refused_us", cursor: expect.any(String) })
    }
    expect([names.size, await rows()]).toEqual([0, 8])
    expect(await syncUsers(gate, { onMissing: "report" })).toMatchObject({ saved: 431, missing: 8 })
    expect(await syncUsers(gate, { onMissing: "remove", maxMissing: 8 })).toMatchObject({ missing: 8 })
    expect(await rows()).toBe(431)
  })

  it("removes nothing when every listing comes back empty", async () => {
    const identity = await saveRow()
    await syncUsers(gate)
    realm.breakWith(answerWith({ status: 200, body: "[]" }), { at: listing })
    await expect(syncUsers(gate, { onMissing: "remove" })).rejects.toMatchObject({ code: "keycloak_refused_us" })
    expect(await store.findUser(identity)).not.toBeNull()
    expect(await store.listSubjects?.({ issuer: identity.issuer, after: null, limit: 1000 })).toHaveLength(432)
  })
})
