import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent, type UserIdentity, type UserStore } from "../../src/index.js"
import { type CountedConnections, countConnections } from "../support/counted-connections.ts"
import { cutAnswer, holdUp, reset } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { paths } from "../support/paths.ts"
import { personNamed } from "../support/person-named.ts"
import { refusalOf } from "../support/refusal-of.ts"

const count = 400
const mostAtOnce = 8
const role = "uma_authorization"
const people = Array.from({ length: count }, (_, index) => personNamed(`lost-${index}`))

interface Row extends UserIdentity {
  readonly extra: unknown
}

let realm: FaultyRealm
let connections: CountedConnections
let gate: Gate<Row>
const rows = new Map<string, Row>()
const store: UserStore<Row> = {
  findUser: async ({ subject }) => rows.get(subject) ?? null,
  async saveUser({ issuer, subject }, extra) {
    const row = { issuer, subject, extra: extra ?? rows.get(subject)?.extra }
    rows.set(subject, row)
    return row
  },
  async removeUser({ subject }) {
    rows.delete(subject)
  },
}
const events: GateEvent[] = []
const settled = () => events.filter(event => event.type === "registration_settled")

beforeAll(async () => {
  realm = await startFaultyRealm()
  connections = await countConnections(realm.url)
  gate = createGate({
    ...realm.gateOptions,
    serverUrl: connections.url,
    userStore: store,
    registration: { realmRoles: [role] },
    timeoutMs: 4000,
    maxConcurrentRequests: count,
    onEvent: event => events.push(event),
  })
  // Every second create does its work and its answer is cut, the others hang and do it in the end; so do their fences.
  const { fault: hold, letGo } = holdUp()
  let creates = 0
  realm.breakWith(exchange => (creates++ % 2 === 0 ? cutAnswer : hold)(exchange), { at: paths.create })
  realm.breakWith(reset, { at: paths.find })
  await Promise.all(
    people.map(async person => {
      const refusal = await refusalOf(gate.registerUser(person, { plan: person.username }))
      expect(refusal).toMatchObject({ code: "keycloak_unavailable" })
    }),
  )
  await realm.goDown()
  await delay(2000) // what is left is looked at, and nobody is there

  await connections.quiet()
  connections.forget()
  await letGo()
  await realm.heal()
  const begun = performance.now()
  while (settled().length < count && performance.now() - begun < 400_000) await delay(50)
}, 600_000)
afterAll(async () => {
  await gate.close()
  await connections.close()
  await realm.close()
})

describe(`${count} registrations whose answers were lost`, () => {
  it(`open at most ${mostAtOnce} connections at once when Keycloak comes back`, () => {
    expect(connections.most()).toBeGreaterThan(0)
    expect(connections.most()).toBeLessThanOrEqual(mostAtOnce)
  })

  it("are told once each when they are lost, and once when they are settled", () => {
    expect(events.filter(({ type }) => type === "registration_unsettled")).toHaveLength(count)
    expect(settled()).toHaveLength(count)
  })

  it("are finished, all whose account exists: role and row with what was handed in, for one account each", async () => {
    const finished = new Set(settled().flatMap(event => (event.outcome === "finished" ? [event.subject] : [])))
    for (const { username, password } of people) {
      const accounts = realm.users().filter(account => account.username === username)
      expect([username, accounts.length]).toEqual([username, 1])
      const [{ id } = { id: "" }] = accounts
      expect(finished).toContain(id)
      expect(rows.get(id)?.extra).toEqual({ plan: username })
      const { accessToken } = await gate.loginWithPassword({ username, password })
      expect((await gate.verifyBearer(`Bearer ${accessToken}`, {})).realmRoles).toContain(role)
    }
    expect(rows.size).toBe(count)
  })
})
