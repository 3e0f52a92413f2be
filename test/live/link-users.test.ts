import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import type { Row } from "../../examples/stores/row.ts"
import { createGate, type Gate, importUsers, linkUsers } from "../../src/index.js"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { adminFetch, changedShop } from "./realms.ts"

const realm = "link-users"
const password = "Passw0rd!"
/** Since then, people register by themselves. */
const until = new Date("2026-11-01T00:00:00Z")
const before = until.getTime() - 86_400_000
let schema: TestSchema
let gate: Gate<Row>

interface OldAccount {
  readonly username: string
  readonly email?: string
  readonly emailVerified?: boolean
  readonly createdTimestamp?: number
}

beforeAll(async () => {
  const client = await changedShop(realm, file => {
    file.duplicateEmailsAllowed = true
    file.loginWithEmailAllowed = false
  })
  schema = await createTestSchema()
  gate = createGate({ ...client, userStore: createPostgresStore(schema.pool), onEvent: () => undefined })
})
afterAll(async () => {
  await gate.close()
  await schema.drop()
  await adminFetch("DELETE", `/realms/${realm}`)
})

/** Accounts as an administrator has made them one day. */
async function makeAccounts(accounts: readonly OldAccount[]): Promise<void> {
  const credentials = [{ type: "password", value: password }]
  const users = accounts.map(account => ({
    ...{ enabled: true, firstName: "Ada", lastName: "L", createdTimestamp: before, credentials },
    ...{ email: `${account.username}@example.test`, emailVerified: true, ...account },
  }))
  const answer = await adminFetch("POST", `/realms/${realm}/partialImport`, { ifResourceExists: "FAIL", users })
  if (answer.status !== 200) throw new Error(`partialImport: ${answer.status}`)
}

async function makeRows(names: readonly string[], email: (name: string) => string | null = () => null): Promise<void> {
  await schema.pool.query(
    "INSERT INTO app_user (username, email, plan) SELECT name, email, 'old' FROM unnest($1::text[], $2::text[]) AS old (name, email)",
    [names, names.map(email)],
  )
}

async function subjectOf(username: string): Promise<string> {
  const answer = await adminFetch("GET", `/realms/${realm}/users?exact=true&username=${username}`)
  const [account] = (await answer.json()) as { id: string }[]
  return account?.id ?? ""
}

async function rowsNamed(like: string): Promise<readonly { username: string; subject: string | null; plan: string }[]> {
  const { rows } = await schema.pool.query("SELECT username, subject, plan FROM app_user WHERE username ILIKE $1", [
    like,
  ])
  return rows
}

async function rowAfterLogin(username: string, secret = password): Promise<Row | null> {
  const { accessToken } = await gate.loginWithPassword({ username, password: secret })
  return (await gate.verifyBearer(`Bearer ${accessToken}`, {})).user
}

describe("linkUsers", () => {
  it("ties rows to accounts beside registrations and first requests, and no row twice", {
    timeout: 120_000,
  }, async () => {
    const names = Array.from({ length: 60 }, (_, index) => `Legacy-${index}`)
    await makeAccounts(names.map(name => ({ username: name.toLowerCase() })))
    await makeRows([...names, "root"])
    const stranger = { username: "root", email: "stranger@example.test", firstName: "S", lastName: "T" }
    const early = names.filter((_, index) => index % 10 === 0)
    const [counts] = await Promise.all([
      linkUsers(gate, { by: "username", until }),
      linkUsers(gate, { by: "username", until }),
      gate.registerUser({ ...stranger, password: "Stranger-2026!" }, { plan: "free" }),
      ...early.map(name => rowAfterLogin(name)),
    ])
    expect(counts).toMatchObject({ ambiguous: 0 })
    // Whoever was quicker than the run has an empty row; nobody has two, and nobody has another one's.
    const rows = await rowsNamed("legacy-%")
    const subjects = new Map(
      await Promise.all(names.map(async name => [name.toLowerCase(), await subjectOf(name)] as const)),
    )
    const tied = rows.filter(({ subject }) => subject !== null)
    for (const { username, subject } of tied) expect(subject).toBe(subjects.get(username))
    expect(new Set(tied.map(({ subject }) => subject)).size).toBe(60)
    expect(tied).toHaveLength(60)
    expect(tied.filter(({ plan }) => plan === "old").length).toBeGreaterThanOrEqual(60 - early.length)
    const row = await rowAfterLogin("root", "Stranger-2026!")
    expect(row).toMatchObject({ plan: "free" })
    expect(await linkUsers(gate, { by: "username", until })).toMatchObject({ linked: 0, alreadyLinked: 60 })
    // The row of old is still nobody's, and an import names it.
    const { rows: old } = await schema.pool.query("SELECT id FROM app_user WHERE username = 'root' AND subject IS NULL")
    const person = { key: old[0].id, username: "root", firstName: "Old", lastName: "Root" }
    for await (const one of importUsers(gate, [person]))
      expect(one).toMatchObject({ key: person.key, code: "user_exists" })
    expect(await rowAfterLogin("root", "Stranger-2026!")).toMatchObject({ id: row?.id, plan: "free" })
  })

  it("leads people to their rows of old at the next login", async () => {
    await makeAccounts([{ username: "grace" }, { username: "late", createdTimestamp: until.getTime() }])
    await makeRows(["GRACE", "late"])
    expect(await linkUsers(gate, { by: "username", until, dryRun: true })).toMatchObject({ linked: 1 })
    expect(await linkUsers(gate, { by: "username", until })).toMatchObject({ linked: 1 })
    expect(await rowAfterLogin("grace")).toMatchObject({ plan: "old", username: "grace" })
    expect(await rowAfterLogin("late")).toMatchObject({ plan: null })
  })

  it("goes by verified e-mails that one account alone has", async () => {
    await makeAccounts([
      { username: "mail-1", email: "one@example.test" },
      { username: "mail-2", email: "two@example.test", emailVerified: false },
      { username: "mail-3", email: "three@example.test" },
      { username: "mail-4", email: "three@example.test" },
      { username: "mail-5", email: "five@example.test" },
    ])
    const emails = [
      "One@example.test",
      "two@example.test",
      "three@example.test",
      "five@example.test",
      "FIVE@example.test",
    ]
    await makeRows(
      emails.map((_, index) => `row-${index}`),
      name => emails[Number(name.split("-")[1])] ?? null,
    )
    expect(await linkUsers(gate, { by: "email", until })).toMatchObject({ linked: 1, ambiguous: 3 })
    expect(await rowAfterLogin("mail-1")).toMatchObject({ plan: "old", email: "one@example.test" })
    expect((await rowsNamed("row-%")).filter(({ subject }) => subject !== null)).toEqual([])
  })
})
