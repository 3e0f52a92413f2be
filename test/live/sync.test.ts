import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import { createUniquePostgresStore, type UniqueRow } from "../../examples/stores/postgres-unique.ts"
import type { Row } from "../../examples/stores/row.ts"
import { recallBy } from "../../src/gate-internals.js"
import { cachedUserStore, createGate, type Gate, type UserStore } from "../../src/index.js"
import { createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { createAdmin } from "./keycloak/admin.ts"
import { changedShop, type TestClient } from "./realms.ts"

const realm = "shop-rows"
const password = "Ada-2026!"
const { adminFetch, deleteRealm } = createAdmin(inject("keycloak"))

let shop: TestClient
beforeAll(async () => {
  shop = await changedShop(realm, settings => {
    Object.assign(settings, {
      editUsernameAllowed: true,
      passwordPolicy: "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
    })
  })
})
afterAll(() => deleteRealm(realm))

async function create(username: string, email = `${username}@example.test`): Promise<string> {
  const credentials = [{ type: "password", value: password }]
  const account = { username, email, firstName: "Ada", lastName: "Lovelace", enabled: true, credentials }
  const { location } = await adminFetch("POST", `/realms/${realm}/users`, account)
  return location?.split("/").at(-1) ?? ""
}
async function change(id: string, changes: object): Promise<void> {
  const { body } = await adminFetch("GET", `/realms/${realm}/users/${id}`)
  await adminFetch("PUT", `/realms/${realm}/users/${id}`, { ...(body as object), ...changes })
}
const remove = (id: string) => adminFetch("DELETE", `/realms/${realm}/users/${id}`)

describe.each([
  ["attributes that are not unique", "postgres.sql", createPostgresStore],
  ["unique attributes and a parking rule", "postgres-unique.sql", createUniquePostgresStore],
] as const)("rows on the real server, in PostgreSQL with %s", (_, table, createStore) => {
  let schema: TestSchema
  let store: UserStore<Row>
  let gate: ReturnType<typeof createGate<Row>>
  beforeAll(async () => {
    schema = await createTestSchema(table)
    store = createStore(schema.pool)
    gate = createGate({ ...shop, userStore: store, timeoutMs: 20_000 })
  })
  afterAll(async () => {
    gate.close()
    await schema.drop()
  })

  const issuer = () => `${shop.serverUrl}/realms/${realm}`
  const rowOf = (subject: string) => store.findUser({ issuer: issuer(), subject })
  async function bearerOf(username: string): Promise<string> {
    return `Bearer ${(await gate.loginWithPassword({ username, password })).accessToken}`
  }
  /** A request with a token of this moment: the row that it gets. */
  async function request(username: string): Promise<Row> {
    const { user } = await gate.verifyBearer(await bearerOf(username), {})
    if (user === null) throw new Error("a person has a row")
    return user
  }
  async function rowsLike(start: string): Promise<Row[]> {
    const rows = await schema.pool.query<Row & Partial<UniqueRow>>("SELECT * FROM app_user")
    return rows.rows.filter(({ username, told_username = username }) => told_username?.startsWith(start))
  }

  it("appear at the first request of an account that was made elsewhere", async () => {
    const subject = await create("elsewhere")
    expect(await rowOf(subject)).toBeNull()
    const row = await request("elsewhere")
    expect(row).toMatchObject({ issuer: issuer(), subject, username: "elsewhere", email: "elsewhere@example.test" })
    expect(await rowOf(subject)).toEqual(row)
    await remove(subject)
  })

  it("follow a changed e-mail and name with the next token, under the same key", async () => {
    const subject = await create("changing")
    const before = await request("changing")
    const changes = { email: "changed@example.test", emailVerified: true, firstName: "Augusta", lastName: "King" }
    await change(subject, changes)
    const names = { email: "changed@example.test", email_verified: true, first_name: "Augusta", last_name: "King" }
    await expect.poll(() => request("changing"), { interval: 500 }).toMatchObject(names)
    expect((await rowOf(subject))?.id).toBe(before.id)
    await remove(subject)
  })

  it("are one of 50 first requests at once over two processes", async () => {
    const subject = await create("crowd")
    const env = {
      ...process.env,
      GATE: JSON.stringify(shop),
      PG_URL: schema.url,
      AUTHORIZATION: await bearerOf("crowd"),
    }
    const children = [1, 2].map(() => fork(join(import.meta.dirname, "first-requests.ts"), [table, "25"], { env }))
    await Promise.all(children.map(messageOf))
    const answers = children.map(messageOf)
    for (const child of children) child.send("go")
    const ids = (await Promise.all(answers)).flat()
    const rows = await rowsLike("crowd")
    expect(rows).toHaveLength(1)
    expect(ids).toEqual(Array(50).fill(rows[0]?.id))
    await remove(subject)
  })

  it("stay apart when an account is deleted and made again with its username and e-mail", async () => {
    const first = await create("again")
    const oldBearer = await bearerOf("again")
    const old = (await gate.verifyBearer(oldBearer, {})).user
    await schema.pool.query("UPDATE app_user SET plan = 'secret' WHERE subject = $1", [first])
    await remove(first)
    const second = await create("again")
    const row = await request("again")
    expect(row).toMatchObject({ subject: second, username: "again", plan: null })
    expect(row.id).not.toBe(old?.id)
    expect(await rowOf(first)).toMatchObject({ id: old?.id, plan: "secret", as_of: old?.as_of })
    expect((await request("again")).id).toBe(row.id)
    await remove(second)
  })

  it("keep apart two accounts that swap their usernames and e-mails", async () => {
    const [a, b] = [await create("swap-a"), await create("swap-b")]
    const before = { a: await request("swap-a"), b: await request("swap-b") }
    const verified = (name: string) => ({ username: name, email: `${name}@example.test` })
    await change(a, verified("swap-c"))
    await change(b, verified("swap-a"))
    await change(a, verified("swap-b"))
    await expect.poll(() => request("swap-a"), { interval: 500 }).toMatchObject({ subject: b, ...verified("swap-a") })
    await expect.poll(() => request("swap-b"), { interval: 500 }).toMatchObject({ subject: a, ...verified("swap-b") })
    expect([(await rowOf(a))?.id, (await rowOf(b))?.id]).toEqual([before.a.id, before.b.id])
    expect(await rowsLike("swap-")).toHaveLength(2)
    for (const id of [a, b]) await remove(id)
  })

  it("are not linked by somebody else's e-mail, unverified", async () => {
    const owner = await create("owner")
    const own = await request("owner")
    await change(owner, { email: "moved@example.test" })
    const thief = await create("thief", "owner@example.test")
    const row = await request("thief")
    expect(row).toMatchObject({ subject: thief, email_verified: false })
    expect(row.id).not.toBe(own.id)
    expect((await request("owner")).id).toBe(own.id)
    for (const id of [owner, thief]) await remove(id)
  })

  it("are none for a service account", async () => {
    const answer = await fetch(`${issuer()}/protocol/openid-connect/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${shop.clientId}:${shop.clientSecret}`)}` },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
    })
    const { access_token } = (await answer.json()) as { access_token: string }
    const principal = await gate.verifyBearer(`Bearer ${access_token}`, { kind: "service" })
    expect(principal.user).toBeNull()
    expect(await rowOf(principal.subject)).toBeNull()
  })

  it("let through what the store throws: no 401, and the next request is tried anew", async () => {
    const subject = await create("unlucky")
    const bearer = await bearerOf("unlucky")
    await schema.pool.query("ALTER TABLE app_user RENAME TO away")
    const error = await gate.verifyBearer(bearer, {}).then(undefined, thrown => thrown)
    await schema.pool.query("ALTER TABLE away RENAME TO app_user")
    expect(error).toMatchObject({ code: expect.stringMatching(/^42/) }) // PostgreSQL's own: no such table, no such type
    expect(gate.refusalFor(error)).toBeNull()
    expect((await gate.verifyBearer(bearer, {})).subject).toBe(subject)
    await remove(subject)
  })
})

async function messageOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`The process ended with ${code} before it had answered.`)
  })
  const [message] = await Promise.race([once(child, "message"), ended])
  return message
}

describe("remembered rows on the real server, in PostgreSQL,", () => {
  it("are seen as they were until forget, or their seconds, or a save of the gate", async () => {
    const schema = await createTestSchema()
    const cached = cachedUserStore(createPostgresStore(schema.pool), { seconds: 3600 })
    const [gate, other] = [cached, cachedUserStore(createPostgresStore(schema.pool), { seconds: 0.05 })].map(
      userStore => createGate<Row>({ ...shop, userStore, timeoutMs: 20_000 }),
    ) as [Gate<Row>, Gate<Row>]
    const subject = await create("cached")
    const identity = { issuer: `${shop.serverUrl}/realms/${realm}`, subject }
    const { accessToken } = await gate.loginWithPassword({ username: "cached", password })
    const bearer = `Bearer ${accessToken}`
    const planOf = async (asked: Gate<Row>) => (await asked.verifyBearer(bearer, {})).user?.plan
    for (const asked of [gate, other]) expect(await planOf(asked)).toBeNull()
    await schema.pool.query("UPDATE app_user SET plan = 'banned' WHERE subject = $1", [subject])
    expect(await planOf(gate)).toBeNull()
    expect(recallBy<Row>(gate, bearer)?.user).toMatchObject({ subject, plan: null })
    await expect.poll(() => planOf(other)).toBe("banned")
    cached.forget(identity)
    expect(await planOf(gate)).toBe("banned")
    await gate.updateAccount(subject, { firstName: "Augusta" })
    expect(recallBy<Row>(gate, bearer)?.user).toMatchObject({ first_name: "Augusta", plan: "banned" })
    await gate.deleteAccount(subject)
    expect(recallBy(gate, bearer)).toBeNull()
    await expect(planOf(gate)).rejects.toMatchObject({ code: "invalid_token" })
    await Promise.all([gate.close(), other.close()])
    await schema.drop()
  })
})
