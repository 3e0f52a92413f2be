import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, isGateError } from "../../src/index.js"
import { answerLate, hangBeforeHeaders, hangInBody } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import type { Fault } from "../support/faulty-server.ts"
import { inOwnTime } from "../support/own-clock.ts"
import { paths } from "../support/paths.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

const timeoutMs = 600
const slackMs = 400
const atMost = (timeouts: number) => timeouts * timeoutMs + slackMs
const admin = /^(GET|PUT|POST|DELETE) \/admin\//
const account = {
  read: /^GET \/admin\/.*\/users\/[^/]+$/,
  write: /^PUT \/admin\/.*\/users\/[^/]+$/,
  password: /^PUT \/admin\/.*\/reset-password$/,
  logout: /^POST \/admin\/.*\/logout$/,
  consents: /^GET \/admin\/.*\/consents$/,
}

interface Person {
  readonly id: string
  readonly username: string
  readonly email: string
  readonly sessionId: string
}

let realm: FaultyRealm
let gate: Gate<null>
let person: Person
let count = 0
beforeEach(async () => {
  realm = await startFaultyRealm()
  gate = createGate({ ...realm.gateOptions, timeoutMs, onEvent: () => undefined })
  person = await newPerson()
})
afterEach(async () => {
  gate.close()
  await realm.close()
})

const currentPassword = secrets.password
const newPassword = `${secrets.password}-new`
const verbs: Readonly<Record<string, (person: Person) => Promise<unknown>>> = {
  updateAccount: ({ id }) => gate.updateAccount(id, { firstName: "Augusta" }),
  // Asks for the realm's rules first.
  "updateAccount of a username": ({ id, username }) => gate.updateAccount(id, { username, lastName: "King" }),
  setPassword: ({ id }) => gate.setPassword(id, newPassword),
  changePassword: ({ username }) => gate.changePassword({ username, currentPassword, newPassword }),
  "changePassword of a subject": ({ id }) => gate.changePassword({ subject: id, currentPassword, newPassword }),
  disableAccount: ({ id }) => gate.disableAccount(id),
  enableAccount: ({ id }) => gate.enableAccount(id),
  deleteAccount: ({ id }) => gate.deleteAccount(id),
  logoutEverywhere: ({ id }) => gate.logoutEverywhere(id),
  sessions: ({ id }) => gate.sessions(id),
  endSession: ({ id, sessionId }) => gate.endSession(id, sessionId),
  sendEmailVerification: ({ id }) => gate.sendEmailVerification(id),
  sendPasswordReset: ({ email }) => gate.sendPasswordReset(email),
}
// Account and row are two things, between which the store takes its time.
const limitOf = (name: string) => atMost(name === "deleteAccount" ? 6 : 3)

async function newPerson(): Promise<Person> {
  const username = `person-${count++}`
  const email = `${username}@example.test`
  const { id } = realm.addUser({ username, email, password: secrets.password })
  const { sid } = JSON.parse(atob((await realm.issueToken(username)).split(".")[1] ?? ""))
  return { id, username, email, sessionId: sid }
}

async function timed(work: Promise<unknown>): Promise<{ readonly ms: number; readonly error: unknown }> {
  const { ms, result } = await inOwnTime(
    work.then(
      () => null,
      (reason: unknown) => reason,
    ),
  )
  return { ms, error: result }
}

const anything = /^/
const silences: readonly (readonly [string, Fault, RegExp])[] = [
  ["answers nothing", hangBeforeHeaders, anything],
  ["stops in its answers", hangInBody, anything],
  ["answers no question about an account", hangBeforeHeaders, account.read],
  ["answers no write", hangBeforeHeaders, account.write],
  ["writes, and says so too late", answerLate(2 * timeoutMs), account.write],
  ["answers no new password", hangBeforeHeaders, account.password],
  ["ends no session", hangBeforeHeaders, account.logout],
  ["tells no offline session", hangBeforeHeaders, account.consents],
  ["takes its token for a stranger's, and answers late", lateUnauthorized(), admin],
]

function lateUnauthorized(): Fault {
  const unauthorized = { status: 401, headers: { "content-type": "application/json" }, body: '{"error":"HTTP 401"}' }
  return async exchange => {
    await answerLate(0.85 * timeoutMs)({ ...exchange, perform: async () => unauthorized })
  }
}

describe("a call about an account", () => {
  it.each(silences)("ends within its limit, whichever it is, when Keycloak %s", async (_, fault, at) => {
    const named = Object.entries(verbs)
    const calls = await Promise.all(named.map(async ([name, verb]) => [name, verb, await newPerson()] as const))
    realm.breakWith(fault, { at })
    const late = await Promise.all(
      calls.map(async ([name, verb, whom]) => {
        const { ms, error } = await timed(verb(whom))
        if (error !== null) expect(isGateError(error) && error.status, name).toBeGreaterThanOrEqual(500)
        return ms < limitOf(name) ? [] : [`${name}: ${ms} ms`]
      }),
    )
    expect(late.flat()).toEqual([])
  })
})

it("changePassword ends within its limit when each of its six answers needs most of `timeoutMs`", async () => {
  realm.breakWith(answerLate(0.7 * timeoutMs))
  const { ms } = await timed(gate.changePassword({ subject: person.id, currentPassword, newPassword }))
  expect(ms).toBeLessThan(atMost(3))
})

describe("ten updates of one account", () => {
  const update = (index: number) => gate.updateAccount(person.id, { firstName: `Ada ${index}` })
  const tenAtOnce = () => Promise.all(Array.from({ length: 10 }, (_, index) => timed(update(index))))

  it.each([
    ["the first question", account.read, 1],
    ["the first write", account.write, 3],
  ])("wait for no more than one time-out each when Keycloak is silent to %s", async (_, at, ofTheFirst) => {
    await gate.updateAccount(person.id, {}) // so that the service account has its token
    realm.breakWith(hangBeforeHeaders, { at })
    const [first, ...others] = await tenAtOnce()
    expect(first?.ms).toBeLessThan(atMost(ofTheFirst))
    for (const { ms, error } of others) {
      expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      expect(ms).toBeLessThan(atMost(1))
    }
    await realm.heal()
    expect((await update(11)).firstName).toBe("Ada 11")
  })

  it("reach Keycloak no more once their callers have been told that they did not", async () => {
    await gate.updateAccount(person.id, {})
    realm.breakWith(hangBeforeHeaders, { at: account.read })
    const before = realm.requests(admin)
    await tenAtOnce()
    await realm.heal()
    await update(11)
    // The one that hung, perhaps repeated, and the three of the last update.
    expect(realm.requests(admin) - before).toBeLessThanOrEqual(5)
  })

  it("end at once when the gate is closed", async () => {
    await gate.updateAccount(person.id, {})
    realm.breakWith(hangBeforeHeaders, { at: account.read })
    const all = Promise.all(Array.from({ length: 10 }, (_, index) => refusalOf(update(index))))
    await expect.poll(() => realm.requests(account.read)).toBeGreaterThan(1)
    gate.close()
    expect((await all).map(({ code }) => code)).toEqual(Array(10).fill("closed"))
  })
})

it("an account's turns are not kept up by calls about another one", async () => {
  const other = await newPerson()
  await gate.updateAccount(other.id, {})
  realm.breakWith(hangBeforeHeaders, { at: new RegExp(`/users/${person.id}$`) })
  const hanging = timed(gate.disableAccount(person.id))
  await gate.disableAccount(other.id)
  await hanging
  expect(realm.requests(paths.token)).toBe(1)
})
