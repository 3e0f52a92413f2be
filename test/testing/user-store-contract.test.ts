import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createMariaDbPool } from "../../examples/stores/mariadb.ts"
import { memoryUserStore, type UserStore } from "../../src/index.js"
import { userStoreContract } from "../../src/testing/index.js"
import { createTestDatabase } from "../examples/mariadb.ts"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { mistakesInMemory, rightStoreInMemory } from "./mistakes-in-memory.ts"
import { createStoreOn as createStoreOnMariaDb, mistakesOnMariaDb } from "./mistakes-on-mariadb.ts"
import { createStoreOn as createStoreOnPostgres, mistakesOnPostgres } from "./mistakes-on-postgres.ts"

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
async function failuresOf(createStore: CreateStore, says?: RegExp, attributesAreUnique = false): Promise<string[]> {
  const messages: string[] = []
  for (const { run } of userStoreContract(createStore, { attributesAreUnique })) {
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

describe("userStoreContract", () => {
  it("names each case once", () => {
    const names = userStoreContract(memoryUserStore).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})
