import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type Gate, type MemoryUser } from "../../../src/index.js"
import { type People, type Person, password, startPeople } from "../../live/people.ts"
import { answerWith, cutAnswer, hangBeforeHeaders, hangInBody, reset } from "../../support/faults.ts"
import type { Fault, FaultyServer } from "../../support/faulty-server.ts"
import { type Mailbox, startMailbox } from "../../support/mailbox.ts"
import { startProxy } from "../../support/proxy.ts"
import { refusalOf } from "../../support/refusal-of.ts"

const timeoutMs = 6000
let people: People
let mailbox: Mailbox
beforeAll(async () => {
  people = await startPeople("shop-account-faults")
  mailbox = await startMailbox()
  await mailbox.attach("shop-account-faults")
})
afterAll(async () => {
  await mailbox.goDown()
  await people.close()
})

interface World {
  readonly proxy: FaultyServer
  readonly gate: Gate<MemoryUser>
}

/** A gate with a proxy of its own: most of these tests wait most of the time, several at once. */
async function inWorld(test: (world: World) => Promise<void>): Promise<void> {
  const proxy = await startProxy(people.options.serverUrl)
  const through = { ...people.options, internalUrl: proxy.url, timeoutMs }
  const gate = createGate({ ...through, userStore: people.store, onEvent: () => undefined })
  try {
    await test({ proxy, gate })
  } finally {
    gate.close()
    await proxy.close()
  }
}

const verbs: Readonly<Record<string, (gate: Gate<MemoryUser>, person: Person) => Promise<unknown>>> = {
  updateAccount: (gate, { subject }) => gate.updateAccount(subject, { firstName: `Ada ${Math.random()}` }),
  setPassword: (gate, { subject }) => gate.setPassword(subject, password),
  changePassword: (gate, { username }) =>
    gate.changePassword({ username, currentPassword: password, newPassword: password }),
  sendPasswordReset: (gate, { email }) => gate.sendPasswordReset(email),
  sendEmailVerification: (gate, { subject }) => gate.sendEmailVerification(subject),
  disableAccount: (gate, { subject }) => gate.disableAccount(subject),
  enableAccount: (gate, { subject }) => gate.enableAccount(subject),
  deleteAccount: (gate, { subject }) => gate.deleteAccount(subject),
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

describe.concurrent.each(Object.keys(verbs))("%s", name => {
  const verb = (gate: Gate<MemoryUser>, person: Person) =>
    verbs[name]?.(gate, person) ?? Promise.reject(new Error("no such verb"))

  // How long each may take is what test/faults/verb-limits.test.ts measures.
  it.each(faults)("is a 503 when the Admin API %s, and works when called again", (_, fault) =>
    inWorld(async ({ proxy, gate }) => {
      const person = await people.newPerson()
      proxy.breakWith(fault, { at: admin })
      expect(await refusalOf(verb(gate, person))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      await proxy.heal()
      await verb(gate, person)
    }),
  )

  it("asks with a new token when Keycloak no longer takes the service account's", () =>
    inWorld(async ({ proxy, gate }) => {
      const person = await people.newPerson()
      const unauthorized = answerWith({ status: 401, headers: json, body: '{"error":"HTTP 401 Unauthorized"}' })
      proxy.breakWith(unauthorized, { at: admin, times: 1 })
      await verb(gate, person)
    }))

  it("blames the operator when the service account may not manage users", () =>
    inWorld(async ({ proxy, gate }) => {
      const person = await people.newPerson()
      const forbidden = answerWith({ status: 403, headers: json, body: '{"error":"HTTP 403 Forbidden"}' })
      proxy.breakWith(forbidden, { at: admin })
      const error = await refusalOf(verb(gate, person))
      expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
      expect(error.message).toContain("manage-users")
    }))
})

describe("changePassword on the way to the real server", () => {
  const newPassword = `${password}-new`
  const change = (gate: Gate<MemoryUser>, { username }: Person) =>
    gate.changePassword({ username, currentPassword: password, newPassword })
  const login = ({ username }: Person, given: string, scope?: string) =>
    people.gate.loginWithPassword({ username, password: given, scope })

  it("ends later the sessions that it could not end, and none that came after it", () =>
    inWorld(async ({ proxy, gate }) => {
      const person = await people.newPerson()
      const before = [await login(person, password), await login(person, password, "offline_access")]
      const noSessions = answerWith({ status: 503, headers: html, body: "<h1>Back soon</h1>" })
      proxy.breakWith(noSessions, { at: /^(GET|POST) \/admin\/.*\/(sessions|logout)$/ })
      await change(gate, person)
      await delay(2500) // tokens count in seconds, and so does what is known of Keycloak's clock
      const after = [await login(person, newPassword), await login(person, newPassword, "offline_access")]
      await proxy.heal()
      await expect.poll(() => people.sessionsOf(person.subject)).toBe(1)
      for (const { refreshToken } of before) {
        const isOver = async () => (await refusalOf(people.gate.refreshSession(refreshToken))).code
        await expect.poll(isOver).toBe("session_ended")
      }
      for (const { refreshToken } of after) await people.gate.refreshSession(refreshToken)
    }))

  it("finds out that it is in force when the realm remembers passwords and refuses the repetition", () =>
    inWorld(async ({ proxy, gate }) => {
      const person = await people.newPerson()
      expect(await people.administer("PUT", "", { passwordPolicy: "passwordHistory(3)" })).toBe(204)
      proxy.breakWith(cutAnswer, { at: /\/reset-password$/, times: 1 })
      await change(gate, person)
      expect(proxy.requests(/\/reset-password$/)).toBe(2)
      await login(person, newPassword)
      expect(await people.administer("PUT", "", { passwordPolicy: "" })).toBe(204)
    }))
})

describe("disableAccount, when another process writes the account at the same time", () => {
  it("writes again what that one has undone", () =>
    inWorld(async ({ proxy, gate }) => {
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
    }))
})
