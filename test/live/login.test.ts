import { createHmac } from "node:crypto"
import { afterAll, describe, expect, it } from "vitest"
import { createGate, type GateError, memoryUserStore } from "../../src/index.js"
import { newPerson, removeAccounts } from "../support/accounts.ts"
import { gateTest } from "./realms.ts"

const password = "Passw0rd!"
const gate = createGate(gateTest())
const revealing = createGate({ ...gateTest(), revealAccountState: true })
const refusal = (login: Promise<unknown>): Promise<GateError> =>
  login.then(
    () => expect.unreachable("the login was accepted"),
    error => error,
  )

/** RFC 6238 with Keycloak's defaults, for the account `frank-otp`. */
function oneTimeCode(secret: string): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const mac = createHmac("sha1", secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0")
}

describe("loginWithPassword on the real server", () => {
  it.each([
    ["username", "alice"],
    ["username in other letters", "ALICE"],
    ["e-mail", "alice@example.test"],
  ])("logs in by %s", async (_, username) => {
    const session = await gate.loginWithPassword({ username, password })
    expect(session).toMatchObject({ tokenType: "Bearer", expiresInSeconds: 300, refreshExpiresInSeconds: 1800 })
    expect(session.scope.split(" ").sort()).toEqual(["email", "profile"])
    expect(session.idToken).toBeUndefined()
    expect(Object.isFrozen(session)).toBe(true)
  })

  it("hands out an ID token for the scope openid", async () => {
    const session = await gate.loginWithPassword({ username: "alice", password, scope: "openid" })
    expect(session.idToken).toEqual(expect.any(String))
  })

  it.each([
    ["a wrong password", "alice", "wrong"],
    ["an unknown user", "nobody", password],
    ["an account without a password", "grace-nopw", password],
    ["a missing one-time code", "frank-otp", password],
    ["a disabled account", "carol-disabled", password],
    ["a temporary password", "dave-temp", password],
    ["an unverified e-mail that must be verified", "erin-verify", password],
    ["an unfinished profile", "heidi-noprofile", password],
  ])("gives one answer: %s", async (_, username, given) => {
    const error = await refusal(gate.loginWithPassword({ username, password: given }))
    expect([error.code, error.status, error.message]).toEqual([
      "invalid_credentials",
      401,
      (await refusal(gate.loginWithPassword({ username: "nobody", password }))).message,
    ])
  })

  it.each([
    ["carol-disabled", "account_disabled"],
    ["dave-temp", "account_setup_required"],
    ["erin-verify", "account_setup_required"],
    ["heidi-noprofile", "account_setup_required"],
  ])("tells the state of %s for the right password once that was switched on", async (username, code) => {
    expect((await refusal(revealing.loginWithPassword({ username, password }))).code).toBe(code)
    expect((await refusal(revealing.loginWithPassword({ username, password: "wrong" }))).code).toBe(
      "invalid_credentials",
    )
  })

  it("takes a one-time code", async () => {
    const session = await gate.loginWithPassword({
      username: "frank-otp",
      password,
      otp: oneTimeCode("abcdefghijklmnopqrst"),
    })
    expect(session.accessToken).toEqual(expect.any(String))
  })

  it("gives a locked account the answer of a wrong password", async () => {
    for (let tries = 0; tries < 6; tries++)
      await refusal(gate.loginWithPassword({ username: "ivan-lock", password: "wrong" }))
    // The lock takes effect asynchronously (KEYCLOAK: up to 500 ms), so the right password is tried until it is refused.
    await expect
      .poll(() => refusal(revealing.loginWithPassword({ username: "ivan-lock", password })).then(error => error.code))
      .toBe("invalid_credentials")
  })

  it.each([
    ["no realm of this name", { realm: "nowhere" }],
    ["a wrong secret", { clientSecret: "wrong" }],
    ["an unknown client", { clientId: "nobody" }],
    ["direct access grants off", { clientId: "gate-nodag" }],
    ["a client that demands DPoP", { clientId: "gate-dpop" }],
  ])("blames the operator, not the person, for %s", async (_, wrong) => {
    const error = await refusal(
      createGate({ ...gateTest(), ...wrong }).loginWithPassword({ username: "alice", password }),
    )
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
  })

  it("names a scope that Keycloak does not know", async () => {
    const error = await refusal(gate.loginWithPassword({ username: "alice", password, scope: "nope" }))
    expect(error).toMatchObject({ code: "invalid_request", fields: [{ field: "scope", rule: "invalid_scope" }] })
  })

  it("logs in through a public client without a secret", async () => {
    const { clientSecret: _, ...open } = { ...gateTest(), clientId: "gate-public" }
    const session = await createGate(open).loginWithPassword({ username: "alice", password })
    expect(session.accessToken).toEqual(expect.any(String))
  })
})

