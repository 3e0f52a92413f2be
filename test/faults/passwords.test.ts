import { setTimeout as delay } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate, type Gate, type GateEvent } from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { answerWith, cutAnswer, reset } from "../support/faults.ts"
import { type Fault, type FaultyServer, startFaultyServer } from "../support/faulty-server.ts"
import { paths } from "../support/paths.ts"
import { forward } from "../support/proxy.ts"
import { refusalOf, secrets, secretsIn } from "../support/refusal-of.ts"

const currentPassword = secrets.password
const newPassword = `${secrets.password}-new`
const resetPassword = /^PUT \/admin\/.*\/reset-password$/
const logOut = /^POST \/admin\/.*\/logout$/
const consents = /^GET \/admin\/.*\/consents$/
const json = { "content-type": "application/json" }
const usedBefore = answerWith({ status: 400, headers: json, body: '{"error":"invalidPasswordHistoryMessage"}' })
const unavailable = answerWith({ status: 503 })

let keycloak: TestRealm
let server: FaultyServer
let gate: Gate<null>
let events: GateEvent[]
let subject: string
let username: string
let count = 0
beforeAll(async () => {
  const realm = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: secrets.clientSecrets[0] })
  keycloak = await startTestRealm({ realm: { ...realm, bruteForceProtected: false }, clientId: "shop-api" })
})
afterAll(() => keycloak.stop())
beforeEach(async () => {
  server = await startFaultyServer(call => forward(keycloak.url, call))
  events = []
  gate = createGate({ ...keycloak.gateOptions, serverUrl: server.url, onEvent: event => void events.push(event) })
  username = `person-${count++}`
  subject = keycloak.addUser({ username, password: currentPassword }).id
  await gate.updateAccount(subject, {}) // so that the service account has its token
})
afterEach(async () => {
  gate.close()
  await server.close()
})

const change = () => ({ username, currentPassword, newPassword })
const logIn = (password: string, scope?: string) => gate.loginWithPassword({ username, password, scope })
const codeOf = async (work: Promise<unknown>) => (await refusalOf(work)).code
const sessions = () => keycloak.users().find(({ id }) => id === subject)?.sessions
const logins = () => server.requests(paths.token)

/** One after the other, each for one request. */
function inTurn(...faults: readonly Fault[]): Fault {
  let index = 0
  return exchange => faults[index++]?.(exchange)
}

describe("changePassword, once the password is changed", () => {
  it.each([
    ["Keycloak ends no session", logOut],
    ["Keycloak tells of no offline session", consents],
  ])("resolves although %s, and ends them when it answers again", async (_, at) => {
    const before = [await logIn(currentPassword), await logIn(currentPassword, "offline_access")]
    server.breakWith(unavailable, { at })
    await gate.changePassword(change())
    expect(server.requests(at)).toBe(3)
    expect(await codeOf(logIn(currentPassword))).toBe("invalid_credentials")
    await server.heal()
    await expect.poll(sessions).toBe(0)
    for (const { refreshToken } of before) {
      expect(await codeOf(gate.refreshSession(refreshToken))).toBe("session_ended")
    }
  })

  it("leaves a login alone that came after the change", async () => {
    const before = [await logIn(currentPassword), await logIn(currentPassword, "offline_access")]
    server.breakWith(unavailable, { at: /\/(sessions|logout)$/ })
    await gate.changePassword(change())
    await delay(2500) // tokens count in seconds, and so does what is known of Keycloak's clock
    const after = [await logIn(newPassword), await logIn(newPassword, "offline_access")]
    expect(sessions()).toBe(5) // with the proof of the current password
    await server.heal()
    await expect.poll(sessions).toBe(2)
    for (const { refreshToken } of after) await gate.refreshSession(refreshToken)
    for (const { refreshToken } of before) {
      expect(await codeOf(gate.refreshSession(refreshToken))).toBe("session_ended")
    }
  })

  it("names the account to onEvent when its sessions can be ended no more", async () => {
    server.breakWith(unavailable, { at: logOut })
    await gate.changePassword(change())
    expect(events.filter(({ type }) => type === "sessions_not_ended")).toEqual([])
    gate.close()
    await expect.poll(() => events.at(-1)).toMatchObject({ type: "sessions_not_ended", subject })
    expect(secretsIn(events)).toEqual([])
  })
})

