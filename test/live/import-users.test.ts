import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import type { Row } from "../../examples/stores/row.ts"
import {
  createGate,
  type Gate,
  type ImportedPerson,
  type ImportPerson,
  importUsers,
  parseDjangoHash,
  parsePhcHash,
} from "../../src/index.js"
import { describeClosedAccount } from "../contracts/closed-account.ts"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { djangoHashers, phcHashers } from "../support/old-hashes.ts"
import { makeOldRows, oldPassword, oldRows } from "../support/old-rows.ts"
import { chosenSeed, seededRandom } from "../support/seeded-random.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "import-users"
const kills = 10
const seed = chosenSeed()
const random = seededRandom(seed)
let client: TestClient
let schema: TestSchema
let gate: Gate<Row>

beforeAll(async () => {
  client = await changedShop(realm, () => undefined)
  schema = await createTestSchema()
  const userStore = createPostgresStore(schema.pool)
  gate = createGate({ ...client, userStore, revealAccountState: true, onEvent: () => undefined })
})
afterAll(async () => {
  await gate.close()
  await schema.drop()
  await adminFetch("DELETE", `/realms/${realm}`)
})

async function results<User>(run: AsyncIterable<ImportedPerson<User>>): Promise<readonly ImportedPerson<User>[]> {
  const all: ImportedPerson<User>[] = []
  for await (const one of run) all.push(one)
  return all
}

/** The row that a login with the old password leads to. */
async function rowAfterLogin(username: string, password = oldPassword): Promise<Row | null> {
  const { accessToken } = await gate.loginWithPassword({ username, password })
  return (await gate.verifyBearer(`Bearer ${accessToken}`, {})).user
}

async function keyOfNewRow(username: string | null): Promise<string> {
  const { rows } = await schema.pool.query("INSERT INTO app_user (username, plan) VALUES ($1, 'old') RETURNING id", [
    username,
  ])
  return rows[0].id
}

/** Everybody has one account, open, and one row, which is that account's. */
async function expectAllBroughtIn(prefix: string, names: readonly string[]): Promise<void> {
  const answer = await adminFetch("GET", `/realms/${realm}/users?username=${prefix}&max=${names.length + 10}`)
  const accounts = (await answer.json()) as {
    id: string
    username: string
    enabled: boolean
    requiredActions: string[]
  }[]
  expect(accounts.map(({ username }) => username).sort()).toEqual([...names].sort())
  expect(accounts.filter(({ enabled, requiredActions }) => !enabled || requiredActions.length > 0)).toEqual([])
  const { rows } = await schema.pool.query("SELECT username, subject FROM app_user WHERE username LIKE $1", [
    `${prefix}%`,
  ])
  const owners = new Map(accounts.map(({ id, username }) => [username, id]))
  expect(rows).toHaveLength(names.length)
  for (const { username, subject } of rows) expect([username, subject]).toEqual([username, owners.get(username)])
}

/** Another process that imports these rows. */
function startImport(prefix: string): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, "import-rows.ts"), prefix], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, CONNECTION: JSON.stringify(client), PG_URL: schema.url },
  })
}

async function told(child: ChildProcess): Promise<readonly { readonly outcome: string }[]> {
  const said: { outcome: string }[] = []
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream }))
    said.push(JSON.parse(line))
  return said
}

describe("a closed account", () => describeClosedAccount(() => client))

