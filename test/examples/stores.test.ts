import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { createConnection, type ResultSetHeader } from "mysql2/promise"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createMariaDbPool } from "../../examples/stores/mariadb.ts"
import type { UserKey, UserProfile } from "../../src/index.js"
import { type UserStoreCase, userStoreContract } from "../../src/testing/index.js"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"
import {
  mariaDbStoreWith,
  postgresStoreWith,
  unownedMistakesOnMariaDb,
  unownedMistakesOnPostgres,
} from "../testing/unowned-mistakes-on-databases.ts"
import { createTestDatabase } from "./mariadb.ts"
import { addUnowned, createTestSchema, type TestSchema } from "./postgres.ts"
import { type OpenedStore, storeKinds } from "./store-kinds.ts"
import { saveInTwoProcesses } from "./two-processes.ts"

interface Place {
  readonly env: NodeJS.ProcessEnv
  /** A row from before Keycloak; its key. */
  addUnowned(names: { username: string; email: string }): Promise<UserKey>
  remove(): Promise<void>
}

const places = {
  async PostgreSQL(): Promise<Place> {
    const { url, pool, drop } = await createTestSchema()
    return { env: { PG_URL: url }, addUnowned: names => addUnowned(pool, names), remove: drop }
  },
  async MariaDB(): Promise<Place> {
    const { url, drop } = await createTestDatabase()
    const connection = await createConnection(url)
    async function addUnowned({ username, email }: { username: string; email: string }): Promise<number> {
      const insert = "INSERT INTO app_user (username, email) VALUES (?, ?)"
      return (await connection.execute<ResultSetHeader>(insert, [username, email]))[0].insertId
    }
    const remove = async () => {
      await connection.end()
      await drop()
    }
    return { env: { PG_URL: "", MARIADB_URL: url }, addUnowned, remove }
  },
  async SQLite(): Promise<Place> {
    const folder = mkdtempSync(join(tmpdir(), "gate-examples-"))
    const file = join(folder, "app.sqlite")
    const database = new DatabaseSync(file)
    async function addUnowned({ username, email }: { username: string; email: string }): Promise<UserKey> {
      const insert = database.prepare("INSERT INTO app_user (username, email) VALUES (?, ?)")
      return insert.run(username, email).lastInsertRowid
    }
    const remove = async () => {
      database.close()
      rmSync(folder, { recursive: true })
    }
    return { env: { PG_URL: "", MARIADB_URL: "", SQLITE_FILE: file }, addUnowned, remove }
  },
}

describe.each([
  ["pg", "PostgreSQL"],
  ["mysql2", "MariaDB"],
  ["node:sqlite", "SQLite"],
  ["kysely", "PostgreSQL"],
  ["drizzle", "PostgreSQL"],
] as const)("the %s store, on the real %s", (kind, server) => {
  let place: Place
  let store: OpenedStore

  beforeAll(async () => {
    place = await places[server]()
    store = await storeKinds[kind](place.env)
  })
  afterAll(async () => {
    await store?.close()
    await place?.remove()
  })

  itKeepsTheStoreContract(() => store.userStore, { unownedRow: (_, names) => place.addUnowned(names) })

  it("keeps custom values by a date of their own", async () => {
    const [first, second] = [new Date("2026-01-01T10:00:00Z"), new Date("2026-01-01T10:00:01Z")]
    const custom = { tenant: "north", tags: ["a", 1, null, { ä: true }] }
    const customOf = async (profile: Partial<UserProfile>) => {
      const row = await store.userStore.saveUser({ ...nobody, subject: "custom", ...profile })
      return (row as unknown as UserProfile).custom
    }
    expect(await customOf({ asOf: second, custom: {}, customAsOf: new Date(0) })).toEqual({})
    expect(await customOf({ asOf: first, custom })).toEqual(custom)
    expect(await customOf({ asOf: second, custom: {}, customAsOf: new Date(0) })).toEqual(custom)
    expect(await customOf({ asOf: new Date(0), custom: { tenant: "before" } })).toEqual(custom)
    expect(await customOf({ asOf: second, custom: { tenant: "south" } })).toEqual({ tenant: "south" })
  })

  it("refuses a row that is half somebody's", async () => {
    await expect(store.userStore.saveUser({ ...nobody, subject: null as never })).rejects.toThrow()
  })

  it("makes one row of 50 first requests at once over two processes", async () => {
    const issuer = "https://sso.example/realms/first"
    const ids = await saveInTwoProcesses(kind, issuer, place.env)
    const row = await store.userStore.findUser({ issuer, subject: "first" })
    expect(ids).toEqual(Array(50).fill(String(row?.id)))
    // Were there a second row, it would be found now.
    await store.userStore.removeUser({ issuer, subject: "first" })
    expect(await store.userStore.findUser({ issuer, subject: "first" })).toBeNull()
  })

  it("lists the subjects of one issuer in portions, each once", async () => {
    const [issuer, other] = ["https://sso.example/realms/listed", "https://sso.example/realms/other"]
    const subjects = ["a", "A", "b", "B", "ä", "10", "9"]
    for (const subject of subjects) await store.userStore.saveUser({ ...nobody, issuer, subject })
    await store.userStore.saveUser({ ...nobody, issuer: other, subject: "c" })
    const listed: string[] = []
    for (let portion: readonly string[] | undefined; portion === undefined || portion.length > 0; ) {
      portion = (await store.userStore.listSubjects?.({ issuer, after: listed.at(-1) ?? null, limit: 3 })) ?? []
      expect(portion.length).toBeLessThanOrEqual(3)
      listed.push(...portion)
    }
    expect(listed.toSorted()).toEqual(subjects.toSorted())
  })

  it("gives a row its dates as dates, whatever the clocks of its process show", async () => {
    const asOf = new Date("2026-03-29T01:30:00.123Z") // an hour that many clocks skip
    const row = await store.userStore.saveUser({ ...nobody, asOf })
    const { as_of, asOf: told = as_of, created_at, createdAt = created_at } = row as unknown as Record<string, Date>
    expect(told).toEqual(asOf)
    expect(Math.abs(Date.now() - (createdAt?.getTime() ?? 0))).toBeLessThan(60_000)
  })
})

