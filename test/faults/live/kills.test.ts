import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createPostgresStore } from "../../../examples/stores/postgres.ts"
import type { Row } from "../../../examples/stores/row.ts"
import { createGate, type Gate, isGateError } from "../../../src/index.js"
import { createTestSchema, type TestSchema } from "../../examples/postgres.ts"
import { createAdmin, readRealm } from "../../live/keycloak/admin.ts"
import type { Fault } from "../../support/faulty-server.ts"
import { paths } from "../../support/paths.ts"
import { personNamed } from "../../support/person-named.ts"
import { startProxy } from "../../support/proxy.ts"
import { chosenSeed, seededRandom } from "../../support/seeded-random.ts"

const kills = 24
const atOnce = 3
const realm = "gate-kills"
const role = "app-user"
const admin = createAdmin(inject("keycloak"))
const seed = chosenSeed()
const random = seededRandom(seed)
const oneOf = <Value>(values: readonly Value[]) => values[Math.floor(random() * values.length)] as Value

/** The requests of one registration in their order; a process sends the first three once. */
const requests = [
  { step: "the service account's token", at: paths.token, onlyOnce: true },
  { step: "reading the user profile", at: paths.profile, onlyOnce: true },
  { step: "reading the realm", at: paths.realm, onlyOnce: true },
  { step: "the create", at: paths.create, onlyOnce: false },
  { step: "reading the roles", at: /\/role-mappings\/realm\/available$/, onlyOnce: false },
  { step: "giving the roles", at: /\/role-mappings\/realm$/, onlyOnce: false },
] as const
/** The process is gone before Keycloak has the request, while it works on it, or some time after its answer. */
const phases = ["before", "during", "after"] as const

interface Moment {
  readonly step: string
  readonly at: RegExp
  readonly phase: (typeof phases)[number]
  /** In which registration of the process. */
  readonly nth: number
  /** After the answer to the last request comes the row, so this reaches into it and beyond. */
  readonly delayMs: number
}

const moments: readonly Moment[] = Array.from({ length: kills }, (_, index) => {
  const { step, at, onlyOnce } = requests[index % requests.length] as (typeof requests)[number]
  return { step, at, phase: oneOf(phases), nth: onlyOnce ? 1 : oneOf([1, 2, 3]), delayMs: Math.floor(random() * 15) }
})

interface Told {
  readonly began: string[]
  /** Who got a 201, with the subject. */
  readonly registered: Map<string, string>
}

let schema: TestSchema
let gate: Gate<Row>
const began: string[] = []
const registered = new Map<string, string>()
/** What became of everybody who had begun: the code of registering again, and the row that a login leads to. */
const afterwards = new Map<string, { readonly again: string; readonly row: Row | null }>()

