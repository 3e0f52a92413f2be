import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { createDjangoLegacyLogin } from "../../examples/django/legacy-login.ts"
import { createDjangoStore, type DjangoUser } from "../../examples/django/store.ts"
import { createGate, type Gate, importUsers, linkUsers, optionsFromEnv, parseDjangoHash } from "../../src/index.js"
import { createDjangoTable, type DjangoTable } from "../examples/django-table.ts"
import { runCommand } from "./keycloak/run-command.ts"
import { adminFetch, changedShop } from "./realms.ts"

const realm = "gate-django"
const program = join(import.meta.dirname, "../../examples/django/first-login.ts")
const password = "Lovelace-1815"

// Written by Django 5.2, each of `password`.
const hashes = {
  pbkdf2: "pbkdf2_sha256$1000000$rJr883277nWErulNgPyr1z$T54fjjQhuchkqLXSK1znLIOOqJlNMWIu/ZTTnOZXy/A=",
  old: "pbkdf2_sha256$36000$Zq1hN0gH0mQk1y2fXc3vUa$DCvjDB3KNChcua11Vs1ln5pRs87/bITej1ciIU8xD9E=",
  sha1: "pbkdf2_sha1$1000000$RsozuJpc5MF6bWcOlUGMmk$wGeJWeEa82K2oJ8TGHyI06MYPks=",
  scrypt:
    "scrypt$16384$xVM3zplXw5jWGNFTwlz496$8$5$1Bk89UE401y7CYYj/AJxY5rDwLQFZ7RULHjLXjX6qlvPu172XcDXXJ5cvpSoGddldw6gc9xq+cu0xGMN7YCu6Q==",
  unusable: "!sjHYh8AXbeySKsuoon6wYfoPVn861DRjyM6kItds",
}
const named = (username: string, hash: keyof typeof hashes) => {
  const email = `${username}@Shop.example`
  return { username, email, firstName: "Ada", lastName: "Lovelace", password: hashes[hash] }
}
// In the order of their keys, which begin at 1.
const people = [
  named("Ada", "old"),
  named("grace", "pbkdf2"),
  named("Vera", "sha1"),
  named("Radia", "scrypt"),
  named("hedy", "unusable"),
  { ...named("locked", "pbkdf2"), isActive: false },
  { username: "nameless", password: hashes.old },
  named("Barbara", "scrypt"),
]

let table: DjangoTable
let env: Record<string, string>
let gate: Gate<DjangoUser>
beforeAll(async () => {
  const { serverUrl, clientId, clientSecret } = await changedShop(realm, () => undefined)
  table = await createDjangoTable(people)
  env = {
    // As the settings of mozilla-django-oidc name them.
    OIDC_OP_TOKEN_ENDPOINT: `${serverUrl}/realms/${realm}/protocol/openid-connect/token`,
    OIDC_RP_CLIENT_ID: clientId,
    OIDC_RP_CLIENT_SECRET: clientSecret,
    DATABASE_URL: table.url,
    ADAS_OLD_PASSWORD: password,
  }
  gate = createGate({
    ...optionsFromEnv(env),
    timeoutMs: 60_000,
    userStore: createDjangoStore(table.pool),
    onEvent: () => undefined,
  })
})
afterAll(async () => {
  await gate?.close()
  await table?.drop()
  await adminFetch("DELETE", `/realms/${realm}`)
})

async function rowOf(username: string): Promise<DjangoUser | null> {
  const { accessToken } = await gate.loginWithPassword({ username, password })
  return (await gate.verifyBearer(`Bearer ${accessToken}`, {})).user
}

async function run(): Promise<{ results: readonly string[]; row: unknown }> {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const { code, output } = await runCommand("env", [...settings, process.execPath, program], 120)
  const lines = output.trim().split("\n")
  expect([code, output]).toEqual([0, expect.stringMatching(/\}\n$/)])
  return { results: lines.slice(0, -1), row: JSON.parse(lines.at(-1) ?? "") }
}

