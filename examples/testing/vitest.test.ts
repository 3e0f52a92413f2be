// How to test an application with Vitest, without a Keycloak: npx vitest run examples/testing/vitest.test.ts
import { DatabaseSync } from "node:sqlite"
import { createGate } from "keycloak-gate"
import { startTestRealm, type TestRealm, userStoreContract } from "keycloak-gate/testing"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Listening } from "../application.ts"
import { createApplication } from "../express/app.ts"
import { createSqliteStore, sqliteTable } from "../stores/sqlite.ts"

const database = new DatabaseSync(":memory:") // your own, for tests
database.exec(sqliteTable)
const userStore = createSqliteStore(database)

let realm: TestRealm
let application: Listening
let closeGate: () => void

beforeAll(async () => {
  realm = await startTestRealm()
  const gate = createGate({ ...realm.gateOptions, userStore, onEvent: () => {} })
  closeGate = gate.close
  application = await createApplication(gate).listen(0)
})
afterEach(() => realm.comeBack())
afterAll(async () => {
  await application.close()
  closeGate()
  database.close()
  await realm.stop()
})

async function call(path: string, { token, body }: { token?: string; body?: object } = {}) {
  const answer = await fetch(application.url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

it("shows people their own row", async () => {
  const ada = realm.addUser({ username: "ada" })
  const { status, body } = await call("/me", { token: await realm.issueToken(ada) })
  expect([status, body.username]).toEqual([200, "ada"])
})

it("lets nobody but editors edit", async () => {
  const [bob, edith] = [realm.addUser({ username: "bob" }), realm.addUser({ username: "edith", groups: ["/editors"] })]
  expect((await call("/editor", { token: await realm.issueToken(bob) })).status).toBe(403)
  expect((await call("/editor", { token: await realm.issueToken(edith) })).status).toBe(200)
})

it("refuses a token that has expired", async () => {
  const token = await realm.issueToken(realm.addUser({ username: "carl" }), { exp: 1 })
  expect(await call("/me", { token })).toMatchObject({ status: 401, body: { error: "invalid_token" } })
})

it("registers a person in Keycloak", async () => {
  const dora = {
    username: "dora",
    email: "dora@shop.example",
    firstName: "Dora",
    lastName: "D",
    password: "Dora-2026!",
  }
  const { status, body } = await call("/register", { body: dora })
  expect(status).toBe(201)
  expect(realm.users().find(({ id }) => id === body.subject)).toMatchObject({ username: "dora", enabled: true })
})

it("logs nobody out while Keycloak is down", async () => {
  const token = await realm.issueToken(realm.addUser({ username: "emil" }))
  expect((await call("/me", { token })).status).toBe(200)
  await realm.goDown()
  expect((await call("/me", { token })).status).toBe(200)
  expect((await call("/login", { body: { username: "emil", password: "any" } })).status).toBe(503)
})

describe("our user store", () => {
  const addRow = database.prepare("INSERT INTO app_user (username, email) VALUES (?, ?)")
  const cases = userStoreContract(() => userStore, {
    unownedRow: (_, { username, email }) => addRow.run(username, email).lastInsertRowid,
  })
  it.each(cases)("$name", ({ run }) => run())
})
