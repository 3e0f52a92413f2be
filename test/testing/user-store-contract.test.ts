import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { createMariaDbPool } from "../../examples/stores/mariadb.ts"
import { type MemoryUser, memoryUserStore, type UserProfile, type UserStore } from "../../src/index.js"
import { type UserStoreCase, userStoreContract } from "../../src/testing/index.js"
import { createTestDatabase } from "../examples/mariadb.ts"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { mistakesInMemory, rightStoreInMemory } from "./mistakes-in-memory.ts"
import { createStoreOn as createStoreOnMariaDb, mistakesOnMariaDb } from "./mistakes-on-mariadb.ts"
import { createStoreOn as createStoreOnPostgres, mistakesOnPostgres } from "./mistakes-on-postgres.ts"
import { mistakesWithUnownedRows, rightStoreWithUnownedRows, type UnownedStore } from "./mistakes-with-unowned-rows.ts"

export interface Mistake {
  readonly mistake: string
  /** What the message of a failing case has to say. */
  readonly says: RegExp
  /** The store has a rule for unique names. */
  readonly attributesAreUnique?: true
  createStore(): UserStore<unknown>
}

type CreateStore = () => UserStore<unknown> | Promise<UserStore<unknown>>

/** The messages of the cases that fail, up to the first one that says this. */
function failuresOf(createStore: CreateStore, says?: RegExp, attributesAreUnique = false): Promise<string[]> {
  return failuresIn(userStoreContract(createStore, { attributesAreUnique }), says)
}

async function failuresIn(cases: readonly UserStoreCase[], says?: RegExp): Promise<string[]> {
  const messages: string[] = []
  for (const { run } of cases) {
    await run().catch(({ message }) => messages.push(message))
    if (says?.test(messages.at(-1) ?? "")) break
  }
  return messages
}

describe("the store contract names the mistake of a store that", () => {
  it("would otherwise be right", async () => {
    expect(await failuresOf(rightStoreInMemory)).toEqual([])
  })

  it.each(mistakesInMemory)("$mistake", async ({ createStore, says, attributesAreUnique }) => {
    expect(await failuresOf(createStore, says, attributesAreUnique)).toContainEqual(expect.stringMatching(says))
  })

  it("is right but for one mistake, first of all", async () => {
    const first = ["reads the sign-up data of people who have none", "takes nobody without sign-up data"]
    for (const { createStore, says, mistake } of mistakesInMemory) {
      if (first.includes(mistake)) expect((await failuresOf(createStore))[0]).toMatch(says)
    }
  })

  describe("may have rows without subject, and", () => {
    const casesOf = (createStore: () => UnownedStore) =>
      userStoreContract(createStore, { unownedRow: (store, names) => store.addUnowned(names) })

    it("would otherwise be right", async () => {
      expect(await failuresIn(casesOf(rightStoreWithUnownedRows))).toEqual([])
    })

    it.each(mistakesWithUnownedRows)("$mistake", async ({ createStore, says }) => {
      expect(await failuresIn(casesOf(createStore), says)).toContainEqual(expect.stringMatching(says))
    })
  })

  describe("on the real PostgreSQL", () => {
    let schema: TestSchema
    beforeAll(async () => {
      schema = await createTestSchema()
      await schema.pool.query(
        "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
      )
    })
    afterAll(() => schema?.drop())

    it("would otherwise be right", async () => {
      const store = await createStoreOnPostgres(schema.pool)
      expect(await failuresOf(() => store)).toEqual([])
    })

    it.each(mistakesOnPostgres)("$mistake", async ({ createStore, says }) => {
      const store = await createStore(schema.pool)
      expect(await failuresOf(() => store, says)).toContainEqual(expect.stringMatching(says))
    })
  })

  describe("on the real MariaDB", () => {
    let database: Awaited<ReturnType<typeof createTestDatabase>>
    let pool: ReturnType<typeof createMariaDbPool>
    beforeAll(async () => {
      database = await createTestDatabase()
      pool = createMariaDbPool(database.url)
    })
    afterAll(async () => {
      await pool?.end()
      await database?.drop()
    })

    it("would otherwise be right", async () => {
      const store = await createStoreOnMariaDb(pool)
      expect(await failuresOf(() => store)).toEqual([])
    })

    it.each(mistakesOnMariaDb)("$mistake", async ({ createStore, says }) => {
      const store = await createStore(pool)
      expect(await failuresOf(() => store, says)).toContainEqual(expect.stringMatching(says))
    })
  })
})

/** A store over columns that may not be null, as a table has them that is older than Keycloak. */
function storeWithoutNull(kept: (profile: UserProfile) => string): UserStore<MemoryUser> {
  const { saveUser, ...store } = memoryUserStore()
  return {
    ...store,
    saveUser(profile, extra) {
      const { username, email, firstName, lastName } = profile
      const names = { email: email ?? "", firstName: firstName ?? "", lastName: lastName ?? "" }
      return saveUser({ ...profile, ...names, username: username ?? kept(profile) }, extra)
    },
  }
}

describe("userStoreContract", () => {
  const keptForNull = {
    username: (profile: UserProfile) => `kc-${profile.subject}`,
    email: "",
    firstName: "",
    lastName: "",
  }

  it("takes what a table keeps for null, where it is told", async () => {
    const createStore = () => storeWithoutNull(({ subject }) => `kc-${subject}`)
    expect(await failuresIn(userStoreContract(createStore, { keptForNull }))).toEqual([])
    expect(await failuresIn(userStoreContract(createStore))).toContainEqual(expect.stringMatching(/`keptForNull`/))
  })

  it("takes nothing else for null then", async () => {
    for (const wrong of ["null", "", "kc-"]) {
      const failures = await failuresIn(userStoreContract(() => storeWithoutNull(() => wrong), { keptForNull }))
      expect(failures).toContainEqual(expect.stringMatching(/as username: .*null/))
    }
  })

  it("warns once where a store has functions for rows without subject, and none is given to try them with", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue()
    const { findUnlinked, linkUser, ...needed } = memoryUserStore()
    await failuresIn(userStoreContract(() => needed))
    await failuresIn(userStoreContract(memoryUserStore, { unownedRow: (store, names) => store.addUnlinked(names) }))
    expect(warn).not.toHaveBeenCalled()
    await failuresIn(userStoreContract(() => ({ ...needed, findUnlinked })))
    await failuresIn(userStoreContract(() => ({ ...needed, linkUser })))
    expect(warn.mock.calls.map(([message]) => String(message))).toEqual([
      expect.stringContaining("unownedRow"),
      expect.stringContaining("unownedRow"),
    ])
    warn.mockRestore()
  })

  it("names each case once", () => {
    const names = userStoreContract(memoryUserStore).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})