describe("the store contract names the mistake of a store with old rows that", () => {
  // They come last. The others would take a second each, and pass.
  const casesAboutOldRows = (cases: readonly UserStoreCase[]) => cases.slice(-11)
  const failuresOf = async (cases: readonly UserStoreCase[], says: RegExp) => {
    for (const { run } of cases) {
      const message = await run().then(
        () => "",
        (error: Error) => error.message,
      )
      if (says.test(message)) return message
    }
    return "no case fails so"
  }

  describe("on the real PostgreSQL", () => {
    let schema: TestSchema
    beforeAll(async () => {
      schema = await createTestSchema()
    })
    afterAll(() => schema?.drop())

    it.each(unownedMistakesOnPostgres)("$mistake", async one => {
      const store = postgresStoreWith(schema.pool, one)
      const cases = userStoreContract(() => store, { unownedRow: (_, names) => addUnowned(schema.pool, names) })
      expect(await failuresOf(casesAboutOldRows(cases), one.says)).toMatch(one.says)
    })
  })

  describe("on the real MariaDB", () => {
    let place: Place
    let store: OpenedStore
    let pool: ReturnType<typeof createMariaDbPool>
    beforeAll(async () => {
      place = await places.MariaDB()
      store = await storeKinds.mysql2(place.env)
      pool = createMariaDbPool(place.env.MARIADB_URL ?? "")
    })
    afterAll(async () => {
      await pool?.end()
      await store?.close()
      await place?.remove()
    })

    it.each(unownedMistakesOnMariaDb)("$mistake", async one => {
      const wrong = mariaDbStoreWith(pool, one)
      const cases = userStoreContract(() => wrong, { unownedRow: (_, names) => place.addUnowned(names) })
      expect(await failuresOf(casesAboutOldRows(cases), one.says)).toMatch(one.says)
    })
  })
})

describe("the stores of SQLite and MariaDB", () => {
  it.each([
    ["node:sqlite", "SQLite"],
    ["mysql2", "MariaDB"],
  ] as const)("give the rows that the PostgreSQL store gives: %s", async (kind, server) => {
    const place = await places[server]()
    const store = await storeKinds[kind](place.env)
    const row = await store.userStore.saveUser({ ...nobody, emailVerified: true }, { plan: "pro" })
    expect(row).toEqual({
      id: expect.stringMatching(/^\d+$/),
      issuer: nobody.issuer,
      subject: "nobody",
      username: null,
      email: null,
      email_verified: true,
      first_name: null,
      last_name: null,
      custom: {},
      custom_as_of: nobody.asOf,
      as_of: nobody.asOf,
      plan: "pro",
      created_at: expect.any(Date),
    })
    await store.close()
    await place.remove()
  })
})

const nobody: UserProfile = {
  issuer: "https://sso.example/realms/nobody",
  subject: "nobody",
  username: null,
  email: null,
  emailVerified: false,
  firstName: null,
  lastName: null,
  custom: {},
  asOf: new Date("2026-01-01T10:00:00.250Z"),
}
