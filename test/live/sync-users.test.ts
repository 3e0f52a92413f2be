import { execFile } from "node:child_process"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import type { Row } from "../../examples/stores/row.ts"
import {
  createGate,
  type Gate,
  type SyncedPage,
  type SyncProgress,
  syncUsers,
  type UserStore,
} from "../../src/index.js"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { createAdmin } from "./keycloak/admin.ts"
import { changedShop, type TestClient } from "./realms.ts"

const realm = "shop-sync"
const users = `/realms/${realm}/users`
const people = Array.from({ length: 430 }, (_, index) => `p${String(index).padStart(4, "0")}`)

// One login for all of them: each one costs a password hash.
const { adminFetch, deleteRealm } = createAdmin(inject("keycloak"))

let shop: TestClient
let schema: TestSchema
let store: UserStore<Row>
let gate: Gate<Row>

beforeAll(async () => {
  shop = await changedShop(realm, ({ users: all }) => {
    for (const [index, username] of people.entries()) all.push(account(username, index % 50 !== 0))
  })
})
afterAll(() => deleteRealm(realm))

beforeEach(async () => {
  schema = await createTestSchema()
  store = createPostgresStore(schema.pool)
  gate = createGate({ ...shop, userStore: store, timeoutMs: 20_000 })
})
afterEach(async () => {
  gate.close()
  await schema.drop()
})

