import { readFileSync } from "node:fs"
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { createGate, memoryUserStore } from "../../src/index.js"
import { type RealmFile, startTestRealm, type TestRealm, type TestRealmOptions } from "../../src/testing/index.js"

// For what needs no realm of its own: making its keys takes longer than most tests.
let realm: TestRealm
beforeAll(async () => {
  realm = await startTestRealm()
})
afterAll(() => realm.stop())

async function ownRealm(options?: TestRealmOptions): Promise<TestRealm> {
  const own = await startTestRealm(options)
  onTestFinished(() => own.stop())
  return own
}

const gateFor = ({ gateOptions }: TestRealm) => createGate({ ...gateOptions, userStore: memoryUserStore() })
let people = 0
function newPerson() {
  const username = `person-${people++}`
  return { username, email: `${username}@example.test`, firstName: "Ada", lastName: "L", password: "Ada-2026!" }
}
/** The shop's realm with some of it changed, and with roles of realm-management for the client that registers. */
function shopFile(more: Record<string, unknown>, ...roles: readonly string[]): RealmFile & { users: object[] } {
  const file = JSON.parse(readFileSync(new URL("../../examples/realm.json", import.meta.url), "utf8"))
  const account = file.users.find((user: { serviceAccountClientId?: string }) => user.serviceAccountClientId)
  if (roles.length > 0) account.clientRoles = { "realm-management": roles }
  return { ...file, ...more }
}

const bearer = (token: string) => `Bearer ${token}`

