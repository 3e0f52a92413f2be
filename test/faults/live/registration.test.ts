import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type GateEvent as Event, type Gate, type MemoryUser, memoryUserStore } from "../../../src/index.js"
import { adminFetch } from "../../live/realms.ts"
import { accountsNamed, newPerson, removeAccounts, throughProxy } from "../../support/accounts.ts"
import { answerWith, cutAnswer, holdUp, onceAllCame, reset } from "../../support/faults.ts"
import type { FaultyServer } from "../../support/faulty-server.ts"
import { paths } from "../../support/paths.ts"
import { startProxy } from "../../support/proxy.ts"
import { refusalOf } from "../../support/refusal-of.ts"

let proxy: FaultyServer
let gate: Gate<MemoryUser>
let events: Event[] = []
const store = memoryUserStore()

beforeEach(async () => {
  proxy = await startProxy(throughProxy({ url: "" }).serverUrl)
  events = []
  gate = makeGate(store)
})
afterEach(async () => {
  gate.close()
  await proxy.close()
})
afterAll(removeAccounts)

function makeGate(userStore: typeof store): Gate<MemoryUser> {
  const onEvent = (event: Event) => events.push(event)
  const registration = { realmRoles: ["app-user"] }
  return createGate({ ...throughProxy(proxy), userStore, registration, timeoutMs: 8000, onEvent })
}

const settled = () => events.filter(event => event.type === "registration_settled")
async function expectOneAccount(username: string, subject: string) {
  expect(await accountsNamed(username)).toMatchObject([{ id: subject }])
}
/** The account is there with its role and its row, and its owner can log in. */
async function expectFinished(person: ReturnType<typeof newPerson>, extra: unknown = null) {
  await expect.poll(settled).toMatchObject([{ outcome: "finished" }])
  const [{ id } = { id: "" }] = await accountsNamed(person.username)
  expect(settled()).toEqual([{ type: "registration_settled", outcome: "finished", subject: id }])
  expect(await rolesOf(id)).toContain("app-user")
  expect(await store.findUser({ issuer: issuer(), subject: id })).toMatchObject({ username: person.username, extra })
  await gate.loginWithPassword(person)
}
async function rolesOf(subject: string): Promise<string[]> {
  const answer = await adminFetch("GET", `/realms/gate-test/users/${subject}/role-mappings/realm`)
  return ((await answer.json()) as { name: string }[]).map(({ name }) => name)
}
const issuer = () => `${throughProxy(proxy).serverUrl}/realms/gate-test`

describe("registerUser, when the answer to its create gets lost", () => {
  it("makes one account when the create has done its work", async () => {
    const person = newPerson()
    proxy.breakWith(cutAnswer, { at: paths.create, times: 1 })
    const { subject, user } = await gate.registerUser(person)
    await expectOneAccount(person.username, subject)
    expect(user).toMatchObject({ subject, username: person.username })
    expect(proxy.requests(paths.create)).toBe(2)
    await gate.loginWithPassword(person)
  })

  it("makes one account when the create never arrived", async () => {
    const person = newPerson()
    proxy.breakWith(reset, { at: paths.create, times: 1 })
    const { subject } = await gate.registerUser(person)
    await expectOneAccount(person.username, subject)
  })

  it("makes one account when the create arrives only after the one that was sent to replace it", async () => {
    const person = newPerson()
    const { fault, letGo } = holdUp()
    proxy.breakWith(fault, { at: paths.create, times: 1 })
    const { subject } = await gate.registerUser(person)
    expect(await letGo()).toMatchObject([{ status: 409 }])
    await expectOneAccount(person.username, subject)
  })

  it("makes one account when a proxy answers 502 although Keycloak did the work", async () => {
    const person = newPerson()
    const badGateway = { status: 502, body: "<h1>Bad Gateway</h1>" }
    proxy.breakWith(
      async ({ perform, send }) => {
        await perform()
        send(badGateway)
      },
      { at: paths.create, times: 1 },
    )
    const { subject } = await gate.registerUser(person)
    await expectOneAccount(person.username, subject)
  })

  it("takes nobody else's account for its own", async () => {
    const person = newPerson()
    const { subject } = await gate.registerUser(person)
    proxy.breakWith(cutAnswer, { at: paths.create, times: 1 })
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "user_exists", status: 409 })
    await expectOneAccount(person.username, subject)
    expect(settled()).toEqual([])
  })

  it("lets one of ten registrations of one name through when each of them loses an answer", async () => {
    const person = newPerson()
    proxy.breakWith(
      onceAllCame(10, () => cutAnswer),
      { at: paths.create, times: 10 },
    )
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => gate.registerUser(person)))
    const made = outcomes.flatMap(outcome => (outcome.status === "fulfilled" ? [outcome.value.subject] : []))
    expect(made).toHaveLength(1)
    await expectOneAccount(person.username, made[0] ?? "")
    const codes = outcomes.flatMap(outcome => (outcome.status === "rejected" ? [outcome.reason.code] : []))
    expect(codes).toEqual(Array(9).fill("user_exists"))
  })
})

