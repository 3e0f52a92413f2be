import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { createGate, type Gate } from "../../src/index.js"
import { defaultRealm } from "../../src/testing/default-realm.js"
import { startTestRealm } from "../../src/testing/index.js"
import { answerLate, answerWith, changeAnswer, cutAnswer } from "../support/faults.ts"
import { type FaultyRealm, startFaultyRealm } from "../support/faulty-realm.ts"
import { type Fault, startFaultyServer } from "../support/faulty-server.ts"
import { paths } from "../support/paths.ts"
import { forward } from "../support/proxy.ts"
import { refusalOf, secrets } from "../support/refusal-of.ts"

let realm: FaultyRealm
let gate: Gate<null>
let refreshToken = ""
let logins = 0
beforeEach(async () => {
  realm = await startFaultyRealm()
  gate = createGate({ ...realm.gateOptions, onEvent: () => undefined })
  logins = 0
  refreshToken = await logIn()
})
afterEach(async () => {
  vi.useRealTimers()
  gate.close()
  await realm.close()
})
const asked = () => realm.requests(paths.token) - logins
const tenTimes = <Result>(work: () => Promise<Result>) => Promise.all(Array.from({ length: 10 }, work))

async function logIn(username = "ada"): Promise<string> {
  logins += 1
  return (await gate.loginWithPassword({ username, password: secrets.password })).refreshToken
}

