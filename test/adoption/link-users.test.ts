import { describe, expect, it, onTestFinished } from "vitest"
import {
  createGate,
  type Gate,
  type LinkedAccount,
  type LinkUsersOptions,
  linkUsers,
  type MemoryUser,
  memoryUserStore,
  type UserStore,
} from "../../src/index.js"
import { type NewTestUser, startTestRealm } from "../../src/testing/index.js"

// Accounts of the test realm are made when they are added.
const now = () => new Date()

async function application() {
  const realm = await startTestRealm()
  onTestFinished(() => realm.stop())
  const store = memoryUserStore()
  const gateWith = (changes: Partial<UserStore<MemoryUser>> = {}): Gate<MemoryUser> =>
    createGate({ ...realm.gateOptions, userStore: { ...store, ...changes }, onEvent: () => undefined })
  const row = (username: string | null, email: string | null = null) =>
    store.addUnlinked({ username, email, extra: { plan: username ?? email } })
  const account = (username: string, more: Partial<NewTestUser> = {}) => realm.addUser({ username, ...more }).id
  const rowOf = (subject: string) => store.findUser({ issuer: realm.issuer, subject })
  // Whoever was added in this very millisecond is as good as later.
  const past = async () => {
    const at = Date.now()
    await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(at)
    return now()
  }
  return { realm, store, gate: gateWith(), gateWith, row, account, rowOf, past }
}

async function results<User>(run: AsyncIterable<LinkedAccount<User>>): Promise<LinkedAccount<User>[]> {
  const all: LinkedAccount<User>[] = []
  for await (const one of run) all.push(one)
  return all
}

const none = { linked: 0, alreadyLinked: 0, ambiguous: 0, withoutRow: 0 }

