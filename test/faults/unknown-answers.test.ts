import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, isGateError, type MemoryUser, memoryUserStore } from "../../src/index.js"
import { answerWith } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { secrets } from "../support/refusal-of.ts"

const { email, password } = secrets
const words = "The flux capacitor is not charged"
// A line break would write a second line into a log. The rest is more than a log should take.
const said = `${words} \n\u001b[2K ${"and on ".repeat(2000)}`
const person = { username: "lovelace", email, firstName: "Ada", lastName: "Lovelace", password }

type Verb = (gate: Gate<MemoryUser>, token: string) => Promise<unknown>
const ofTokens: readonly (readonly [string, Verb])[] = [
  ["loginWithPassword", gate => gate.loginWithPassword(person)],
  ["refreshSession", (gate, token) => gate.refreshSession(token)],
  ["logout", (gate, token) => gate.logout(token)],
  ["ready", gate => gate.ready()],
]
const ofAccounts: readonly (readonly [string, Verb])[] = [
  ["registerUser", gate => gate.registerUser(person)],
  ["updateAccount", gate => gate.updateAccount("s-1", { firstName: "Augusta" })],
  ["setPassword", gate => gate.setPassword("s-1", password)],
  ["sendPasswordReset", gate => gate.sendPasswordReset(email)],
  ["sendEmailVerification", gate => gate.sendEmailVerification("s-1")],
  ["disableAccount", gate => gate.disableAccount("s-1")],
  ["enableAccount", gate => gate.enableAccount("s-1")],
  ["logoutEverywhere", gate => gate.logoutEverywhere("s-1")],
  ["sessions", gate => gate.sessions("s-1")],
  ["endSession", gate => gate.endSession("s-1", "s-1")],
  ["deleteAccount", gate => gate.deleteAccount("s-1")],
]
const changePassword: readonly [string, Verb] = [
  "changePassword",
  gate => gate.changePassword({ subject: "s-1", currentPassword: password, newPassword: `${password}2` }),
]
const statuses = [400, 401, 403, 404, 405, 409, 412, 418, 422, 451]
const odd = (status: number) =>
  answerWith({
    status,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ error: "flux_error", error_description: said }),
  })

let realm: FaultyRealm
beforeEach(async () => {
  realm = await startFaultyRealm()
})
afterEach(() => realm.close())

/** What the log hears while one verb runs. */
async function heardOf(verb: Verb, options: object = {}): Promise<string> {
  const messages: string[] = []
  const gate = createGate({
    ...realm.gateOptions,
    timeoutMs: 2000,
    userStore: memoryUserStore(),
    ...options,
    onEvent: event => "error" in event && messages.push(event.error.message),
  })
  await verb(gate, await realm.mint()).catch((error: unknown) => {
    if (isGateError(error)) messages.push(error.message)
  })
  await gate.close()
  return messages.join("\n")
}

function expectWords(heard: string, status: number): void {
  const line = heard.split("\n").find(one => one.includes(words)) ?? expect.unreachable(`no words in: ${heard}`)
  expect(line).toMatch(new RegExp(`${status} flux_error:? ${words}\\b`))
  expect(line.length).toBeLessThan(1000)
  expect(line).not.toMatch(/\p{Cc}/u)
}

describe.each(statuses)("an answer of %i that says what nobody knows reaches the log in its own words", status => {
  it.each(ofTokens)("where %s asks for tokens", async (_, verb) => {
    realm.breakWith(odd(status), { at: /protocol\/openid-connect\/(token|logout)$/ })
    expectWords(await heardOf(verb), status)
  })

  it.each([...ofAccounts, changePassword])("where %s asks the Admin API", async (_, verb) => {
    realm.breakWith(odd(status), { at: /\/admin\// })
    expectWords(await heardOf(verb), status)
  })

  it.each(ofAccounts)("where %s asks for its own token", async (_, verb) => {
    realm.breakWith(odd(status), { at: /protocol\/openid-connect\/token$/ })
    expectWords(await heardOf(verb), status)
  })

  it.each(["introspection", "userinfo"] as const)("where verifyBearer asks in the mode %s", async verification => {
    realm.breakWith(odd(status), { at: /openid-connect\/(token\/introspect|userinfo)$/ })
    const verify: Verb = (gate, token) => gate.verifyBearer(`Bearer ${token}`)
    expectWords(await heardOf(verify, { verification }), status)
  })
})