describe("refreshSession", () => {
  it("sends one request for ten calls that overlap, and all get its session", async () => {
    realm.breakWith(answerLate(50))
    const sessions = await tenTimes(() => gate.refreshSession(refreshToken))
    expect(asked()).toBe(1)
    expect(new Set(sessions.map(({ accessToken }) => accessToken)).size).toBe(1)
  })

  it("gives whoever comes a moment later the same session, as often as they come", async () => {
    const first = await gate.refreshSession(refreshToken)
    const second = await gate.refreshSession(refreshToken)
    expect(second).toMatchObject({ accessToken: first.accessToken, refreshToken: first.refreshToken })
    expect(asked()).toBe(1)
  })

  it("gives the newest session to a third tab that still has the token before the last", async () => {
    const first = await gate.refreshSession(refreshToken)
    const second = await gate.refreshSession(first.refreshToken)
    expect((await gate.refreshSession(refreshToken)).refreshToken).toBe(second.refreshToken)
    expect(asked()).toBe(2)
  })

  it("takes the time that has passed off what it gives again, and asks once the grace is over", async () => {
    vi.useFakeTimers({ toFake: ["performance"] })
    const { expiresInSeconds } = await gate.refreshSession(refreshToken)
    vi.advanceTimersByTime(3500)
    expect((await gate.refreshSession(refreshToken)).expiresInSeconds).toBe(expiresInSeconds - 4)
    vi.advanceTimersByTime(1500)
    await gate.refreshSession(refreshToken)
    expect(asked()).toBe(2)
  })

  it("asks each time with refreshGraceSeconds 0", async () => {
    const without = createGate({ ...realm.gateOptions, refreshGraceSeconds: 0 })
    await without.refreshSession(refreshToken)
    await without.refreshSession(refreshToken)
    expect(asked()).toBe(2)
    await without.close()
  })

  let username = ""
  const ends: Record<string, (subject: string) => Promise<unknown>> = {
    logout: () => gate.logout(refreshToken),
    logoutEverywhere: subject => gate.logoutEverywhere(subject),
    disableAccount: subject => gate.disableAccount(subject),
    deleteAccount: subject => gate.deleteAccount(subject),
    setPassword: subject => gate.setPassword(subject, "another password 1", { endSessions: false }),
    changePassword: () =>
      gate.changePassword({ username, currentPassword: secrets.password, newPassword: "another password 1" }),
  }
  it.each(Object.keys(ends))("gives nothing again after %s, not even what was asked for before", async name => {
    username = `lin-${name.toLowerCase()}`
    realm.addUser({ username, password: secrets.password })
    refreshToken = await logIn(username)
    const { accessToken } = await gate.refreshSession(refreshToken)
    const subject = String(JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString()).sub)
    realm.breakWith(answerLate(200), { times: 1, at: paths.token })
    const early = gate.refreshSession((await gate.refreshSession(refreshToken)).refreshToken).catch(() => null)
    await ends[name]?.(subject)
    await early
    const before = asked()
    await gate.refreshSession(refreshToken).catch(() => null)
    expect(asked()).toBe(before + 1)
  })

  it("does not give the answer that is on its way to whoever comes after the session was ended", async () => {
    let isRenewed = false
    const renewLate: Fault = async ({ perform, send }) => {
      const reply = await perform()
      isRenewed = true
      setTimeout(send, 500, reply)
    }
    realm.breakWith(renewLate, { times: 1, at: paths.token })
    const early = gate.refreshSession(refreshToken)
    await vi.waitUntil(() => isRenewed)
    await gate.logout(refreshToken)
    const late = await refusalOf(gate.refreshSession(refreshToken))
    await early.catch(() => null)
    expect([late.code, asked()]).toEqual(["session_ended", 2])
  })

  it("gives nothing again once sessions are ended that could not be ended at once", async () => {
    const { accessToken } = await gate.refreshSession(refreshToken)
    const subject = String(JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString()).sub)
    realm.breakWith(answerWith({ status: 503, headers: {}, body: "{}" }), {
      times: 5,
      at: /^POST .*\/users\/[^/]+\/logout$/,
    })
    expect((await refusalOf(gate.logoutEverywhere(subject))).code).toBe("keycloak_unavailable")
    await gate.refreshSession(refreshToken)
    await vi.waitFor(() => expect(gate.health().unfinished).toBe(0), 10_000)
    expect((await refusalOf(gate.refreshSession(refreshToken))).code).toBe("session_ended")
  })

  it("remembers nothing that names no session, since no logout could end it", async () => {
    const payload = Buffer.from(JSON.stringify({ sub: "somebody" })).toString("base64url")
    realm.breakWith(
      changeAnswer(answer => ({ ...answer, refresh_token: `e30.${payload}.AA` })),
      { at: paths.token },
    )
    await gate.refreshSession(refreshToken)
    await gate.refreshSession(refreshToken)
    expect(asked()).toBe(2)
  })

  it("shares a refusal as well, and asks again after it", async () => {
    const ended = { status: 400, body: '{"error":"invalid_grant","error_description":"Session not active"}' }
    realm.breakWith(answerWith({ ...ended, headers: { "content-type": "application/json" } }), { times: 1 })
    const errors = await tenTimes(() => refusalOf(gate.refreshSession(refreshToken)))
    expect(errors.map(({ code }) => code)).toEqual(Array(10).fill("session_ended"))
    expect(asked()).toBe(1)
    await gate.refreshSession(refreshToken)
    expect(asked()).toBe(2)
  })

  it("is sent once although its answer is lost, and works with the same token afterwards", async () => {
    realm.breakWith(cutAnswer, { times: 1 })
    expect((await refusalOf(gate.refreshSession(refreshToken))).code).toBe("keycloak_unavailable")
    expect(asked()).toBe(1)
    await gate.refreshSession(refreshToken)
  })

  it("says that the session is over where a lost answer has used up the token for good", async () => {
    const shop = defaultRealm({ realm: "shop", clientId: "shop-api", clientSecret: secrets.clientSecrets[0] })
    const keycloak = await startTestRealm({ realm: { ...shop, revokeRefreshToken: true } })
    const server = await startFaultyServer(call => forward(keycloak.url, call))
    const { username, password } = keycloak.addUser({ username: "grace" })
    const revoking = createGate({ ...keycloak.gateOptions, serverUrl: server.url, onEvent: () => undefined })
    const session = await revoking.loginWithPassword({ username, password: String(password) })
    server.breakWith(cutAnswer, { times: 1 })
    expect((await refusalOf(revoking.refreshSession(session.refreshToken))).code).toBe("keycloak_unavailable")
    expect((await refusalOf(revoking.refreshSession(session.refreshToken))).code).toBe("session_ended")
    await revoking.loginWithPassword({ username, password: String(password) })
    revoking.close()
    await server.close()
    await keycloak.stop()
  })

  it("does not mix the sessions of two people", async () => {
    realm.addUser({ username: "grace", password: secrets.password })
    const other = await logIn("grace")
    realm.breakWith(answerLate(50))
    const [one, two] = await Promise.all([gate.refreshSession(refreshToken), gate.refreshSession(other)])
    expect(one.accessToken).not.toBe(two.accessToken)
    expect(asked()).toBe(2)
  })
})
