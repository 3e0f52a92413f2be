import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  createGate,
  type Gate,
  type GateOptions,
  isGateError,
  type MemoryUser,
  memoryUserStore,
  syncUsers,
  type UserStore,
} from "../../src/index.js"
import { answerWith } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { refusalOf } from "../support/refusal-of.ts"

const revoked = { code: "invalid_token", reason: "revoked", status: 401 }

let realm: FaultyRealm
let store: UserStore<MemoryUser>
let gates: Gate<MemoryUser>[]
let people = 0
beforeEach(async () => {
  realm = await startFaultyRealm()
  store = memoryUserStore()
  gates = []
})
afterEach(async () => {
  for (const gate of gates) gate.close()
  await realm.close()
})

/** A database somewhere else: what is done in it takes effect after a while, and is heard of after another. */
function slow({ listSubjects, ...store }: UserStore<MemoryUser>): UserStore<MemoryUser> {
  const away = () => delay(Math.random() * 6)
  const far =
    <Asked extends unknown[], Answer>(call: (...asked: Asked) => Promise<Answer>) =>
    async (...asked: Asked) => {
      await away()
      const answer = await call(...asked)
      await away()
      return answer
    }
  return {
    findUser: far(store.findUser),
    saveUser: far(store.saveUser),
    removeUser: far(store.removeUser),
    ...(listSubjects && { listSubjects }),
  }
}

/** A process of its own, as far as rows are concerned. */
function newProcess(options: Omit<Partial<GateOptions<MemoryUser>>, "userStore"> = {}): Gate<MemoryUser> {
  const gate = createGate({ ...realm.gateOptions, onEvent() {}, ...options, userStore: store })
  gates.push(gate)
  return gate
}

function newPerson() {
  const username = `person-${people++}`
  const { id: subject } = realm.addUser({ username })
  return { username, subject, row: () => store.findUser({ issuer: `${realm.url}/realms/shop`, subject }) }
}

const request = async (gate: Gate<MemoryUser>, token: string) => gate.verifyBearer(`Bearer ${token}`, {})

describe("deleteAccount", () => {
  beforeEach(() => {
    store = slow(store)
  })

  it("leaves no row in its process, whatever goes on beside it, 20 times of 20", async () => {
    const gate = newProcess()
    for (let round = 0; round < 20; round++) {
      const { username, subject, row } = newPerson()
      const tokens = await Promise.all([1, 2, 3].map(() => realm.issueToken(username)))
      const beside = [
        () => gate.updateAccount(subject, { firstName: `Ada ${round}` }),
        () => gate.updateAccount(subject, {}),
        () => syncUsers(gate, { onMissing: "remove" }),
        ...tokens.map(token => () => request(gate, token)),
      ]
      const works = beside.map(async work => {
        await delay(Math.random() * 15)
        await work()
      })
      const [deletion, ...others] = await Promise.allSettled([gate.deleteAccount(subject), ...works])
      expect(deletion).toMatchObject({ status: "fulfilled" })
      for (const other of others) if (other.status === "rejected") expect(other.reason).toSatisfy(isGateError)
      for (const token of tokens) expect(await refusalOf(request(gate, token))).toMatchObject(revoked)
      expect(await refusalOf(gate.updateAccount(subject, {}))).toMatchObject({ fields: [{ rule: "unknown" }] })
      await syncUsers(gate)
      expect(await row()).toBeNull()
    }
  })

  it("leaves no row to a process that knew it, 20 times of 20, be its tokens' news old or new", async () => {
    const [one, other] = [newProcess(), newProcess()]
    for (let round = 0; round < 20; round++) {
      const { username, subject, row } = newPerson()
      const [known, later] = [await realm.issueToken(username), await realm.issueToken(username, { given_name: "New" })]
      await request(other, known)
      await one.deleteAccount(subject)
      for (const token of [known, later]) expect(await refusalOf(request(other, token))).toMatchObject(revoked)
      expect(await row()).toBeNull()
    }
  })
})

describe("a process that knew a row which is gone", () => {
  const inMode = (options: Partial<GateOptions<MemoryUser>>) => ({ options, asked: paths.introspection })
  it.each([
    ["introspection", inMode({})],
    ["introspection too where that is its mode", inMode({ verification: { mode: "introspection", cacheSeconds: 60 } })],
    ["userinfo without a secret", { options: { clientSecret: undefined }, asked: paths.userinfo }],
  ])("makes it anew once it was told by %s that there is an account", async (_, { options, asked }) => {
    const { username, subject, row } = newPerson()
    const gate = newProcess(options)
    const token = await realm.issueToken(username)
    const issuer = (await request(gate, token)).issuer
    await store.removeUser({ issuer, subject })
    const before = realm.requests(asked)
    const principals = await Promise.all(Array.from({ length: 20 }, () => request(gate, token)))
    expect(principals.every(({ user }) => user?.subject === subject)).toBe(true)
    expect([realm.requests(asked) - before, (await row())?.subject]).toEqual([1, subject])
  })

  it.each([
    ["introspection", {}, paths.introspection],
    ["userinfo", { clientSecret: undefined }, paths.userinfo],
  ])(
    "answers 503 and makes none while Keycloak can't be asked by %s, and lets in afterwards",
    async (_, options, at) => {
      const { username, subject, row } = newPerson()
      const gate = newProcess(options)
      const token = await realm.issueToken(username)
      const { issuer } = await request(gate, token)
      await store.removeUser({ issuer, subject })
      realm.breakWith(answerWith({ status: 503 }), { at })
      expect(await refusalOf(request(gate, token))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      expect(await row()).toBeNull()
      await realm.heal()
      expect((await request(gate, token)).user).toMatchObject({ subject })
    },
  )

  it("refuses a token about which it can't ask, and sends nothing", async () => {
    const { username, subject, row } = newPerson()
    const gate = newProcess({ clientSecret: undefined })
    const token = await realm.issueToken(username, {}, { scope: "profile email" })
    const { issuer } = await request(gate, token)
    await store.removeUser({ issuer, subject })
    const before = realm.requests()
    expect(await refusalOf(request(gate, token))).toMatchObject(revoked)
    expect([realm.requests() - before, await row()]).toEqual([0, null])
  })

  it("asks userinfo about a token that does not name this client, which introspection calls inactive for that", async () => {
    const { username, subject } = newPerson()
    const gate = newProcess({ audience: "elsewhere" })
    const token = await realm.issueToken(username, { aud: ["elsewhere"] })
    const { issuer } = await request(gate, token)
    await store.removeUser({ issuer, subject })
    expect((await request(gate, token)).user).toMatchObject({ subject })
    expect(realm.requests(paths.userinfo)).toBe(1)
  })

  it("asks about service accounts as well where they have rows", async () => {
    const gate = newProcess({ syncServiceAccounts: true })
    const token = await realm.issueToken("service-account-shop-api")
    const verify = () => gate.verifyBearer(`Bearer ${token}`, { kind: "service" })
    const { issuer, subject } = await verify()
    await store.removeUser({ issuer, subject })
    await verify()
    expect(realm.requests(paths.introspection)).toBe(1)
    expect(await store.findUser({ issuer, subject })).not.toBeNull()
  })
})