describe("startTestRealm", () => {
  it("is set up for all that a gate does", async () => {
    await expect(gateFor(realm).ready()).resolves.toBeUndefined()
  })

  it("registers, logs in, verifies, refreshes and logs out through a gate", async () => {
    const gate = gateFor(realm)
    const person = newPerson()
    const { subject } = await gate.registerUser(person)
    const session = await gate.loginWithPassword(person)
    expect(await gate.verifyBearer(bearer(session.accessToken), {})).toMatchObject({ kind: "user", subject })
    const renewed = await gate.refreshSession(session.refreshToken)
    await gate.logout(renewed.refreshToken)
    await expect(gate.refreshSession(renewed.refreshToken)).rejects.toMatchObject({ code: "session_ended" })
  })

  it("takes the realm file that Keycloak imports", async () => {
    const file = JSON.parse(readFileSync(new URL("../../examples/realm.json", import.meta.url), "utf8"))
    const own = await ownRealm({ realm: file })
    const gate = gateFor(own)
    await gate.ready()
    expect(own.gateOptions).toMatchObject({ realm: "shop", clientId: "shop-api" })
    const token = await own.issueToken("edith")
    const principal = await gate.verifyBearer(bearer(token), { clientRoles: { "shop-api": ["editor"] } })
    expect(principal.username).toBe("edith")
  })

  it("names all that it can't stand in for", async () => {
    const realm = { realm: "shop", nope: 1, identityProviders: [{ alias: "google" }], duplicateEmailsAllowed: true }
    await expect(startTestRealm({ realm })).rejects.toMatchObject({ code: "config_invalid" })
    await expect(startTestRealm({ realm })).rejects.toThrow(/nope.*identityProviders.*duplicateEmailsAllowed/s)
  })

  it.each([
    [{ passwordPolicy: "passwordHistory(3)" }, /passwordHistory/],
    [
      { clients: [{ clientId: "a", protocolMappers: [{ protocolMapper: "oidc-script-mapper" }] }] },
      /oidc-script-mapper/,
    ],
    [{ keycloakVersion: "3.4.3.Final" }, /3\.4\.3\.Final/],
    [{ keycloakVersion: "nightly" }, /nightly/],
    [{ clients: [{ clientId: "a", authenticationFlowBindingOverrides: { direct_grant: "own" } }] }, /clients\.a/],
    [{ clientPolicies: { policies: [{ name: "strict", enabled: true }] } }, /strict/],
    [
      { components: { "org.keycloak.storage.UserStorageProvider": [{ name: "people", providerId: "ldap" }] } },
      /people/,
    ],
    [{ users: [{ username: "ada", federatedIdentities: [{ identityProvider: "google" }] }] }, /users\.ada/],
    [{ attributes: { failureFactor: "many" } }, /failureFactor/],
    [{ users: "ada" }, /users/],
    [{ users: [{ username: "ada", groups: ["/nope"] }] }, /nope/],
  ])("refuses %o rather than overlooking it", async (more, why) => {
    await expect(startTestRealm({ realm: { realm: "shop", ...more } })).rejects.toThrow(why)
  })

  it("names everything in one refusal, each place as `ignore` takes it", async () => {
    const mapper = { name: "script", protocolMapper: "oidc-script-mapper" }
    const file = {
      realm: "shop",
      passwordPolicy: "length(8) and passwordHistory(3)",
      identityProviders: [{ alias: "google" }],
      clients: [
        { clientId: "web", secret: "s", directAccessGrantsEnabled: true, protocolMappers: [mapper] },
        { clientId: "mtls", attributes: { "tls.client.certificate.bound.access.tokens": "true" } },
      ],
      users: [{ username: "ada", groups: ["/nope"] }],
    }
    const refusal: Error = await startTestRealm({ realm: file }).then(
      () => new Error("it was taken"),
      error => error,
    )
    const places = [...refusal.message.matchAll(/^`(.+?)`: /gm)].map(([, place = ""]) => place)
    expect(places.sort()).toEqual([
      "clients.mtls.attributes.tls.client.certificate.bound.access.tokens",
      "clients.web.protocolMappers.script",
      "identityProviders",
      "passwordPolicy.passwordHistory",
      "users.ada.groups",
    ])
    const own = await ownRealm({ realm: file, ignore: places })
    expect(own.gateOptions.clientId).toBe("web")
    expect(own.users()).toMatchObject([{ username: "ada", groups: [] }])
    await ownRealm({ realm: file, ignore: ["mtls", "script", "identityProviders", "passwordHistory", "realm.users"] })
  })

  it("says no secret of a file that it refuses", async () => {
    const secret = "not-to-be-told"
    const file = {
      realm: "shop",
      clients: [{ clientId: "a", secret: { of: secret } }],
      users: [{ username: "ada", credentials: [{ value: { of: secret } }], nope: secret }],
      smtpServer: [secret],
    }
    const refusal: Error = await startTestRealm({ realm: file }).then(
      () => new Error("it was taken"),
      error => error,
    )
    expect(refusal.message).toMatch(/smtpServer.*clients\.a\.secret.*users\.ada/s)
    expect(refusal.message).not.toContain(secret)
  })

  it("takes a realm in several files, and an export of all realms", async () => {
    const shop = { realm: "shop", clients: [{ clientId: "web", directAccessGrantsEnabled: true, publicClient: true }] }
    const users = ["ada", "bob"].map(username => ({ realm: "shop", users: [{ username, enabled: true }] }))
    const own = await ownRealm({ realm: [{ realm: "master", users: [{ username: "admin" }] }, shop, ...users] })
    expect(own.users().map(({ username }) => username)).toEqual(["ada", "bob"])
    await expect(startTestRealm({ realm: [shop, { realm: "other" }] })).rejects.toThrow(/shop, other/)
  })

  it("is not for production", async () => {
    vi.stubEnv("NODE_ENV", "production")
    await expect(startTestRealm()).rejects.toMatchObject({ code: "config_invalid" })
  })
  afterEach(() => vi.unstubAllEnvs())

  it("answers what it does not know with 501 and a sentence", async () => {
    const { url } = realm
    for (const path of ["/", "/realms/master", "/realms/shop/account", "/realms/shop/protocol/openid-connect/auth"]) {
      const answer = await fetch(url + path)
      expect(answer.status).toBe(501)
      expect(((await answer.json()) as { error_description: string }).error_description).toMatch(/test realm/)
    }
  })
})