describe("20 registrations whose creates are cut", () => {
  it("make exactly one account each, and each caller gets the account that is theirs", async () => {
    const people = Array.from({ length: 20 }, newPerson)
    const patient = createGate({ ...throughProxy(proxy), userStore: store, timeoutMs: 30_000 })
    // Every second create does its work, the others never arrive.
    const fault = onceAllCame(20, index => (index % 2 === 0 ? cutAnswer : reset))
    proxy.breakWith(fault, { at: paths.create, times: 20 })
    const registered = await Promise.all(people.map(person => patient.registerUser(person)))
    for (const [index, { subject, username, user }] of registered.entries()) {
      expect([username, user.subject]).toEqual([people[index]?.username, subject])
      await expectOneAccount(username, subject)
    }
    patient.close()
  })

  it("leave the winner's account alone when they are of one name", async () => {
    const person = newPerson()
    const { subject } = await gate.registerUser(person)
    const patient = createGate({
      ...throughProxy(proxy),
      userStore: store,
      timeoutMs: 30_000,
      onEvent: e => events.push(e),
    })
    proxy.breakWith(
      onceAllCame(20, () => cutAnswer),
      { at: paths.create, times: 20 },
    )
    const codes = await Promise.all(
      Array.from({ length: 20 }, () => refusalOf(patient.registerUser(person)).then(({ code }) => code)),
    )
    expect(new Set(codes)).toEqual(new Set(["user_exists"]))
    expect(proxy.requests(paths.remove)).toBe(0)
    await expectOneAccount(person.username, subject)
    patient.close()
  })
})

describe("registerUser, when both answers get lost", () => {
  beforeEach(() => proxy.breakWith(cutAnswer, { at: paths.create, times: 2 }))

  it("is a 503, and the account that it left is finished within seconds", async () => {
    const person = newPerson()
    const error = await refusalOf(gate.registerUser(person, { plan: "pro" }))
    expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    expect(events).toContainEqual({ type: "registration_unsettled", subject: null, error })
    await expectFinished(person, { plan: "pro" })
    expect(proxy.requests(paths.remove)).toBe(0)
  })

  it("tells an immediate retry that the name is taken, by an account that its owner can log in to", async () => {
    const person = newPerson()
    await refusalOf(gate.registerUser(person))
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "user_exists" })
    await gate.loginWithPassword(person)
    proxy.breakWith(cutAnswer, { at: paths.create, times: 1 })
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "user_exists" })
    await expectFinished(person)
  })
})

describe("registerUser, when both creates are held up", () => {
  it("finishes an account that appears only after a look-up has found none", async () => {
    const person = newPerson()
    const { fault, letGo } = holdUp()
    proxy.breakWith(fault, { at: paths.create, times: 2 })
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "keycloak_unavailable" })
    await expect.poll(() => proxy.requests(paths.find)).toBe(1)
    const replies = await letGo()
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 409])
    await expectFinished(person)
  })

  it("leaves alone the account of a retry that overtook them", async () => {
    const person = newPerson()
    const { fault, letGo } = holdUp()
    proxy.breakWith(fault, { at: paths.create, times: 2 })
    await refusalOf(gate.registerUser(person))
    const { subject } = await gate.registerUser(person)
    expect(await letGo()).toMatchObject([{ status: 409 }, { status: 409 }])
    await expect.poll(settled).toMatchObject([{ outcome: "absent" }])
    await expectOneAccount(person.username, subject)
  })
})

