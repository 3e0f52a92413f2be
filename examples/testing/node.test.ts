// How to test an application with Node's own test runner, without a Keycloak: node --test examples/testing/node.test.ts
import assert from "node:assert/strict"
import { DatabaseSync } from "node:sqlite"
import { after, afterEach, describe, it } from "node:test"
import { createGate } from "keycloak-gate"
import { startTestRealm, userStoreContract } from "keycloak-gate/testing"
import { createApplication } from "../node-http/app.ts"
import { createSqliteStore, sqliteTable } from "../stores/sqlite.ts"

const realm = await startTestRealm()
const database = new DatabaseSync(":memory:") // your own, for tests
database.exec(sqliteTable)
const userStore = createSqliteStore(database)
const gate = createGate({ ...realm.gateOptions, userStore, onEvent: () => {} })
const application = await createApplication(gate).listen(0)

afterEach(() => realm.comeBack())
after(async () => {
  await application.close()
  gate.close()
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
  assert.deepEqual([status, body.username], [200, "ada"])
})

it("lets nobody but editors edit", async () => {
  const [bob, edith] = [realm.addUser({ username: "bob" }), realm.addUser({ username: "edith", groups: ["/editors"] })]
  assert.equal((await call("/editor", { token: await realm.issueToken(bob) })).status, 403)
  assert.equal((await call("/editor", { token: await realm.issueToken(edith) })).status, 200)
})

it("refuses a token that has expired", async () => {
  const token = await realm.issueToken(realm.addUser({ username: "carl" }), { exp: 1 })
  const { status, body } = await call("/me", { token })
  assert.deepEqual([status, body.error], [401, "invalid_token"])
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
  assert.equal(status, 201)
  assert.equal(realm.users().find(({ id }) => id === body.subject)?.username, "dora")
})

it("logs nobody out while Keycloak is down", async () => {
  const token = await realm.issueToken(realm.addUser({ username: "emil" }))
  assert.equal((await call("/me", { token })).status, 200)
  await realm.goDown()
  assert.equal((await call("/me", { token })).status, 200)
  assert.equal((await call("/login", { body: { username: "emil", password: "any" } })).status, 503)
})

describe("our user store", () => {
  const addRow = database.prepare("INSERT INTO app_user (username, email) VALUES (?, ?)")
  const cases = userStoreContract(() => userStore, {
    unownedRow: (_, { username, email }) => addRow.run(username, email).lastInsertRowid,
  })
  for (const { name, run } of cases) it(name, run)
})