describe("issueToken", () => {
  it("gives a token whose session Keycloak's userinfo and introspection know", async () => {
    const { username } = realm.addUser(newPerson())
    const token = await realm.issueToken(username)
    for (const verification of ["local", "introspection", "userinfo"] as const) {
      const gate = createGate({ ...realm.gateOptions, verification })
      expect(await gate.verifyBearer(bearer(token), {})).toMatchObject({ username })
    }
  })

  it("puts claims into the token, and leaves out those that are undefined", async () => {
    const user = realm.addUser(newPerson())
    const gate = gateFor(realm)
    const principal = await gate.verifyBearer(
      bearer(await realm.issueToken(user, { plan: "pro", email: undefined })),
      {},
    )
    expect(principal).toMatchObject({ subject: user.id, email: null, claims: { plan: "pro" } })
    const refused = (claims: object) =>
      realm.issueToken(user, { ...claims }).then(token => gate.verifyBearer(bearer(token)))
    await expect(refused({ exp: 1 })).rejects.toMatchObject({ code: "invalid_token", reason: "expired" })
    await expect(refused({ aud: "other" })).rejects.toMatchObject({ reason: "audience" })
    await expect(refused({ typ: "ID" })).rejects.toMatchObject({ reason: "type" })
  })

  it("gives a client's own token for its service account", async () => {
    const token = await realm.issueToken("service-account-shop-api")
    expect(await gateFor(realm).verifyBearer(bearer(token), { kind: "service" })).toMatchObject({ user: null })
  })

  it("refuses a user that the realm does not have", async () => {
    await expect(realm.issueToken("nobody")).rejects.toMatchObject({ code: "config_invalid" })
  })
})

