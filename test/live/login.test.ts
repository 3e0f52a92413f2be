import { tracingChannel } from "node:diagnostics_channel"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createGate, type GateError, type GateOptions, memoryUserStore, type VerbMessage } from "../../src/index.js"
import { newPerson, removeAccounts } from "../support/accounts.ts"
import { oneTimeCode } from "../support/one-time-code.ts"
import { adminFetch, changedShop, gateTest, lockingRealm, type TestClient } from "./realms.ts"

const password = "Passw0rd!"
const gate = createGate(gateTest())
const revealing = createGate({ ...gateTest(), revealAccountState: true })
const refusal = (login: Promise<unknown>): Promise<GateError> =>
  login.then(
    () => expect.unreachable("the login was accepted"),
    error => error,
  )

describe("loginWithPassword on the real server", () => {
  it.each([
    ["username", "alice"],
    ["username in other letters", "ALICE"],
    ["e-mail", "alice@example.test"],
  ])("logs in by %s", async (_, username) => {
    const session = await gate.loginWithPassword({ username, password })
    expect(session).toMatchObject({
      tokenType: "Bearer",
      // Keycloak counts from the moment it began: on a busy machine a second less.
      expiresInSeconds: expect.closeTo(300, -1),
      refreshExpiresInSeconds: expect.closeTo(1800, -1),
    })
    expect(session.scope.split(" ").sort()).toEqual(["email", "profile"])
    expect(session.idToken).toBeUndefined()
    expect(Object.isFrozen(session)).toBe(true)
  })

  it("is seen on its tracing channel, with what of its time was Keycloak's", async () => {
    const seen: VerbMessage[] = []
    const hear = (message: unknown) => void seen.push(message as VerbMessage)
    const { asyncEnd } = tracingChannel("keycloak-gate:verb")
    asyncEnd.subscribe(hear)
    await gate.loginWithPassword({ username: "alice", password })
    asyncEnd.unsubscribe(hear)
    expect(seen).toMatchObject([{ name: "loginWithPassword", code: null, keycloak: { requests: 1 } }])
    const [{ durationSeconds, keycloak } = { durationSeconds: 0, keycloak: { seconds: 0 } }] = seen
    expect(keycloak.seconds).toBeGreaterThan(0)
    expect(keycloak.seconds).toBeLessThanOrEqual(Number(durationSeconds))
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
    const locking = await lockingRealm("gate-lock")
    const gate = createGate({ ...locking, revealAccountState: true })
    for (let tries = 0; tries < 6; tries++)
      await refusal(gate.loginWithPassword({ username: "ivan-lock", password: "wrong" }))
    // The lock takes effect after the answer, so the right password is tried until it is refused.
    await expect
      .poll(() => refusal(gate.loginWithPassword({ username: "ivan-lock", password })).then(error => error.code))
      .toBe("invalid_credentials")
    await adminFetch("DELETE", "/realms/gate-lock")
  })

  it.each<[string, Partial<GateOptions<never>>, RegExp]>([
    ["no realm of this name", { realm: "nowhere" }, /no realm "nowhere".*Set `realm`/],
    ["a wrong secret", { clientSecret: "wrong" }, /not this secret.*Credentials → Client Secret/],
    ["no secret", { clientSecret: undefined }, /wants the secret.*none was given.*Credentials → Client Secret/],
    ["an unknown client", { clientId: "nobody" }, /no enabled client "nobody".*Client ID column/],
    ["direct access grants off", { clientId: "gate-nodag" }, /Switch on .*Direct access grants/],
    ["a client that demands DPoP", { clientId: "gate-dpop" }, /Switch off .*Require DPoP/],
  ])("blames the operator, not the person, and names the mend: %s", async (_, wrong, mend) => {
    for (const given of [password, "wrong"]) {
      const gate = createGate({ ...gateTest(), ...wrong, onEvent: () => undefined } as GateOptions<never>)
      const error = await refusal(gate.loginWithPassword({ username: "alice", password: given }))
      expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
      expect(error.message).toMatch(mend)
      expect(gate.refusalFor(error)?.body).toEqual({
        error: "keycloak_refused_us",
        error_description: "The login service does not accept this application.",
      })
    }
  })

  it("neither trims nor normalises what was typed", async () => {
    expect((await refusal(gate.loginWithPassword({ username: " alice", password }))).code).toBe("invalid_credentials")
    expect((await refusal(gate.loginWithPassword({ username: "alice", password: `${password} ` }))).code).toBe(
      "invalid_credentials",
    )
    const person = { ...newPerson(), password: "Cafe\u0301-2026 " }
    await createGate(gateTest()).registerUser(person)
    await gate.loginWithPassword(person)
    const composed = person.password.normalize("NFC")
    expect((await refusal(gate.loginWithPassword({ ...person, password: composed }))).code).toBe("invalid_credentials")
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

/** What the realm `gate-test` does not have. */
describe("loginWithPassword on a realm of its own", { timeout: 180_000 }, () => {
  const realm = "shop-login"
  const secret = "x".repeat(20)
  const made: string[] = []
  let shop: TestClient
  const person = (username: string, more: object = {}) => ({
    ...{ username, enabled: true, email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace" },
    credentials: [{ type: "password", value: password }],
    ...more,
  })
  const otp = {
    type: "otp",
    secretData: '{"value":"abcdefghijklmnopqrst"}',
    credentialData: '{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}',
  }
  const gateFor = (more: object = {}) =>
    createGate({ ...shop, onEvent: () => undefined, ...more } as GateOptions<never>)
  const login = (username: string, more: object = {}, given: object = {}) =>
    gateFor(more).loginWithPassword({ username, password, ...given })

  beforeAll(async () => {
    shop = await changedShop(realm, (template, client) => {
      const lock = { permanentLockout: true, failureFactor: 3, quickLoginCheckMilliSeconds: 0 }
      Object.assign(template, { bruteForceProtected: true, ...lock })
      template.users.push(
        person("ada"),
        person("unverified", { emailVerified: false }),
        person("locked"),
        person("barred", { enabled: false }),
        person("unfinished", { requiredActions: ["UPDATE_PROFILE"] }),
        person("with-otp", { credentials: [{ type: "password", value: password }, otp] }),
      )
      const kind = { ...client, secret, protocolMappers: [], serviceAccountsEnabled: false }
      template.clients.push(
        { ...kind, clientId: "off", enabled: false },
        { ...kind, clientId: "bearer-only", bearerOnly: true },
        { ...kind, clientId: "no-refresh", attributes: { "use.refresh.tokens": "false" } },
      )
    })
    made.push(realm)
  })
  afterAll(async () => {
    for (const name of made) await adminFetch("DELETE", `/realms/${name}`)
  })

  it("lets a person in whose e-mail is not verified, until the realm asks for that", async () => {
    await login("unverified")
    const before = await (await adminFetch("GET", `/realms/${realm}`)).json()
    await adminFetch("PUT", `/realms/${realm}`, { ...(before as object), verifyEmail: true })
    expect((await refusal(login("unverified"))).code).toBe("invalid_credentials")
    expect((await refusal(login("unverified", { revealAccountState: true }))).code).toBe("account_setup_required")
    await adminFetch("PUT", `/realms/${realm}`, { ...(before as object), verifyEmail: false })
  })

  it("gives one answer with one body to whoever can't log in", async () => {
    const refusals = [
      await refusal(login("ada", {}, { password: "wrong" })),
      await refusal(login("nobody")),
      await refusal(login("barred")),
      await refusal(login("barred", {}, { password: "wrong" })),
      await refusal(login("unfinished")),
      await refusal(login("unfinished", {}, { password: "wrong" })),
      await refusal(login("with-otp")),
      await refusal(login("with-otp", {}, { otp: "000000" })),
    ]
    const { refusalFor } = gateFor()
    expect(new Set(refusals.map(error => JSON.stringify(refusalFor(error)))).size).toBe(1)
    expect(refusalFor(refusals[0])).toMatchObject({ status: 401, body: { error: "invalid_credentials" } })
  })

  it("tells the state of an account to nobody without the right password, even once that was switched on", async () => {
    const revealing = { revealAccountState: true }
    expect((await refusal(login("barred", revealing))).code).toBe("account_disabled")
    expect((await refusal(login("unfinished", revealing))).code).toBe("account_setup_required")
    for (const username of ["barred", "unfinished"])
      expect((await refusal(login(username, revealing, { password: "wrong" }))).code).toBe("invalid_credentials")
  })

  it("takes a one-time code once", async () => {
    const code = oneTimeCode("abcdefghijklmnopqrst")
    await login("with-otp", {}, { otp: code })
    expect((await refusal(login("with-otp", {}, { otp: code }))).code).toBe("invalid_credentials")
  })

  it("gives a permanently locked account the answer of a wrong password", async () => {
    for (let tries = 0; tries < 4; tries++) await refusal(login("locked", {}, { password: "wrong" }))
    // Keycloak counts the tries after its answers, and closes the account then.
    const accounts = async () => (await adminFetch("GET", `/realms/${realm}/users?username=locked&exact=true`)).json()
    await expect.poll(accounts).toEqual([expect.objectContaining({ enabled: false })])
    expect((await refusal(login("locked"))).code).toBe("invalid_credentials")
  })

  it.each([
    ["a disabled client", { clientId: "off", clientSecret: secret }, /no enabled client "off"/],
    ["a bearer-only client", { clientId: "bearer-only", clientSecret: secret }, /bearer-only.*Set bearerOnly to false/],
    ["a client without refresh tokens", { clientId: "no-refresh", clientSecret: secret }, /Use refresh tokens/],
  ])("blames the operator, not the person, and names the mend: %s", async (_, wrong, mend) => {
    const error = await refusal(login("ada", wrong))
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
    expect(error.message).toMatch(mend)
  })

  it("blames the operator, not the person, and names the mend: a disabled realm", async () => {
    const options = await changedShop("shop-switched-off", template => {
      template.enabled = false
    })
    made.push("shop-switched-off")
    const error = await refusal(gateFor(options).loginWithPassword({ username: "edith", password }))
    expect(error).toMatchObject({ code: "keycloak_refused_us", status: 500 })
    expect(error.message).toMatch(/"shop-switched-off" is disabled.*Enabled/)
  })

  it("names a scope that the account may not have", async () => {
    await adminFetch("POST", `/realms/${realm}/users`, person("no-roles"))
    const [{ id }] = (await (
      await adminFetch("GET", `/realms/${realm}/users?exact=true&username=no-roles`)
    ).json()) as [{ id: string }]
    const path = `/realms/${realm}/users/${id}/role-mappings/realm`
    await adminFetch("DELETE", path, await (await adminFetch("GET", path)).json())
    expect(await refusal(login("no-roles", {}, { scope: "offline_access" }))).toMatchObject({
      code: "invalid_request",
      fields: [{ field: "scope", rule: "not_allowed" }],
    })
  })

  it("calls a Keycloak that fails an outage: an account whose stored password is empty", async () => {
    const broken = person("broken", { credentials: [{ type: "password", value: "" }] })
    await adminFetch("PUT", `/realms/${realm}`, {
      ...((await (await adminFetch("GET", `/realms/${realm}`)).json()) as object),
      passwordPolicy: "",
    })
    expect((await adminFetch("POST", `/realms/${realm}/users`, broken)).status).toBe(201)
    expect(await refusal(login("broken"))).toMatchObject({ code: "keycloak_unavailable", status: 503 })
  })
})

describe("refreshSession and logout on the real server", { timeout: 180_000 }, () => {
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
    const { accessToken } = await gate.loginWithPassword({ username: "alice", password })
    const other = await createGate({ ...gateTest(), clientId: "gate-es256" }).loginWithPassword({
      username: "alice",
      password,
    })
    for (const token of ["abc.def.ghi", accessToken, other.refreshToken]) {
      expect(await refusal(gate.refreshSession(token))).toMatchObject({ code: "session_ended", status: 401 })
      expect(await refusal(gate.logout(token))).toMatchObject({ code: "session_ended", status: 401 })
    }
    await createGate({ ...gateTest(), clientId: "gate-es256" }).refreshSession(other.refreshToken)
  })

  it("calls the session of a disabled or deleted account an ended one", async () => {
    const person = newPerson()
    const { subject } = await createGate(gateTest()).registerUser(person)
    const { refreshToken } = await gate.loginWithPassword(person)
    await adminFetch("PUT", `/realms/gate-test/users/${subject}`, { enabled: false })
    expect((await refusal(gate.refreshSession(refreshToken))).code).toBe("session_ended")
    await adminFetch("DELETE", `/realms/gate-test/users/${subject}`)
    expect((await refusal(gate.refreshSession(refreshToken))).code).toBe("session_ended")
  })

  it("keeps the session of ten refreshes at once and of two more a moment later, where Keycloak takes a token once", async () => {
    const options = await changedShop("shop-once", template => {
      Object.assign(template, { revokeRefreshToken: true, refreshTokenMaxReuse: 0 })
    })
    const once = createGate(options)
    const { refreshToken } = await once.loginWithPassword({ username: "edith", password: "Edith-2026!" })
    const sessions = await Promise.all(Array.from({ length: 10 }, () => once.refreshSession(refreshToken)))
    expect(new Set(sessions.map(session => session.refreshToken)).size).toBe(1)
    const later = await once.refreshSession(refreshToken)
    expect(later.refreshToken).toBe(sessions[0]?.refreshToken)
    const renewed = await once.refreshSession(later.refreshToken)
    expect((await once.refreshSession(refreshToken)).refreshToken).toBe(renewed.refreshToken)
    await once.logout(renewed.refreshToken)
    expect((await refusal(once.refreshSession(refreshToken))).code).toBe("session_ended")
    await adminFetch("DELETE", "/realms/shop-once")
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
})
