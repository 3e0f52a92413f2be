import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import type { Row } from "../../examples/stores/row.ts"
import { createSqliteStore, sqliteTable } from "../../examples/stores/sqlite.ts"
import { memoryUserStore, type UserProfile } from "../../src/index.js"
import { type StoreUnderTest, storeFacts } from "../contracts/user-store.ts"
import { createTestSchema, type TestSchema } from "./postgres.ts"
import { saveInTwoProcesses } from "./two-processes.ts"

const rowReaders = {
  toProfile: ({ issuer, subject, username, email, email_verified, first_name, last_name, as_of }: Row): UserProfile => {
    const names = { username, email, firstName: first_name, lastName: last_name }
    return { issuer, subject, ...names, emailVerified: email_verified, asOf: as_of }
  },
  extraOf: ({ plan }: Row) => (plan === null ? null : { plan }),
}

let issuers = 0
const newIssuer = () => `https://sso.example/realms/${++issuers}`

describe("memoryUserStore", () => {
  const tested = {
    store: memoryUserStore(),
    toProfile: ({ extra: _, ...profile }: { extra: unknown } & UserProfile) => profile,
    extraOf: ({ extra }: { extra: unknown }) => extra,
  }
  it.each(storeFacts)("$fact", async ({ check }) => check(tested, newIssuer()))
})

describe("the PostgreSQL store, on the real server", () => {
  let schema: TestSchema
  let tested: StoreUnderTest<Row>

  beforeAll(async () => {
    schema = await createTestSchema()
    tested = { store: createPostgresStore(schema.pool), ...rowReaders }
  })
  afterAll(() => schema?.drop())

  it.each(storeFacts)("$fact", async ({ check }) => check(tested, newIssuer()))

  it("makes one row of 50 first requests at once over two processes", async () => {
    const issuer = newIssuer()
    const ids = await saveInTwoProcesses(issuer, { PG_URL: schema.url })
    const { rows } = await schema.pool.query<Row>("SELECT * FROM app_user WHERE issuer = $1", [issuer])
    expect(rows).toHaveLength(1)
    expect(ids).toEqual(Array(50).fill(rows[0]?.id))
  })

  it("gives a row its dates as dates", async () => {
    const before = Date.now()
    const asOf = new Date("2026-03-29T01:30:00.123Z") // an hour that many clocks skip
    const row = await tested.store.saveUser({ ...nobody, issuer: newIssuer(), asOf })
    expect(row.as_of).toEqual(asOf)
    expect(Math.abs(row.created_at.getTime() - before)).toBeLessThan(60_000)
  })
})

describe("the SQLite store", () => {
  const folder = mkdtempSync(join(tmpdir(), "gate-examples-"))
  const file = join(folder, "app.sqlite")
  const database = new DatabaseSync(file, { timeout: 5000 })
  database.exec(sqliteTable)
  const tested = { store: createSqliteStore(database), ...rowReaders }

  afterAll(() => {
    database.close()
    rmSync(folder, { recursive: true })
  })

  it.each(storeFacts)("$fact", async ({ check }) => check(tested, newIssuer()))

  it("makes one row of 50 first requests at once over two processes", async () => {
    const issuer = newIssuer()
    const ids = await saveInTwoProcesses(issuer, { PG_URL: "", SQLITE_FILE: file })
    const rows = database.prepare("SELECT * FROM app_user WHERE issuer = ?").all(issuer)
    expect(rows).toHaveLength(1)
    expect(ids).toEqual(Array(50).fill(String(rows[0]?.id)))
  })

  it("gives the rows that the PostgreSQL store gives", async () => {
    const profile = { ...nobody, issuer: newIssuer(), emailVerified: true }
    const row = await tested.store.saveUser(profile, { plan: "pro" })
    expect(row).toEqual({
      id: expect.stringMatching(/^\d+$/),
      issuer: profile.issuer,
      subject: "nobody",
      username: null,
      email: null,
      email_verified: true,
      first_name: null,
      last_name: null,
      as_of: profile.asOf,
      plan: "pro",
      created_at: expect.any(Date),
    })
  })
})

const nobody: UserProfile = {
  issuer: "",
  subject: "nobody",
  username: null,
  email: null,
  emailVerified: false,
  firstName: null,
  lastName: null,
  asOf: new Date("2026-01-01T10:00:00.250Z"),
}