describe("a test realm", () => {
  it("gives a user roles, groups and attributes, made where they are missing", async () => {
    const own = await ownRealm()
    const given = { realmRoles: ["admin"], clientRoles: { "shop-api": ["editor"] }, groups: ["/staff/night"] }
    const { username } = own.addUser({ ...newPerson(), ...given })
    const token = await own.issueToken(username)
    const principal = await gateFor(own).verifyBearer(bearer(token), { realmRoles: ["admin"] })
    expect(principal.clientRoles["shop-api"]).toEqual(["editor"])
    expect(own.users()).toMatchObject([{ username, groups: ["/staff/night"], sessions: 1 }])
  })

  it("makes up what a login needs, unless it is told that there is none", async () => {
    const { password } = realm.addUser({ username: "bob" })
    realm.addUser({ username: "carol", email: null, password: "Carol-2026!" })
    const gate = createGate({ ...realm.gateOptions, revealAccountState: true })
    await gate.loginWithPassword({ username: "bob", password: password ?? "" })
    await expect(gate.loginWithPassword({ username: "carol", password: "Carol-2026!" })).rejects.toMatchObject({
      code: "account_setup_required",
    })
    expect(() => realm.addUser({ username: "BOB" })).toThrow(/already/)
  })

  it("signs with a new key after rotateKeys, and a verifier finds it", async () => {
    const own = await ownRealm()
    const user = own.addUser(newPerson())
    const gate = gateFor(own)
    const before = await own.issueToken(user)
    await gate.verifyBearer(bearer(before))
    await own.rotateKeys()
    const after = await own.issueToken(user)
    expect(after.split(".")[0]).not.toBe(before.split(".")[0])
    await gate.verifyBearer(bearer(after))
    await gate.verifyBearer(bearer(before))
    await own.rotateKeys({ removeOld: true })
    await expect(gateFor(own).verifyBearer(bearer(after))).rejects.toMatchObject({ reason: "key" })
  })

  it("is an outage while it is down, and comes back with all that it had", async () => {
    const person = newPerson()
    realm.addUser(person)
    const gate = gateFor(realm)
    await realm.goDown()
    await expect(gate.loginWithPassword(person)).rejects.toMatchObject({ code: "keycloak_unavailable" })
    await realm.comeBack()
    await gate.loginWithPassword(person)
  })

  it("is an outage for whoever does not wait for it while it is slow", async () => {
    const person = newPerson()
    realm.addUser(person)
    const gate = createGate({ ...realm.gateOptions, timeoutMs: 50 })
    realm.slow(10_000)
    await expect(gate.loginWithPassword(person)).rejects.toMatchObject({ code: "keycloak_unavailable" })
    realm.slow(0)
    await createGate(realm.gateOptions).loginWithPassword(person)
  })

  it("tells a registration what is still to be done, where its service account sees the realm", async () => {
    const own = await ownRealm({ realm: shopFile({ verifyEmail: true }, "manage-users", "view-realm") })
    const registered = await gateFor(own).registerUser(newPerson())
    expect(registered.pending).toContain("VERIFY_EMAIL")
  })

  it("makes the e-mail the username of a user that is added, where the realm does", async () => {
    const own = await ownRealm({ realm: shopFile({ registrationEmailAsUsername: true }) })
    const zoe = own.addUser({ username: "zoe", email: "Zoe@example.test" })
    expect(zoe.username).toBe("zoe@example.test")
    expect(await gateFor(own).verifyBearer(bearer(await own.issueToken(zoe)), {})).toMatchObject({ subject: zoe.id })
  })

  it("is reached inside where its file names a public address", async () => {
    const own = await ownRealm({ realm: shopFile({ attributes: { frontendUrl: "https://id.example.test/auth/" } }) })
    expect(own.gateOptions).toMatchObject({ serverUrl: "https://id.example.test/auth", internalUrl: own.url })
    expect(own.issuer).toBe("https://id.example.test/auth/realms/shop")
    const gate = gateFor(own)
    await gate.ready()
    const { password, username } = own.addUser(newPerson())
    const session = await gate.loginWithPassword({ username, password: String(password) })
    expect(await gate.verifyBearer(bearer(session.accessToken), {})).toMatchObject({ username })
  })

  it("says in a login what it can't compute", async () => {
    const secretData = JSON.stringify({ value: "AA==", salt: "AA==" })
    const credentials = [{ type: "password", secretData, credentialData: JSON.stringify({ algorithm: "scrypt" }) }]
    const users = [{ username: "ada", enabled: true, credentials }]
    const own = await ownRealm({ realm: { ...shopFile({}), users } })
    const answer = await fetch(`${own.issuer}/protocol/openid-connect/token`, {
      method: "POST",
      body: new URLSearchParams({
        ...{ grant_type: "password", username: "ada", password: "x" },
        ...{ client_id: "shop-api", client_secret: own.gateOptions.clientSecret ?? "" },
      }),
    })
    expect(answer.status).toBe(501)
    expect(((await answer.json()) as { error_description: string }).error_description).toMatch(/scrypt/)
    const login = gateFor(own).loginWithPassword({ username: "ada", password: "x" })
    await expect(login).rejects.toThrow(/501 .*can't check a password that is hashed with scrypt/)
  })

  it("starts again at the address it had", async () => {
    const { url, stop } = await startTestRealm()
    await stop()
    expect((await ownRealm({ port: Number(new URL(url).port) })).url).toBe(url)
  })

  it("remembers what was asked, without a secret in it", async () => {
    realm.forgetRequests()
    const gate = gateFor(realm)
    const person = newPerson()
    const { username } = person
    await gate.registerUser(person)
    const session = await gate.loginWithPassword(person)
    await gate.refreshSession(session.refreshToken)
    expect(realm.requests).toContainEqual({
      method: "POST",
      path: "/realms/shop/protocol/openid-connect/token",
      query: {},
      from: "shop-api",
      body: { grant_type: "password", username, password: "…" },
      status: 200,
    })
    expect(realm.requests.filter(({ path }) => path === "/admin/realms/shop/users")).toMatchObject([
      { method: "POST", from: "shop-api", body: { username }, status: 201 },
    ])
    const all = JSON.stringify(realm.requests)
    for (const secret of [person.password, realm.gateOptions.clientSecret ?? "", session.refreshToken])
      expect(all).not.toContain(secret)
    realm.forgetRequests()
    expect(realm.requests).toEqual([])
  })

  it("has keys of its own", async () => {
    const other = await ownRealm()
    const user = realm.addUser(newPerson())
    const gate = createGate({ ...other.gateOptions, serverUrl: realm.url, internalUrl: other.url })
    await expect(gate.verifyBearer(bearer(await realm.issueToken(user)))).rejects.toMatchObject({ reason: "key" })
  })
})