describe("importUsers", () => {
  it("brings in 300 people out of PostgreSQL", { timeout: 120_000 }, async () => {
    const names = await makeOldRows(schema.pool, "many-", 300)
    const counts = await importUsers(gate, oldRows(schema.pool, "many-"))
    expect(counts).toEqual({ created: 300, linked: 0, existing: 0, refused: 0 })
    await expectAllBroughtIn("many-", names)
    for (const username of names.slice(0, 5))
      expect(await rowAfterLogin(username)).toMatchObject({ plan: "old", username })
  })

  it.each([
    ...Object.entries(djangoHashers).map(
      ([name, hasher]) => [`Django's ${name}`, parseDjangoHash(hasher(oldPassword))] as const,
    ),
    ...Object.entries(phcHashers).map(([name, hasher]) => [name, parsePhcHash(hasher(oldPassword))] as const),
  ])("lets in whoever has a hash of %s, with the old password alone", async (name, password) => {
    const username = `hash-${name.toLowerCase().replace(/\W/g, "-")}`
    const person = { key: await keyOfNewRow(username), username, email: `${username}@example.test`, password }
    const names = { firstName: "Ada", lastName: "Lovelace" }
    expect(await results(importUsers(gate, [{ ...person, ...names }]))).toMatchObject([
      { outcome: "created", fields: [] },
    ])
    await expect(rowAfterLogin(username, `${oldPassword}!`)).rejects.toMatchObject({ code: "invalid_credentials" })
    expect(await rowAfterLogin(username)).toMatchObject({ id: person.key, plan: "old", username })
    expect(await rowAfterLogin(username)).toMatchObject({ id: person.key })
  })

  it("leaves nobody behind and nobody twice, killed at ten random moments", { timeout: 120_000 }, async () => {
    console.log(`${kills} kills, SEED=${seed}`)
    const names = await makeOldRows(schema.pool, "killed-", 300)
    let closed = 0
    for (let kill = 0; kill < kills; kill++) {
      const child = startImport("killed-")
      let left = 1 + Math.floor(random() * 10)
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", () => {
        left -= 1
        if (left === 0) void delay(Math.floor(random() * 15)).then(() => child.kill("SIGKILL"))
      })
      expect(await once(child, "close")).toEqual([null, "SIGKILL"])
      const answer = await adminFetch("GET", `/realms/${realm}/users?username=killed-&enabled=false&max=400`)
      closed += ((await answer.json()) as unknown[]).length
    }
    // Else nobody was cut off in the middle.
    expect(closed).toBeGreaterThan(0)
    expect(await importUsers(gate, oldRows(schema.pool, "killed-"))).toMatchObject({ refused: 0 })
    await expectAllBroughtIn("killed-", names)
    for (const username of names.slice(0, 3)) expect(await rowAfterLogin(username)).toMatchObject({ plan: "old" })
  })

  it("makes one account for each where two processes import at once", { timeout: 60_000 }, async () => {
    const names = await makeOldRows(schema.pool, "twice-", 60)
    const said = (await Promise.all([told(startImport("twice-")), told(startImport("twice-"))])).flat()
    expect(said.filter(({ outcome }) => outcome === "refused")).toEqual([])
    expect(said.filter(({ outcome }) => outcome === "created")).toHaveLength(60)
    await expectAllBroughtIn("twice-", names)
  })

  it("leaves a stranger the row of his own who has registered a name of the table", async () => {
    const stranger = { username: "root", email: "stranger@example.test", password: "Stranger-2026!" }
    await gate.registerUser({ ...stranger, firstName: "S", lastName: "T" }, { plan: "free" })
    const person = { key: await keyOfNewRow("root"), username: "Root", firstName: "Old", lastName: "Root" }
    expect(await results(importUsers(gate, [person]))).toMatchObject([
      { key: person.key, outcome: "refused", code: "user_exists", fields: [{ field: "username" }] },
    ])
    const row = await rowAfterLogin("root", stranger.password)
    expect(row).toMatchObject({ plan: "free" })
    expect(row?.id).not.toBe(person.key)
  })

  it("never gives two rows one account whose names differ in the letters' case alone", async () => {
    const names = {
      firstName: "Ada",
      lastName: "Lovelace",
      password: parseDjangoHash(djangoHashers.argon2?.(oldPassword)),
    }
    const [large, small]: ImportPerson[] = [
      { ...names, key: await keyOfNewRow("Ada"), username: "Ada" },
      { ...names, key: await keyOfNewRow("ada"), username: "ada" },
    ]
    const all = await results(importUsers(gate, [large as ImportPerson, small as ImportPerson]))
    expect(all.map(({ outcome }) => outcome).sort()).toEqual(["created", "refused"])
    expect(all.find(({ outcome }) => outcome === "refused")).toMatchObject({ code: "name_shared" })
  })

  it("lets somebody without a password in after a new one was set, and not before", async () => {
    const person = { username: "grace", email: "grace@example.test", firstName: "Grace", lastName: "Hopper" }
    const [one] = await results(
      importUsers(gate, [{ ...person, key: await keyOfNewRow("grace"), password: parseDjangoHash("!x") }]),
    )
    if (one === undefined || one.outcome === "refused" || one.subject === null) throw new Error("not created")
    const account = (await (await adminFetch("GET", `/realms/${realm}/users/${one.subject}`)).json()) as object
    expect(account).toMatchObject({ enabled: true, requiredActions: ["UPDATE_PASSWORD"] })
    await expect(rowAfterLogin("grace", "x")).rejects.toMatchObject({ code: "invalid_credentials" })
    await gate.setPassword(one.subject, "Grace-of-2026!")
    expect(await rowAfterLogin("grace", "Grace-of-2026!")).toMatchObject({ plan: "old" })
  })

  it("tells who lacks what the realm asks for, and whom its rules refuse", async () => {
    const bare = { key: await keyOfNewRow("lonely"), username: "lonely", email: "" }
    const short = { key: await keyOfNewRow("ab"), username: "ab", email: "ab@example.test" }
    const group = { key: await keyOfNewRow("grouped"), username: "grouped", groups: ["/nobody"] }
    const all = await results(importUsers(gate, [bare, short, group], { concurrency: 1 }))
    expect(all.map(({ code, outcome }) => code ?? outcome)).toEqual(["created", "account_rejected", "group_unknown"])
    expect(all[0]?.fields.map(({ field }) => field)).toEqual(["email", "firstName", "lastName"])
    expect(all[1]?.fields).toEqual([{ field: "username", rule: "error-invalid-length", params: [3, 255] }])
  })
})