describe("registerUser, when its own account can't be told from another's", () => {
  it.each([
    ["is cut off", cutAnswer],
    ["answers 502", answerWith({ status: 502, body: "<h1>Bad Gateway</h1>" })],
    ["answers 200 with HTML", answerWith({ status: 200, body: "<h1>Back soon</h1>" })],
  ])("is a 503 when the look-up %s, never a user_exists, and the account is finished", async (_, fault) => {
    const person = newPerson()
    proxy.breakWith(cutAnswer, { at: paths.create, times: 1 })
    proxy.breakWith(fault, { at: paths.find })
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    await proxy.heal()
    await expectFinished(person)
  })
})

describe("registerUser, when the user store fails", () => {
  const failure = new Error("disk full")
  const failing = { ...store, saveUser: () => Promise.reject(failure) }

  it("hands the store's own error through and leaves no account", async () => {
    const person = newPerson()
    gate = makeGate(failing)
    await expect(gate.registerUser(person)).rejects.toBe(failure)
    expect(await accountsNamed(person.username)).toEqual([])
    await makeGate(store).registerUser(person)
  })

  it.each([
    ["Keycloak is down", (server: FaultyServer) => server.goDown()],
    [
      "a proxy answers 502",
      (server: FaultyServer) => server.breakWith(answerWith({ status: 502 }), { at: paths.remove }),
    ],
    [
      "a proxy answers 200 with HTML",
      (server: FaultyServer) =>
        server.breakWith(answerWith({ status: 200, body: "<h1>Hi</h1>" }), { at: paths.remove }),
    ],
    [
      "a proxy answers 404 with HTML",
      (server: FaultyServer) =>
        server.breakWith(answerWith({ status: 404, body: "<h1>Hi</h1>" }), { at: paths.remove }),
    ],
  ])("and %s for the undo, throws an error that holds both, and the account is finished later", async (_, breakIt) => {
    const person = newPerson()
    let isBroken = true
    gate = makeGate({
      ...store,
      async saveUser(...row) {
        if (!isBroken) return store.saveUser(...row)
        await breakIt(proxy)
        throw failure
      },
    })
    const error = await refusalOf(gate.registerUser(person, { plan: "pro" }))
    expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    const [first, second] = (error.cause as AggregateError).errors
    expect(first).toBe(failure)
    expect(second).toMatchObject({ code: "keycloak_unavailable" })
    const [account] = await accountsNamed(person.username)
    expect(error.message).toContain(account?.id)

    isBroken = false
    await proxy.heal()
    await expectFinished(person, { plan: "pro" })
  })

  it("and so does the undo, keeps the account from whoever registers its name, its owner having logged out", async () => {
    const person = newPerson()
    let isBroken = true
    gate = makeGate({
      ...store,
      async saveUser(...row) {
        if (!isBroken) return store.saveUser(...row)
        isBroken = false
        await proxy.goDown()
        throw failure
      },
    })
    await refusalOf(gate.registerUser(person, { plan: "pro" }))
    await proxy.heal()
    const [account] = await accountsNamed(person.username)
    const elsewhere = makeGate(store)
    const { accessToken, refreshToken } = await elsewhere.loginWithPassword(person)
    await elsewhere.verifyBearer(`Bearer ${accessToken}`, {})
    await elsewhere.logout(refreshToken)
    expect(await refusalOf(gate.registerUser(person))).toMatchObject({ code: "user_exists" })
    await expectFinished(person, { plan: "pro" })
    expect(await refusalOf(elsewhere.registerUser(person))).toMatchObject({ code: "user_exists" })
    await expectOneAccount(person.username, account?.id ?? "")
    elsewhere.close()
  })

  it("and the answer to the undo gets lost, leaves no account", async () => {
    const person = newPerson()
    gate = makeGate(failing)
    proxy.breakWith(cutAnswer, { at: paths.remove, times: 1 })
    const error: unknown = await gate.registerUser(person).catch((reason: unknown) => reason)
    expect([error, ...(((error as Error).cause as AggregateError | undefined)?.errors ?? [])]).toContain(failure)
    expect(await accountsNamed(person.username)).toEqual([])
  })
})

describe("20 registrations of one name at once", () => {
  it("make one account, and nineteen hear that it exists", async () => {
    const person = newPerson()
    const patient = createGate({ ...throughProxy(proxy), userStore: store, timeoutMs: 20_000 })
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () =>
        patient.registerUser(person).then(
          ({ subject }) => subject,
          ({ code }) => code,
        ),
      ),
    )
    expect(outcomes.filter(outcome => outcome === "user_exists")).toHaveLength(19)
    await expectOneAccount(
      person.username,
      outcomes.find(outcome => outcome !== "user_exists"),
    )
    patient.close()
  })
})