beforeAll(async () => {
  console.log(`${kills} kills, SEED=${seed}`)
  schema = await createTestSchema()
  await admin.deleteRealm(realm).catch(() => undefined)
  const template = await readRealm(join(import.meta.dirname, "../../live/realm.json"))
  // Its people have fixed ids, which one server has once. Logins follow each other faster than a person's.
  const users = (template.users as { serviceAccountClientId?: string }[]).filter(user => user.serviceAccountClientId)
  await admin.importRealm({ ...template, realm, users, bruteForceProtected: false })
  const userStore = createPostgresStore(schema.pool)
  gate = createGate({ ...connection(), userStore, timeoutMs: 30_000, onEvent: () => undefined })

  const queue = moments.entries()
  async function work(): Promise<void> {
    for (const [index, moment] of queue) {
      const told = await killAt(moment, `killed-${index}`)
      began.push(...told.began)
      for (const [name, subject] of told.registered) registered.set(name, subject)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  for (const name of began) afterwards.set(name, await comeBack(name))
}, 240_000)

afterAll(async () => {
  gate.close()
  await admin.deleteRealm(realm)
  await schema.drop()
})

function connection() {
  const client = { clientId: "gate-app", clientSecret: "gate-secret", registration: { realmRoles: [role] } }
  return { serverUrl: inject("keycloak").url, realm, ...client }
}

/** A process that registers people until that moment; returns when it and what it has begun in Keycloak are over. */
async function killAt(moment: Moment, prefix: string): Promise<Told> {
  const proxy = await startProxy(inject("keycloak").url)
  let child: ChildProcess | undefined
  const begun: Promise<unknown>[] = []
  let left: number = moment.nth
  const fault: Fault = async ({ perform, send }) => {
    left -= 1
    if (left > 0) return send(await perform())
    const work = moment.phase === "before" ? null : perform()
    if (work !== null) begun.push(work)
    if (work !== null && moment.phase === "after") send(await work)
    await delay(moment.delayMs)
    child?.kill("SIGKILL")
  }
  proxy.breakWith(fault, { at: moment.at, times: moment.nth })
  const options = { ...connection(), internalUrl: proxy.url, timeoutMs: 30_000 }
  child = spawn(process.execPath, [join(import.meta.dirname, "register-until-killed.ts"), prefix], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, CONNECTION: JSON.stringify(options), PG_URL: schema.url },
  })
  const gone = once(child, "close")
  const told: Told = { began: [], registered: new Map() }
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const said = JSON.parse(line) as { began?: string; registered?: string; subject?: string }
    if (said.began !== undefined) told.began.push(said.began)
    if (said.registered !== undefined) told.registered.set(said.registered, said.subject ?? "")
  }
  expect(await gone).toEqual([null, "SIGKILL"])
  await Promise.all(begun)
  await proxy.close()
  return told
}

/** What the person would do: register again, and log in where the name is taken. */
async function comeBack(name: string): Promise<{ again: string; row: Row | null }> {
  const person = personNamed(name)
  const again = await gate.registerUser(person, { plan: "pro" }).then(
    () => "201",
    (error: unknown) => (isGateError(error) ? error.code : String(error)),
  )
  const { accessToken } = await gate.loginWithPassword(person)
  return { again, row: (await gate.verifyBearer(`Bearer ${accessToken}`, {})).user }
}

async function accountsNamed(name: string): Promise<readonly { readonly id: string }[]> {
  const { body } = await admin.adminFetch("GET", `/realms/${realm}/users?exact=true&username=${name}`)
  return body as readonly { readonly id: string }[]
}

describe(`${kills} kills during registrations`, () => {
  it("hit every step, before, during and after Keycloak's work", () => {
    expect(new Set(moments.map(({ step }) => step)).size).toBe(requests.length)
    expect(new Set(moments.map(({ phase }) => phase)).size).toBe(phases.length)
    expect(began.length).toBeGreaterThanOrEqual(kills)
  })

  it("leave every name free to register or to its owner, who logs in and has a row", () => {
    for (const [name, { again, row }] of afterwards) {
      expect([name, again]).toEqual([name, expect.stringMatching(/^(201|user_exists)$/)])
      expect(row).toMatchObject({ username: name })
    }
  })

  it("make nobody twice, neither in Keycloak nor among the rows", async () => {
    for (const name of began) {
      const accounts = await accountsNamed(name)
      expect([name, accounts.length]).toEqual([name, 1])
      const { rows } = await schema.pool.query<Row>("SELECT * FROM app_user WHERE username = $1", [name])
      expect(rows).toMatchObject([{ subject: accounts[0]?.id }])
    }
  })

  it("lose nobody who got a 201: account, role and row with what was handed in are there", async () => {
    expect(registered.size).toBeGreaterThan(0)
    for (const [name, subject] of registered) {
      expect([name, afterwards.get(name)]).toMatchObject([
        name,
        { again: "user_exists", row: { subject, plan: "pro" } },
      ])
      expect(await accountsNamed(name)).toMatchObject([{ id: subject }])
      const { body } = await admin.adminFetch("GET", `/realms/${realm}/users/${subject}/role-mappings/realm`)
      expect((body as { name: string }[]).map(one => one.name)).toContain(role)
    }
  })
})
