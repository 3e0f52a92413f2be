import { afterEach, describe, expect, it, vi } from "vitest"
import { admit, createGuard, createMount, onProperties } from "../../src/adapters/guard.js"
import { recallBy } from "../../src/gate-internals.js"
import {
  cachedUserStore,
  createGate,
  type Gate,
  type MemoryUser,
  memoryUserStore,
  type Principal,
  type RegisteredUser,
} from "../../src/index.js"
import { openShop } from "../support/shop.ts"

const open: Gate<MemoryUser>[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

/** A gate that remembers Ada's token and row. */
async function makeGate() {
  const realm = await openShop()
  const store = memoryUserStore()
  const findUser = vi.fn(store.findUser)
  const cached = cachedUserStore({ ...store, findUser }, { seconds: 3600 })
  const gate = createGate<MemoryUser>({ ...realm.gateOptions, userStore: cached, onEvent: () => undefined })
  open.push(gate)
  const header = `Bearer ${await realm.issueToken("ada")}`
  const { subject } = await gate.verifyBearer(header, {})
  const identity = { issuer: realm.issuer, subject }
  const recall = (text = header) => recallBy<MemoryUser>(gate, text)
  return { realm, gate, store, findUser, cached, header, identity, recall }
}

describe("a request whose token and row are remembered", () => {
  it("is let in at once, with its row and without a question to the database", async () => {
    const { gate, header, findUser } = await makeGate()
    const carrier = onProperties<{ principal?: Principal<RegisteredUser> }>(request => request)
    const request: { principal?: Principal<RegisteredUser> } = {}
    const mount = createMount(gate as Gate<RegisteredUser>, {})
    expect(admit(carrier, request, { rawHeaders: ["authorization", header], headers: {} }, mount)).toBeUndefined()
    expect(createGuard(carrier, {})(request)).toBeUndefined()
    expect(request.principal).toMatchObject({ kind: "user", user: { username: "ada" } })
    expect(findUser).not.toHaveBeenCalled()
  })

  it("has the principal of the request before it until the row is another one", async () => {
    const { store, cached, gate, header, identity, recall } = await makeGate()
    const first = recall()
    expect(recall()).toBe(first)
    await store.saveUser({ ...(first?.user as MemoryUser), firstName: "Augusta", asOf: new Date() }) // another process
    expect(recall()).toBe(first)
    cached.forget(identity)
    expect(recall()).toBeNull()
    expect(await gate.verifyBearer(header)).toMatchObject({ user: { firstName: "Augusta" } })
    expect(recall()).toMatchObject({ user: { firstName: "Augusta" } })
    expect([first?.user?.firstName, Object.isFrozen(recall())]).not.toContain("Augusta")
  })

  it("is asked about where its token may tell other values", async () => {
    const { realm, gate, recall } = await makeGate()
    const later = `Bearer ${await realm.issueToken("ada", { iat: Math.floor(Date.now() / 1000) + 1, given_name: "Later" })}`
    expect(recall(later)).toBeNull()
    expect(await gate.verifyBearer(later)).toMatchObject({ user: { firstName: "Later" } })
    expect(recall(later)).toMatchObject({ user: { firstName: "Later" } })
    expect(recall()).toMatchObject({ user: { firstName: "Later" } })
  })

  it("is refused once its subject is revoked", async () => {
    const { gate, header, identity, recall } = await makeGate()
    await gate.revoke({ subject: identity.subject, issuer: identity.issuer })
    expect(recall()).toBeNull()
    await expect(gate.verifyBearer(header)).rejects.toMatchObject({ code: "invalid_token", reason: "revoked" })
  })

  it("is refused once the account was deleted here, whatever is remembered of the row", async () => {
    const { realm, gate, cached, recall } = await makeGate()
    const { username } = realm.addUser({ username: `leaver-${open.length}-${Date.now()}` })
    const header = `Bearer ${await realm.issueToken(username)}`
    const { subject } = await gate.verifyBearer(header, {})
    expect(recall(header)).toMatchObject({ user: { username } })
    await gate.deleteAccount(subject)
    expect([recall(header), cached.peekUser({ issuer: realm.issuer, subject })]).toEqual([null, undefined])
    await expect(gate.verifyBearer(header)).rejects.toMatchObject({ code: "invalid_token", reason: "revoked" })
  })

  it("is let in at once without a row where a client asks", async () => {
    const { realm, gate, recall } = await makeGate()
    const { clientId } = realm.gateOptions
    const header = `Bearer ${await realm.issueToken(`service-account-${clientId}`)}`
    await gate.verifyBearer(header)
    expect(recall(header)).toMatchObject({ kind: "service", user: null })
  })

  it("is refused after close()", async () => {
    const { gate, recall } = await makeGate()
    await gate.close()
    expect(() => recall()).toThrow(expect.objectContaining({ code: "closed" }))
  })
})