function account(username: string, enabled = true) {
  return { username, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace", enabled }
}
async function create(username: string): Promise<string> {
  const { location } = await adminFetch("POST", users, account(username))
  return location?.split("/").at(-1) ?? ""
}
const remove = (id: string) => adminFetch("DELETE", `${users}/${id}`)
async function idOf(username: string): Promise<string> {
  const { body } = await adminFetch("GET", `${users}?exact=true&username=${username}`)
  return (body as { id: string }[])[0]?.id ?? ""
}
const rows = async () => (await schema.pool.query<Row>("SELECT * FROM app_user ORDER BY username")).rows
const names = async () => (await rows()).map(({ username }) => username)
const issuer = () => `${shop.serverUrl}/realms/${realm}`

async function pagesOf(run: AsyncIterable<SyncedPage<Row>>): Promise<SyncedPage<Row>[]> {
  const pages: SyncedPage<Row>[] = []
  for await (const page of run) pages.push(page)
  return pages
}

describe("syncUsers on the real server, into PostgreSQL", () => {
  it("makes a row of every account, the disabled ones included, and of no service account", async () => {
    const pages = await pagesOf(syncUsers(gate))
    expect(await names()).toEqual(["edith", ...people])
    const saved = pages.flatMap(page => page.users)
    expect(saved).toHaveLength(people.length + 1)
    expect(saved.find(({ username }) => username === "p0003")).toMatchObject({
      issuer: issuer(),
      subject: await idOf("p0003"),
      email: "p0003@example.test",
      email_verified: false,
      first_name: "Ada",
      last_name: "Lovelace",
    })
    expect(pages.at(-1)?.cursor).toBeNull()
  })

  it("is a whole run when it is awaited, and tells how far it has come", async () => {
    const told: SyncProgress[] = []
    const done = await syncUsers(gate, { onProgress: progress => told.push(progress) })
    expect(done).toEqual({ phase: "accounts", saved: 431, total: 431, checked: 0, missing: 0, cursor: null })
    expect(told.map(({ saved }) => saved)).toEqual([200, 390, 431])
    expect(told.at(-1)).toEqual(done)
  })

  it("gives the same rows when it runs again, and the application's own data stays", async () => {
    await syncUsers(gate)
    await schema.pool.query("UPDATE app_user SET plan = 'pro'")
    const before = await rows()
    await syncUsers(gate)
    const after = await rows()
    const undated = (all: readonly Row[]) => all.map(({ as_of: _, custom_as_of: __, ...row }) => row)
    expect(undated(after)).toEqual(undated(before))
  })

  it("updates a row whose account was changed since its last token, and the next token is right again", async () => {
    const edith = { username: "edith", password: "Edith-2026!" }
    const { accessToken } = await gate.loginWithPassword(edith)
    const { subject } = await gate.verifyBearer(`Bearer ${accessToken}`, {})
    const original = (await adminFetch("GET", `${users}/${subject}`)).body as object
    await adminFetch("PUT", `${users}/${subject}`, { ...original, lastName: "Renamed" })
    await syncUsers(gate)
    expect(await store.findUser({ issuer: issuer(), subject })).toMatchObject({ last_name: "Renamed" })
    await adminFetch("PUT", `${users}/${subject}`, original)
    await delay(1000 - (Date.now() % 1000)) // a token of the same second would count as older than the listing
    const later = await gate.loginWithPassword(edith)
    const principal = await gate.verifyBearer(`Bearer ${later.accessToken}`, {})
    expect(principal.user).toMatchObject({ last_name: "Editor" })
  })

  it("overwrites nothing that a later token told", async () => {
    const id = await idOf("p0005")
    const profile = {
      issuer: issuer(),
      subject: id,
      username: "later",
      email: null,
      firstName: null,
      lastName: null,
      custom: {},
    }
    await store.saveUser({ ...profile, emailVerified: true, asOf: new Date(Date.now() + 60_000) })
    await syncUsers(gate)
    expect(await store.findUser(profile)).toMatchObject({ username: "later", email_verified: true })
  })

  it("takes with `since` only who was created after it, and no service account", async () => {
    const done = await syncUsers(gate, { since: new Date(Date.now() + 3_600_000) })
    expect(done).toMatchObject({ saved: 0, total: 0 })
    expect(await syncUsers(gate, { since: new Date(0) })).toMatchObject({ saved: 431, total: 431 })
    expect((await names()).filter(name => name?.startsWith("service-account"))).toEqual([])
  })

  it("needs `view-users` only", async () => {
    const viewing = await changedShop("shop-sync-view", ({ users: [service] }) => {
      if (service !== undefined) service.clientRoles = { "realm-management": ["view-users"] }
    })
    const done = await syncUsers(createGate({ ...viewing, userStore: store }), { onMissing: "report" })
    expect(done).toMatchObject({ saved: 1, checked: 1, missing: 0 })
    await deleteRealm("shop-sync-view")
  })

  it("says so when the service account may not see accounts, to which Keycloak lists nobody", async () => {
    const blind = await changedShop("shop-sync-blind", ({ users: [service] }) => {
      if (service !== undefined) service.clientRoles = { "realm-management": ["query-users"] }
    })
    await expect(syncUsers(createGate({ ...blind, userStore: store }))).rejects.toMatchObject({
      code: "keycloak_refused_us",
    })
    await deleteRealm("shop-sync-blind")
  })
})

describe("the example with a progress bar", () => {
  it("fills the table, and removes the row whose account is gone", async () => {
    await store.saveUser({ ...nobody, issuer: issuer(), subject: "somebody of before" })
    const program = join(import.meta.dirname, "../../examples/sync-users.ts")
    const client = {
      KEYCLOAK_REALM: shop.realm,
      KEYCLOAK_CLIENT_ID: shop.clientId,
      KEYCLOAK_CLIENT_SECRET: shop.clientSecret,
    }
    const env = { ...process.env, ...client, KEYCLOAK_URL: shop.serverUrl, PG_URL: schema.url }
    const { stdout } = await promisify(execFile)(process.execPath, [program, "--remove"], { env })
    expect(stdout).toBe("431 rows in PostgreSQL; 1 rows removed.\n")
    expect(await names()).toEqual(["edith", ...people])
  })
})

describe("syncUsers beside live traffic", () => {
  it("misses nobody when accounts before its place are deleted while it reads", async () => {
    const guests = await Promise.all(Array.from({ length: 12 }, (_, index) => create(`a-guest-${index}`)))
    for await (const { users: saved } of syncUsers(gate)) {
      if (saved.some(({ username }) => username === "a-guest-0")) await Promise.all(guests.map(remove))
    }
    const found = new Set(await names())
    expect(people.filter(name => !found.has(name))).toEqual([])
  })

  it("leaves a row with an account alone that was created or renamed while it read", async () => {
    const created: string[] = []
    for await (const { phase } of syncUsers(gate, { onMissing: "remove" })) {
      if (phase === "rows" || created.length > 0) continue
      const id = await create("a-newcomer")
      created.push(id)
      await store.saveUser({ ...nobody, issuer: issuer(), subject: id })
    }
    expect(await store.findUser({ issuer: issuer(), subject: created[0] ?? "" })).not.toBeNull()
    await remove(created[0] ?? "")
  })
})

const nobody = {
  username: null,
  email: null,
  emailVerified: false,
  firstName: null,
  lastName: null,
  custom: {},
  asOf: new Date(0),
}

describe("syncUsers with onMissing", () => {
  const gone = async () => {
    const id = await create("leaver")
    await store.saveUser({ ...nobody, issuer: issuer(), subject: id })
    await store.saveUser({ ...nobody, issuer: "https://other.example/realms/shop", subject: id })
    await remove(id)
    return { issuer: issuer(), subject: id }
  }

  it("reports whose account is gone, and leaves the row", async () => {
    const identity = await gone()
    const pages = await pagesOf(syncUsers(gate, { onMissing: "report" }))
    expect(pages.flatMap(({ missing }) => missing)).toEqual([identity])
    expect(await store.findUser(identity)).not.toBeNull()
  })

  it("removes the row whose account is gone, and no other, not even of the same subject at another issuer", async () => {
    const identity = await gone()
    const done = await syncUsers(gate, { onMissing: "remove" })
    expect(done).toMatchObject({ phase: "rows", saved: 431, checked: 432, missing: 1, cursor: null })
    expect(await store.findUser(identity)).toBeNull()
    expect(await rows()).toHaveLength(432)
    expect(await syncUsers(gate, { onMissing: "remove" })).toMatchObject({ missing: 0 })
  })

  it("lets the application mark the row itself, and hands through what that throws", async () => {
    const identity = await gone()
    const mark = ({ subject }: { subject: string }) =>
      schema.pool.query("UPDATE app_user SET plan = 'left' WHERE subject = $1", [subject]).then(() => undefined)
    await syncUsers(gate, { onMissing: mark })
    expect(await store.findUser(identity)).toMatchObject({ plan: "left" })
    const failure = new Error("no such column")
    await expect(syncUsers(gate, { onMissing: () => Promise.reject(failure) })).rejects.toBe(failure)
  })

  it("removes no service account's row, and none whose subject says nothing to Keycloak", async () => {
    const odd = ["count", "profile", "..", "with blanks", "a/b", "ü".repeat(900)]
    for (const subject of odd) await store.saveUser({ ...nobody, issuer: issuer(), subject })
    const service = await idOf("service-account-shop-api")
    await store.saveUser({ ...nobody, issuer: issuer(), subject: service })
    const pages = await pagesOf(syncUsers(gate, { since: new Date(Date.now() + 3_600_000), onMissing: "report" }))
    const missing = pages.flatMap(page => page.missing.map(({ subject }) => subject))
    expect(missing).not.toContain(service)
    expect(missing.toSorted()).toEqual(["a/b", "with blanks", "ü".repeat(900)].toSorted())
  })
})

describe("syncUsers that ends before its end", () => {
  it("goes on from the cursor of its last page, also when accounts were deleted in between", async () => {
    const guests = await Promise.all(Array.from({ length: 12 }, (_, index) => create(`a-guest-${index}`)))
    let cursor = ""
    for await (const page of syncUsers(gate)) {
      cursor = page.cursor ?? ""
      break
    }
    await Promise.all(guests.map(remove))
    await syncUsers(gate, { cursor })
    const found = new Set(await names())
    expect(people.filter(name => !found.has(name))).toEqual([])
  })
})
