import { scryptSync, timingSafeEqual } from "node:crypto"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import type { Row } from "../../examples/stores/row.ts"
import { createGate, type Gate, type GateEvent, type GateOptions, type UserStore } from "../../src/index.js"
import { addUnowned, createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { refusalOf, secretsIn } from "../support/refusal-of.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "legacy-login"
const password = "Old-table-2019"

let client: TestClient
let schema: TestSchema
let store: UserStore<Row>
let gates: Gate<Row>[]
let events: GateEvent[]
let asked: string[]

beforeAll(async () => {
  schema = await createTestSchema()
  store = createPostgresStore(schema.pool)
  client = await changedShop(realm, file => {
    // Keycloak then refuses one of two logins at once, and counts every wrong password.
    file.bruteForceProtected = true
    file.passwordPolicy = `${file.passwordPolicy} and passwordHistory(3)`
  })
})
beforeEach(() => {
  gates = []
  events = []
  asked = []
})
afterEach(async () => {
  expect(secretsIn(events, { "an old password": password })).toEqual([])
  await Promise.all(gates.map(gate => gate.close()))
})
afterAll(async () => {
  await adminFetch("DELETE", `/realms/${realm}`)
  await schema.drop()
})

/** Somebody of the old table, whose hash is one that Keycloak can't read. */
interface OldPerson {
  readonly id: string
  readonly username: string
  readonly email: string
  hash: Buffer
}

const hashOf = (given: string) => scryptSync(given, "salt", 32, { N: 1024 })
const people = new Map<string, OldPerson>()
let count = 0

async function addPerson(given = password): Promise<OldPerson> {
  const username = `old-${count++}`
  const names = { username, email: `${username}@example.test` }
  const person = { id: await addUnowned(schema.pool, names), ...names, hash: hashOf(given) }
  people.set(username, person)
  people.set(person.email, person)
  return person
}

function openGate(more: Partial<GateOptions<Row>> = {}): Gate<Row> {
  const gate = createGate<Row>({
    ...client,
    userStore: store,
    legacyLogin: {
      async verify({ username, password }) {
        asked.push(username)
        const person = people.get(username)
        if (!timingSafeEqual(hashOf(password), person?.hash ?? hashOf("nobody's")) || person === undefined) return null
        const { id: key, email } = person
        return { key, username: person.username, email, firstName: "Old", lastName: "Person" }
      },
    },
    onEvent: event => void events.push(event),
    ...more,
  } as GateOptions<Row> & { userStore: UserStore<Row> })
  gates.push(gate)
  return gate
}

const login = ({ username }: Pick<OldPerson, "username">, given = password) => ({ username, password: given })
async function userAfter(gate: Gate<Row>, { accessToken }: { readonly accessToken: string }): Promise<Row> {
  const { user } = await gate.verifyToken(accessToken, {})
  if (user === null) throw new Error("the token of a client")
  return user
}
async function accountOf({ username }: Pick<OldPerson, "username">) {
  const answer = await adminFetch("GET", `/realms/${realm}/users?username=${username}&exact=true`)
  const found = (await answer.json()) as { id: string; enabled: boolean; requiredActions: string[] }[]
  expect(found.length).toBeLessThan(2)
  return found[0] ?? null
}
async function rowsOf({ username }: OldPerson): Promise<readonly Row[]> {
  return (await schema.pool.query<Row>("SELECT * FROM app_user WHERE username = $1", [username])).rows
}

describe("legacyLogin on the real server, before a table in PostgreSQL,", () => {
  it("moves whoever has the right old password, once, and keeps the row", async () => {
    const gate = openGate()
    const ada = await addPerson()
    const session = await gate.loginWithPassword({ ...login(ada), scope: "openid" })
    expect(session.idToken).toEqual(expect.any(String))
    const account = await accountOf(ada)
    expect(account).toMatchObject({ enabled: true, requiredActions: [], emailVerified: false, firstName: "Old" })
    expect(await userAfter(gate, session)).toMatchObject({ id: ada.id, subject: account?.id, username: ada.username })
    await gate.loginWithPassword({ username: ada.email.toUpperCase(), password })
    expect((await refusalOf(gate.loginWithPassword(login(ada, "wrong")))).code).toBe("invalid_credentials")
    expect(asked).toEqual([ada.username])
    expect(events).toContainEqual({ type: "legacy_login", outcome: "moved", subject: account?.id, key: ada.id })
  })

  it("makes one account and one row of twenty first logins at once, and lets all of them in", async () => {
    const gate = openGate()
    const ada = await addPerson()
    const sessions = await Promise.all(Array.from({ length: 20 }, () => gate.loginWithPassword(login(ada))))
    const rows = await Promise.all(sessions.map(session => userAfter(gate, session)))
    expect(new Set(rows.map(row => row.id))).toEqual(new Set([ada.id]))
    expect(await rowsOf(ada)).toHaveLength(1)
    expect(await accountOf(ada)).toMatchObject({ enabled: true })
  })

  it("does so for two processes at once", async () => {
    const processes = [openGate(), openGate()]
    const ada = await addPerson()
    const logins = [...processes, ...processes, ...processes].map(async gate =>
      userAfter(gate, await gate.loginWithPassword(login(ada))),
    )
    const rows = await Promise.all(logins)
    expect(new Set(rows.map(row => row.id))).toEqual(new Set([ada.id]))
    expect(await rowsOf(ada)).toHaveLength(1)
  })

  it("tells that the realm's policy refuses the password, leaves nothing, and takes a new one", async () => {
    const gate = openGate()
    const ada = await addPerson("short")
    const error = await refusalOf(gate.loginWithPassword(login(ada, "short")))
    expect(error).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "password", rule: "invalidPasswordMinLengthMessage" }],
    })
    expect(await accountOf(ada)).toBeNull()
    ada.hash = hashOf(password)
    expect(await userAfter(gate, await gate.loginWithPassword(login(ada)))).toMatchObject({ id: ada.id })
  })

  it("leaves a stranger's name with the stranger, who has a row of their own", async () => {
    const gate = openGate()
    const ada = await addPerson()
    const stranger = { username: ada.username, email: `stranger-${ada.email}`, password: "Stranger-2026" }
    const { subject } = await gate.registerUser({ ...stranger, firstName: "A", lastName: "Stranger" })
    expect((await refusalOf(gate.loginWithPassword(login(ada)))).code).toBe("invalid_credentials")
    expect(asked).toEqual([])
    const error = await refusalOf(gate.loginWithPassword({ username: ada.email, password }))
    expect(error).toMatchObject({ code: "user_exists", field: "username" })
    const row = await userAfter(gate, await gate.loginWithPassword(stranger))
    expect(row).toMatchObject({ subject })
    expect(row.id).not.toBe(ada.id)
    expect((await rowsOf(ada)).map(({ id, subject }) => [id, subject])).toContainEqual([ada.id, null])
  })

  it("asks nobody of accounts that are disabled or locked", async () => {
    const gate = openGate()
    const [ada, eve] = [await addPerson(), await addPerson()]
    const account = (person: OldPerson, enabled: boolean) => ({
      ...{ username: person.username, email: person.email, firstName: "A", lastName: "B", enabled },
      credentials: [{ type: "password", value: "Another-2026" }],
    })
    await adminFetch("POST", `/realms/${realm}/users`, account(ada, false))
    await adminFetch("POST", `/realms/${realm}/users`, account(eve, true))
    for (const given of [password, "Another-2026"])
      expect((await refusalOf(gate.loginWithPassword(login(ada, given)))).code).toBe("invalid_credentials")
    // Two wrong ones within a second lock an account.
    await Promise.allSettled([1, 2, 3].map(() => gate.loginWithPassword(login(eve))))
    expect((await refusalOf(gate.loginWithPassword(login(eve)))).code).toBe("invalid_credentials")
    expect(asked).toEqual([])
    expect(await accountOf(ada)).toMatchObject({ enabled: false })
  })

  it("goes on behind a closed door where the store failed: with another password of the old table, or the same one", async () => {
    for (const later of [password, "Old-table-2020"]) {
      const ada = await addPerson()
      const failing = openGate({ userStore: { ...store, linkUser: () => Promise.reject(new Error("disk full")) } })
      for (const _ of [1, 2]) await expect(failing.loginWithPassword(login(ada))).rejects.toThrow("disk full")
      const begun = await accountOf(ada)
      expect(begun).toMatchObject({ enabled: false })
      ada.hash = hashOf(later)
      const gate = openGate()
      const session = await gate.loginWithPassword(login(ada, later))
      expect(await userAfter(gate, session)).toMatchObject({ id: ada.id, subject: begun?.id })
      expect(await accountOf(ada)).toMatchObject({ enabled: true, requiredActions: [] })
    }
  })

  it("takes what is no name of Keycloak's for nothing else", async () => {
    const gate = openGate()
    const ada = await addPerson()
    await gate.loginWithPassword(login(ada))
    const names = ["*", "%", "old-*", ` ${ada.username}`, ada.username.replace("old", "ｏｌｄ"), "nobody'--"]
    for (const username of names)
      expect((await refusalOf(gate.loginWithPassword({ username, password }))).code).toBe("invalid_credentials")
    expect(asked).toEqual([ada.username, ...names])
  })

  it("asks nobody where the service account may search accounts and see none", async () => {
    await adminFetch("POST", `/realms/${realm}/clients`, lookingClient)
    const { id } = (
      await (await adminFetch("GET", `/realms/${realm}/users?username=service-account-looker&exact=true`)).json()
    )[0]
    const [management] = await (await adminFetch("GET", `/realms/${realm}/clients?clientId=realm-management`)).json()
    const role = await (await adminFetch("GET", `/realms/${realm}/clients/${management.id}/roles/query-users`)).json()
    await adminFetch("POST", `/realms/${realm}/users/${id}/role-mappings/clients/${management.id}`, [role])
    const gate = openGate({ admin: { clientId: "looker", clientSecret: "looker-secret" } })
    const error = await refusalOf(gate.loginWithPassword(login(await addPerson())))
    expect(error).toMatchObject({ code: "keycloak_refused_us" })
    expect(error.message).toContain("manage-users")
    expect(asked).toEqual([])
  })
})

const lookingClient = {
  clientId: "looker",
  secret: "looker-secret",
  publicClient: false,
  serviceAccountsEnabled: true,
  standardFlowEnabled: false,
}