describe("refreshSession and logout on the real server", () => {
  it("gives new tokens until the session was logged out", async () => {
    const session = await gate.loginWithPassword({ username: "alice", password })
    const refreshed = await gate.refreshSession(session.refreshToken)
    expect(refreshed.accessToken).not.toBe(session.accessToken)
    await gate.logout(refreshed.refreshToken)
    expect(await refusal(gate.refreshSession(session.refreshToken))).toMatchObject({
      code: "session_ended",
      status: 401,
    })
  })

  it("lets a session be logged out twice", async () => {
    const { refreshToken } = await gate.loginWithPassword({ username: "alice", password })
    await gate.logout(refreshToken)
    await expect(gate.logout(refreshToken)).resolves.toBeUndefined()
  })

  it("calls a refresh token that is none an ended session", async () => {
    expect((await refusal(gate.refreshSession("abc.def.ghi"))).code).toBe("session_ended")
    expect((await refusal(gate.logout("abc.def.ghi"))).code).toBe("session_ended")
  })
})

describe("logoutEverywhere on the real server", () => {
  const registering = createGate({ ...gateTest(), userStore: memoryUserStore() })
  afterAll(removeAccounts)

  async function loggedIn(scope?: string) {
    const person = newPerson()
    const { subject } = await registering.registerUser(person)
    const login = () => gate.loginWithPassword({ ...person, scope })
    return { subject, sessions: [await login(), await login()] }
  }

  it("ends all sessions of one person and nobody else's", async () => {
    const [ada, bob] = [await loggedIn(), await loggedIn()]
    await gate.logoutEverywhere(ada.subject)
    for (const { refreshToken } of ada.sessions)
      expect(await refusal(gate.refreshSession(refreshToken))).toMatchObject({ code: "session_ended", status: 401 })
    for (const { refreshToken } of bob.sessions) await gate.refreshSession(refreshToken)
  })

  it("ends offline sessions too, which Keycloak's own logout of a user leaves", async () => {
    const { subject, sessions } = await loggedIn("offline_access")
    expect(sessions[0]?.refreshExpiresInSeconds).toBe(0)
    await gate.logoutEverywhere(subject)
    for (const { refreshToken } of sessions)
      expect((await refusal(gate.refreshSession(refreshToken))).code).toBe("session_ended")
  })

  it("can be called again, and for an account that does not exist", async () => {
    const { subject } = await loggedIn()
    await gate.logoutEverywhere(subject)
    await gate.logoutEverywhere(subject)
    await gate.logoutEverywhere("00000000-0000-4000-8000-000000000000")
  })

  it.each([[""], ["."], [".."], [undefined], [null], [7], [["a"]], ["a\nb"]])(
    "refuses the subject %j, which would address more than one account",
    async subject => {
      expect(await refusal(gate.logoutEverywhere(subject as string))).toMatchObject({
        code: "invalid_request",
        fields: [{ field: "subject" }],
      })
    },
  )
})