describe("an application that comes from Django, on the real server and PostgreSQL", () => {
  it("needs fewer than 20 lines from its table and settings to the first login with an old password", async () => {
    const lines = readFileSync(program, "utf8")
      .split("\n")
      .filter(line => line.trim() !== "")
    expect(lines.length).toBeLessThan(20)
    const { results, row } = await run()
    expect(results.toSorted()).toEqual([
      "1 created null",
      "2 created null",
      "3 created null",
      "4 refused hash_unreadable",
      "5 created null",
      "6 created null",
      "7 created null",
      "8 refused hash_unreadable",
    ])
    expect(row).toMatchObject({ id: 1, username: "ada", email: "ada@shop.example", is_active: true })
    expect(row).not.toHaveProperty("password")
  })

  it("does nothing twice when it is run again", async () => {
    const { results, row } = await run()
    expect(results.toSorted()).toEqual(["4 refused hash_unreadable", "8 refused hash_unreadable"])
    expect(row).toMatchObject({ id: 1 })
  })

  it.each([
    ["grace", 2],
    ["vera", 3],
  ])("gives %s the old row for the old password", async (username, id) => {
    expect(await rowOf(username)).toMatchObject({ id, username })
  })

  it.each(["hedy", "locked", "nameless"])("does not let %s in before what is missing is there", async username => {
    await expect(rowOf(username)).rejects.toMatchObject({ code: "invalid_credentials" })
  })

  it("moves whoever has a hash that Keycloak can't read at the first login, and asks Django's table no more then", async () => {
    const verify = vi.fn(createDjangoLegacyLogin(table.pool).verify)
    const options = { ...optionsFromEnv(env), timeoutMs: 60_000, userStore: createDjangoStore(table.pool) }
    const moving = createGate({ ...options, legacyLogin: { verify }, onEvent: () => undefined })
    for (const [username, wrong] of [
      ["barbara", "wrong"],
      ["unknown", password],
      ["locked", password],
    ] as const) {
      const login = moving.loginWithPassword({ username, password: wrong })
      await expect(login).rejects.toMatchObject({ code: "invalid_credentials" })
    }
    await moving.loginWithPassword({ username: "Barbara", password })
    const asked = verify.mock.calls.length
    await moving.close()
    expect(await rowOf("barbara")).toMatchObject({ id: 8, username: "barbara" })
    expect(asked).toBe(3)
  })

  it("ties a row to the account that its owner has already, by the e-mail that Keycloak has verified", async () => {
    const names = { firstName: "Ida", lastName: "Rhodes" }
    const account = { username: "ida.rhodes", email: "ida@shop.example", ...names }
    const made = {
      ...account,
      enabled: true,
      emailVerified: true,
      credentials: [{ type: "password", value: password }],
    }
    await adminFetch("POST", `/realms/${realm}/users`, made)
    // As mozilla-django-oidc names its rows.
    const id = await table.add({ username: "aUxVZ3lzT0pMV3Zq", email: "Ida@Shop.example" })
    const until = new Date()
    expect(await linkUsers(gate, { by: "email", until })).toMatchObject({ linked: 1, ambiguous: 0 })
    expect(await rowOf("ida.rhodes")).toMatchObject({ id, username: "ida.rhodes", email: "ida@shop.example" })
  })

  it("gives whoever registers an old name a row of their own, and leaves the old row to its owner", async () => {
    const names = { username: "radia", email: "radia@shop.example", firstName: "Not", lastName: "Radia" }
    const { user } = await gate.registerUser({ ...names, password: "Stranger-2026!" })
    expect(user.id).toBeGreaterThan(people.length)
    const { rows } = await table.pool.query("SELECT username, subject FROM auth_user WHERE id = 4")
    expect(rows).toEqual([{ username: "Radia", subject: null }])
    const radia = { key: 4, username: "Radia", email: "radia@shop.example", password: parseDjangoHash(hashes.old) }
    expect(await importUsers(gate, [radia])).toMatchObject({ refused: 1 })
  })
})
