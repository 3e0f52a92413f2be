import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser } from "../../../src/index.js"
import { type People, type Person, password, startPeople } from "../../live/people.ts"
import { answerWith, cutAnswer, hangBeforeHeaders, hangInBody, reset } from "../../support/faults.ts"
import type { Fault, FaultyServer } from "../../support/faulty-server.ts"
import { type Mailbox, startMailbox } from "../../support/mailbox.ts"
import { startProxy } from "../../support/proxy.ts"
import { refusalOf } from "../../support/refusal-of.ts"

const timeoutMs = 4000
let people: People
let mailbox: Mailbox
let proxy: FaultyServer
let gate: Gate<MemoryUser>
beforeAll(async () => {
  people = await startPeople("shop-account-faults")
  mailbox = await startMailbox()
  await mailbox.attach("shop-account-faults")
})
afterAll(async () => {
  await mailbox.goDown()
  await people.close()
})
beforeEach(async () => {
  proxy = await startProxy(people.options.serverUrl)
  gate = createGate({
    ...people.options,
    internalUrl: proxy.url,
    userStore: people.store,
    timeoutMs,
    onEvent: () => undefined,
  })
})
afterEach(async () => {
  gate.close()
  await proxy.close()
})

const verbs: Readonly<Record<string, (person: Person) => Promise<unknown>>> = {
  updateAccount: ({ subject }) => gate.updateAccount(subject, { firstName: `Ada ${Math.random()}` }),
  setPassword: ({ subject }) => gate.setPassword(subject, password),
  changePassword: ({ username }) => gate.changePassword({ username, currentPassword: password, newPassword: password }),
  sendPasswordReset: ({ email }) => gate.sendPasswordReset(email),
  sendEmailVerification: ({ subject }) => gate.sendEmailVerification(subject),
  disableAccount: ({ subject }) => gate.disableAccount(subject),
  enableAccount: ({ subject }) => gate.enableAccount(subject),
  deleteAccount: ({ subject }) => gate.deleteAccount(subject),
}

const html = { "content-type": "text/html" }
const json = { "content-type": "application/json" }
const faults: readonly (readonly [string, Fault])[] = [
  ["resets the connection", reset],
  ["does the work and cuts the answer", cutAnswer],
  ["never answers", hangBeforeHeaders],
  ["hangs in the body", hangInBody],
  ["answers 502 with HTML", answerWith({ status: 502, headers: html, body: "<h1>Bad Gateway</h1>" })],
  ["answers 429", answerWith({ status: 429, headers: { ...json, "retry-after": "7" }, body: "{}" })],
  ["answers 200 with HTML", answerWith({ status: 200, headers: html, body: "<h1>Back soon</h1>" })],
  [
    "answers 404 with HTML, which is nobody's unknown account",
    answerWith({ status: 404, headers: html, body: "<h1>" }),
  ],
  ["answers 403 with HTML", answerWith({ status: 403, headers: html, body: "<h1>Forbidden</h1>" })],
]
const admin = /^(GET|PUT|POST|DELETE) \/admin\//

describe.each(Object.keys(verbs))("%s", name => {
  const verb = (person: Person) => verbs[name]?.(person) ?? Promise.reject(new Error("no such verb"))

  it.each(faults)("is a 503 in bounded time when the Admin API %s, and works when called again", async (_, fault) => {
    const person = await people.newPerson()
    proxy.breakWith(fault, { at: admin })
    const startedAt = performance.now()
    expect(await refusalOf(verb(person))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    expect(performance.now() - startedAt).toBeLessThan(3 * timeoutMs)
    await proxy.heal()
    await verb(person)
  })

  it("asks with a new token when Keycloak no longer takes the service account's", async () => {
    const person = await people.newPerson()
    const unauthorized = answerWith({ status: 401, headers: json, body: '{"error":"HTTP 401 Unauthorized"}' })
    proxy.breakWith(unauthorized, { at: admin, times: 1 })
    await verb(person)
  })

  it("blames the operator when the service account may not manage users", async () => {
    const person = await people.newPerson()
    const forbidden = answerWith({ status: 403, headers: json, body: '{"error":"HTTP 403 Forbidden"}' })
    proxy.breakWith(forbidden, { at: admin })
    const error = await refusalOf(verb(person))
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
    expect(error.message).toContain("manage-users")
  })
})

describe("disableAccount, when another process writes the account at the same time", () => {
  it("writes again what that one has undone", async () => {
    const { subject } = await people.newPerson()
    let writes = 0
    proxy.breakWith(
      async ({ perform, send }) => {
        const reply = await perform()
        if (++writes === 1) await people.administer("PUT", `/users/${subject}`, { enabled: true })
        send(reply)
      },
      { at: /^PUT \/admin\/.*\/users\/[^/]+$/ },
    )
    await gate.disableAccount(subject)
    expect(writes).toBe(2)
    expect(await people.accountOf(subject)).toMatchObject({ enabled: false })
  })
})