describe("changePassword whose new password gets no answer", () => {
  it("sets it once more, since setting it twice is setting it once", async () => {
    server.breakWith(cutAnswer, { at: resetPassword, times: 2 })
    await gate.changePassword(change())
    await logIn(newPassword)
  })

  it("finds out with a login that it is in force, and ends the sessions", async () => {
    await logIn(currentPassword)
    server.breakWith(cutAnswer, { at: resetPassword })
    await gate.changePassword(change())
    expect(sessions()).toBe(0)
    await logIn(newPassword)
  })

  it("finds out with a login when a realm that remembers passwords refuses the repetition", async () => {
    server.breakWith(inTurn(cutAnswer, usedBefore), { at: resetPassword })
    await gate.changePassword(change())
    await logIn(newPassword)
  })

  it("names the rule when such a realm refuses the password itself", async () => {
    server.breakWith(usedBefore, { at: resetPassword })
    const before = logins()
    expect(await refusalOf(gate.changePassword(change()))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "newPassword", rule: "invalidPasswordHistoryMessage" }],
    })
    expect(logins() - before).toBe(1)
  })

  it("names the rule that refuses the repetition of a password that never arrived", async () => {
    server.breakWith(reset, { at: resetPassword, times: 1 })
    expect(await refusalOf(gate.changePassword({ ...change(), newPassword: "short" }))).toMatchObject({
      code: "account_rejected",
      fields: [{ field: "newPassword", rule: "invalidPasswordMinLengthMessage" }],
    })
    await logIn(currentPassword)
  })

  it("is a 503 that leaves the current password when none arrived", async () => {
    server.breakWith(reset, { at: resetPassword })
    expect(await refusalOf(gate.changePassword(change()))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
    await logIn(currentPassword)
  })

  it("is finished by sending it again, where it was made and nobody could be asked", async () => {
    await logIn(currentPassword)
    server.breakWith(
      async ({ perform, socket }) => {
        await perform()
        socket.resetAndDestroy()
        await server.goDown()
      },
      { at: resetPassword },
    )
    expect(await codeOf(gate.changePassword(change()))).toBe("keycloak_unavailable")
    await server.heal()
    await gate.changePassword({ ...change(), username: username.toUpperCase() })
    expect(sessions()).toBe(0)
    await logIn(newPassword)
    // Finished once: from now on the old password is wrong, like any other.
    expect(await codeOf(gate.changePassword(change()))).toBe("invalid_credentials")
  })

  it("has its sessions ended also when nobody sends it again", async () => {
    await logIn(currentPassword)
    server.breakWith(cutAnswer, { at: resetPassword })
    server.breakWith(
      inTurn(({ perform, send }) => perform().then(send), reset),
      { at: paths.token },
    )
    expect(await codeOf(gate.changePassword(change()))).toBe("keycloak_unavailable")
    await server.heal()
    await expect.poll(sessions).toBe(0)
  })

  it("tries no second login with a one-time code, which is good for one", async () => {
    server.breakWith(reset, { at: resetPassword })
    const before = logins()
    expect(await codeOf(gate.changePassword({ ...change(), otp: "123456" }))).toBe("keycloak_unavailable")
    expect(logins() - before).toBe(1)
  })

  it("makes nobody else's wrong password count twice", async () => {
    server.breakWith(reset, { at: resetPassword })
    expect(await codeOf(gate.changePassword(change()))).toBe("keycloak_unavailable")
    await server.heal()
    const before = logins()
    const other = { ...change(), currentPassword: "wrong-password", newPassword: `${newPassword}-2` }
    expect(await codeOf(gate.changePassword(other))).toBe("invalid_credentials")
    expect(logins() - before).toBe(1)
  })
})

describe("setPassword", () => {
  it("is a 503 as long as sessions are open, and ends them even if it is not called again", async () => {
    await logIn(currentPassword)
    server.breakWith(unavailable, { at: logOut })
    expect(await codeOf(gate.setPassword(subject, newPassword))).toBe("keycloak_unavailable")
    await logIn(newPassword).then(({ refreshToken }) => gate.logout(refreshToken))
    expect(sessions()).toBe(1)
    await server.heal()
    await expect.poll(sessions).toBe(0)
  })

  it("claims neither success nor refusal when a realm that remembers passwords refuses the repetition", async () => {
    await logIn(currentPassword)
    server.breakWith(inTurn(cutAnswer, usedBefore), { at: resetPassword })
    expect(await codeOf(gate.setPassword(subject, newPassword))).toBe("keycloak_unavailable")
    await expect.poll(sessions).toBe(0)
  })

  it("ends no session when its password certainly did not arrive", async () => {
    await logIn(currentPassword)
    await server.goDown()
    expect(await codeOf(gate.setPassword(subject, newPassword))).toBe("keycloak_unavailable")
    await server.heal()
    await delay(1500)
    expect(sessions()).toBe(1)
  })

  it("leaves sessions alone that it was told to leave", async () => {
    await logIn(currentPassword)
    server.breakWith(cutAnswer, { at: resetPassword })
    expect(await codeOf(gate.setPassword(subject, newPassword, { endSessions: false }))).toBe("keycloak_unavailable")
    gate.close()
    expect(events.filter(({ type }) => type === "sessions_not_ended")).toEqual([])
  })
})

it.each([
  ["logoutEverywhere", () => gate.logoutEverywhere(subject)],
  ["disableAccount", () => gate.disableAccount(subject)],
] as const)("%s ends the offline sessions too, although Keycloak failed between the two kinds", async (_, verb) => {
  await logIn(currentPassword)
  await logIn(currentPassword, "offline_access")
  server.breakWith(unavailable, { at: consents })
  expect(await codeOf(verb())).toBe("keycloak_unavailable")
  expect(sessions()).toBe(1)
  await server.heal()
  await expect.poll(sessions).toBe(0)
})
