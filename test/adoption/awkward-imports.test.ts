import { setTimeout as pause } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import {
  createGate,
  type Gate,
  type ImportedPerson,
  type ImportPerson,
  importUsers,
  linkUsers,
  type MemoryUser,
  memoryUserStore,
  parseDjangoHash,
  syncUsers,
  type UserIdentity,
  type UserStore,
} from "../../src/index.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { djangoHashers } from "../support/old-hashes.ts"
import { startProxy } from "../support/proxy.ts"

const hash = parseDjangoHash(djangoHashers.pbkdf2_sha256?.("old-Passw0rd"))

// One table for all: a key is the same person's everywhere in a realm.
const store = memoryUserStore()
let realm: TestRealm
beforeAll(async () => {
  realm = await startTestRealm()
})
afterAll(() => realm.stop())

function gateWith(changes: object = {}, internalUrl?: string): Gate<MemoryUser> {
  const userStore: UserStore<MemoryUser> = { ...store, ...changes }
  return createGate({ ...realm.gateOptions, userStore, internalUrl, onEvent: () => undefined })
}

let count = 0
function person(more: Partial<ImportPerson> = {}): ImportPerson {
  const username = `awkward-${count++}`
  const names = { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace", ...more }
  return { key: store.addUnlinked(names), ...names, password: hash }
}

const accountOf = ({ username }: ImportPerson) => realm.users().find(one => one.username === username)

async function results(gate: Gate<MemoryUser>, people: readonly ImportPerson[]): Promise<ImportedPerson<MemoryUser>[]> {
  const all: ImportedPerson<MemoryUser>[] = []
  for await (const one of importUsers(gate, people, { concurrency: 1 })) all.push(one)
  return all
}

describe("a store that says undefined where it has nothing", () => {
  it("ties no row with linkUser: no account is left open", async () => {
    const gate = gateWith({ linkUser: async () => undefined })
    const one = person()
    expect(await results(gate, [one])).toMatchObject([{ outcome: "refused", code: "row_taken" }])
    expect(accountOf(one)).toBeUndefined()
  })

  it("has no row with findUser: its people are linked", async () => {
    const findUser = async (identity: UserIdentity) => (await store.findUser(identity)) ?? undefined
    const gate = gateWith({ findUser })
    const { username } = await realm.addUser({ username: `awkward-${count++}` })
    const key = store.addUnlinked({ username })
    const until = new Date((await pause(2, Date.now())) + 1)
    const outcomes = []
    for await (const one of linkUsers(gate, { by: "username", until }))
      if (one.user?.username === username) outcomes.push(one)
    expect(outcomes).toMatchObject([{ outcome: "linked", keys: [key] }])
  })

  it("knows no row with findUnlinked", async () => {
    const gate = gateWith({ findUnlinked: async () => undefined })
    await realm.addUser({ username: `awkward-${count++}` })
    const until = new Date((await pause(2, Date.now())) + 1)
    expect(await linkUsers(gate, { by: "username", until })).toMatchObject({ linked: 0, ambiguous: 0 })
  })
})

it("leaves an account closed that an administrator has locked with the same actions", async () => {
  const gate = gateWith()
  const requiredActions = ["VERIFY_PROFILE", "update_user_locale"]
  const { username, id } = await realm.addUser({ username: `awkward-${count++}`, enabled: false, requiredActions })
  await syncUsers(gate)
  expect(await store.findUser({ issuer: realm.issuer, subject: id })).not.toBeNull()
  await importUsers(gate, [])
  expect(accountOf({ key: 0, username })).toMatchObject({ enabled: false, requiredActions })
})

describe("people whose account the realm's rules do not let it open", () => {
  const refusal = { field: "email", errorMessage: "error-invalid-email", params: ["email"] }
  const opening = { at: /^PUT \/admin\/realms\/[^/]+\/users\/[^/]+$/, times: Number.POSITIVE_INFINITY }

  async function closedPeople() {
    const proxy = await startProxy(realm.url)
    onTestFinished(() => proxy.close())
    const gate = gateWith({}, proxy.url)
    const people = [person(), person()]
    proxy.breakWith(({ send }) => send({ status: 400, body: JSON.stringify(refusal) }), opening)
    const first = await results(gate, people)
    return { gate, people, first, heal: () => proxy.heal() }
  }

  it("are told once in a run, and opened as soon as they may", async () => {
    const { gate, people, first, heal } = await closedPeople()
    const refused = people.map(({ key }) => ({ key, code: "account_rejected", fields: [{ field: "email" }] }))
    expect(first).toMatchObject(refused)
    expect(await results(gate, people)).toMatchObject(refused)
    expect(await results(gate, [])).toMatchObject(refused.map(one => ({ ...one, key: null })))
    await heal()
    expect(await results(gate, [])).toEqual([])
    expect(people.map(accountOf)).toMatchObject([{ enabled: true }, { enabled: true }])
  })

  it("are opened no further when the signal comes", async () => {
    const { people, heal } = await closedPeople()
    await heal()
    const ending = new AbortController()
    const gate = gateWith({
      findUser(identity: UserIdentity) {
        if (identity.subject === people.map(accountOf)[0]?.id) ending.abort(new Error("enough"))
        return store.findUser(identity)
      },
    })
    await expect(importUsers(gate, [], { signal: ending.signal })).rejects.toThrow("enough")
    expect(people.map(accountOf)).toMatchObject([{ enabled: true }, { enabled: false }])
  })
})

it("calls a name shared where the username of one row is the e-mail of another one", async () => {
  const gate = gateWith()
  const first = person()
  const second = person({ username: first.email, email: null })
  expect(await results(gate, [first, second])).toMatchObject([{ outcome: "created" }, { code: "name_shared" }])
})

it("takes an e-mail for no username that belongs to service accounts", async () => {
  const gate = gateWith()
  const reserved = person({ username: null, email: "service-account-x@example.test" })
  expect(await results(gate, [reserved])).toMatchObject([
    { code: "person_invalid", fields: [{ field: "email", rule: "reserved_prefix" }] },
  ])
})

it("refuses a hash whose parameters are lists", async () => {
  const gate = gateWith()
  const argon2 = { type: ["id"], version: ["1.3"], memory: 7168, parallelism: 1 }
  const value = Buffer.alloc(32).toString("base64")
  const password = { algorithm: "argon2", iterations: 5, salt: value, value, argon2 } as never
  expect(await results(gate, [{ ...person(), password }])).toMatchObject([
    { code: "hash_unreadable", fields: [{ rule: "hash_type" }, { rule: "hash_version" }] },
  ])
})

it("refuses a PBKDF2 hash whose length makes many times the iterations of it", async () => {
  const longHash = { algorithm: "pbkdf2", iterations: 1_000_000, salt: "c2FsdA==" }
  const of = (bytes: number) => ({ ...longHash, value: Buffer.alloc(bytes).toString("base64") })
  const people = [
    { ...person(), password: of(80) },
    { ...person(), password: of(101) },
  ]
  expect(await results(gateWith(), people)).toMatchObject([
    { outcome: "created" },
    { code: "hash_unreadable", fields: [{ rule: "hash_work" }] },
  ])
})

it("hands all results to whoever iterates, also where the counts were asked for first", async () => {
  const run = importUsers(gateWith(), [person(), person(), person()], { concurrency: 1 })
  const counts = run.then(all => all.created)
  const outcomes: string[] = []
  for await (const { outcome } of run) outcomes.push(outcome)
  expect([outcomes, await counts]).toEqual([["created", "created", "created"], 3])
})

it("throws what an asynchronous onProgress throws", async () => {
  const gate = gateWith()
  const onProgress = async () => {
    throw new Error("no room in the log")
  }
  const until = new Date(Date.now() - 1)
  await expect(importUsers(gate, [person()], { onProgress })).rejects.toThrow("no room in the log")
  await expect(linkUsers(gate, { by: "username", until, onProgress })).rejects.toThrow("no room in the log")
  await expect(syncUsers(gate, { onProgress })).rejects.toThrow("no room in the log")
})

describe("a stream that throws while it is closed", () => {
  function* broken(): Generator<ImportPerson> {
    try {
      for (;;) yield person()
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: what a stream may do.
      throw new Error("no cursor of this name")
    }
  }

  it("hides nothing of what the run has ended with", async () => {
    const linkUser = () => Promise.reject(new Error("no such table"))
    const gate = gateWith({ linkUser })
    await expect(importUsers(gate, broken(), { concurrency: 1 })).rejects.toThrow("no such table")
  })

  it("makes no failure of a break", async () => {
    const gate = gateWith()
    for await (const { outcome } of importUsers(gate, broken(), { concurrency: 1 })) {
      expect(outcome).toBe("created")
      break
    }
  })
})