describe("linkUsers", () => {
  it("ties the one row of the same username, whatever the letters' case, and nobody else's", async () => {
    const { gate, row, account, rowOf, past } = await application()
    row("ADA")
    row("Bob")
    row("bob")
    const [ada, bob, eve] = [account("ada"), account("bob"), account("eve")]
    const until = await past()
    expect(await linkUsers(gate, { by: "username", until })).toEqual({
      ...none,
      linked: 1,
      ambiguous: 1,
      withoutRow: 1,
    })
    expect(await rowOf(ada)).toMatchObject({ username: "ada", extra: { plan: "ADA" } })
    expect(await rowOf(bob)).toBeNull()
    expect(await rowOf(eve)).toBeNull()
    expect(await linkUsers(gate, { by: "username", until })).toEqual({
      ...none,
      alreadyLinked: 1,
      ambiguous: 1,
      withoutRow: 1,
    })
  })

  it("goes by e-mails that are verified alone", async () => {
    const { gate, row, account, rowOf, past } = await application()
    const key = row("somebody", "Ada@example.test")
    row("other", "bob@example.test")
    const ada = account("a", { email: "ada@example.test", emailVerified: true })
    account("b", { email: "bob@example.test", emailVerified: false })
    account("c", { email: null })
    const all = await results(linkUsers(gate, { by: "email", until: await past() }))
    expect(all.map(({ outcome }) => outcome)).toEqual(["linked", "withoutRow", "withoutRow"])
    expect(all[0]).toMatchObject({ subject: ada, keys: [key], user: { extra: { plan: "somebody" } } })
    expect(await rowOf(ada)).toMatchObject({ username: "a", email: "ada@example.test" })
  })

  it("leaves whoever was made at that moment or after it", async () => {
    const { gate, row, account, rowOf, past } = await application()
    row("ada")
    row("stranger")
    const ada = account("ada")
    const until = await past()
    const stranger = account("stranger")
    expect(await linkUsers(gate, { by: "username", until })).toEqual({ ...none, linked: 1 })
    expect(await rowOf(ada)).not.toBeNull()
    expect(await rowOf(stranger)).toBeNull()
  })

  it("changes nothing in a dry run, and counts what it would do", async () => {
    const { gate, store, row, account, rowOf, past } = await application()
    row("ada")
    const ada = account("ada")
    const until = await past()
    expect(await linkUsers(gate, { by: "username", until, dryRun: true })).toEqual({ ...none, linked: 1 })
    expect(await rowOf(ada)).toBeNull()
    expect(await store.findUnlinked({ username: "ada" } as never, { by: "username" })).toHaveLength(1)
  })

  it("leaves the row that an account has, also where somebody is quicker", async () => {
    const { gateWith, store, row, account, rowOf, past } = await application()
    row("ada")
    row("bob")
    const [ada, bob] = [account("ada"), account("bob")]
    const until = await past()
    const slower = gateWith({
      async linkUser(key, profile) {
        // The first request of this person comes between.
        await store.saveUser(profile)
        return store.linkUser(key, profile)
      },
    })
    expect(await linkUsers(slower, { by: "username", until })).toEqual({ ...none, alreadyLinked: 2 })
    for (const subject of [ada, bob]) expect(await rowOf(subject)).toMatchObject({ extra: null })
  })

  it("ties a row once, however many runs there are", async () => {
    const { gateWith, row, account, past } = await application()
    const names = Array.from({ length: 30 }, (_, index) => `person-${index}`)
    for (const name of names) row(name)
    for (const name of names) account(name)
    const until = await past()
    const runs = await Promise.all([1, 2, 3].map(() => linkUsers(gateWith(), { by: "username", until })))
    expect(runs.reduce((sum, { linked }) => sum + linked, 0)).toBe(30)
    for (const { linked, alreadyLinked } of runs) expect(linked + alreadyLinked).toBe(30)
  })

  it("goes through all pages, tells how far it is, and ends with the signal", async () => {
    const { gate, row, account, past } = await application()
    for (let index = 0; index < 450; index++) account(`person-${String(index).padStart(3, "0")}`)
    row("person-449")
    const until = await past()
    const progress: unknown[] = []
    const onProgress = (counts: unknown) => progress.push(counts)
    expect(await linkUsers(gate, { by: "username", until, onProgress })).toEqual({
      ...none,
      linked: 1,
      withoutRow: 449,
    })
    expect(progress.length).toBeGreaterThan(1)
    expect(progress.at(-1)).toEqual({ ...none, linked: 1, withoutRow: 449 })
    const ending = new AbortController()
    const run = linkUsers(gate, {
      ...{ by: "username", until, signal: ending.signal },
      onProgress: () => ending.abort(new Error("enough")),
    })
    await expect(run).rejects.toThrow("enough")
  })

  it("throws what the store throws", async () => {
    const { gateWith, account, past } = await application()
    account("ada")
    const gate = gateWith({ findUnlinked: () => Promise.reject(new Error("the database is gone")) })
    await expect(linkUsers(gate, { by: "username", until: await past() })).rejects.toThrow("the database is gone")
  })

  it("refuses wrong options, a moment to come, and a store that can't", async () => {
    const { gate, gateWith } = await application()
    const until = now()
    const wrong: readonly (readonly [Gate<MemoryUser>, unknown, readonly string[]])[] = [
      [gate, undefined, ["options", "by", "until"]],
      [gate, {}, ["by", "until"]],
      [gate, { by: "name", until }, ["by"]],
      [gate, { by: "email", until: new Date(Date.now() + 60_000) }, ["until"]],
      [gate, { by: "email", until: until.toISOString() }, ["until"]],
      [gate, { by: "email", until: new Date(Number.NaN) }, ["until"]],
      [gate, { by: "email", until, dryRun: "yes" }, ["dryRun"]],
      [gate, { by: "email", until, since: until }, ["since"]],
    ]
    for (const [one, options, fields] of wrong)
      expect(() => linkUsers(one, options as LinkUsersOptions)).toThrow(
        expect.objectContaining({
          code: "config_invalid",
          fields: expect.arrayContaining(fields.map(field => expect.objectContaining({ field }))),
        }),
      )
    for (const changes of [{ findUnlinked: undefined }, { linkUser: undefined }])
      expect(() => linkUsers(gateWith(changes as never), { by: "email", until })).toThrow(
        expect.objectContaining({ code: "config_invalid" }),
      )
  })
})
