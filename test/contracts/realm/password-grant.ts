import { createHmac } from "node:crypto"
import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import { about, client, createRealmClient, password, type RealmClient, withoutTokens } from "./realm-client.ts"

type Ask = (realm: RealmClient) => Promise<{ status: number; body: unknown }>
type Row = readonly [name: string, ask: Ask, status: number, error: string, description: string | null]

const grant = (more: Record<string, string> = {}) => ({
  grant_type: "password",
  username: "bob-admin",
  password,
  ...more,
})
const wrong = { password: "Wrong-2026!" }
const invalid = [400, "invalid_grant", "Invalid user credentials"] as const
const badClient = "Invalid client or Invalid client credentials"
const unfinished = [400, "invalid_grant", "Account is not fully set up"] as const
const json = { "content-type": "application/json" }
const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString("base64")}` })

const refusals: readonly Row[] = [
  ["a wrong password", realm => realm.login("bob-admin", wrong), ...invalid],
  ["an unknown user", realm => realm.login("nobody"), ...invalid],
  ["a disabled user with a wrong password", realm => realm.login("carol-disabled", wrong), ...invalid],
  [
    "a disabled user with the right password",
    realm => realm.login("carol-disabled"),
    400,
    "invalid_grant",
    "Account disabled",
  ],
  ["a temporary password", realm => realm.login("dave-temp"), ...unfinished],
  ["a temporary password that is wrong", realm => realm.login("dave-temp", wrong), ...invalid],
  ["a required action", realm => realm.login("erin-verify"), ...unfinished],
  ["a profile without e-mail and names", realm => realm.login("heidi-noprofile"), ...unfinished],
  ["a user without a password", realm => realm.login("grace-nopw"), ...invalid],
  ["an empty password", realm => realm.login("bob-admin", { password: "" }), ...invalid],
  ["no password", realm => realm.token({ grant_type: "password", username: "bob-admin" }), ...invalid],
  ["an empty username", realm => realm.login(""), ...invalid],
  ["a username with a blank before it", realm => realm.login(" bob-admin"), ...invalid],
  ["a username with a blank behind it", realm => realm.login("bob-admin "), ...invalid],
  ["a username with a line break", realm => realm.login("bob-admin\r\n"), ...invalid],
  ["a username with NUL", realm => realm.login("bob-admin\0"), ...invalid],
  ["a username of 5,000 letters", realm => realm.login("x".repeat(5000)), ...invalid],
  ["a password of 5,000 letters", realm => realm.login("bob-admin", { password: "x".repeat(5000) }), ...invalid],
  ["a password with a blank behind it", realm => realm.login("bob-admin", { password: `${password} ` }), ...invalid],
  ["a service account", realm => realm.login("service-account-gate-app"), ...invalid],
  ["a missing one-time code", realm => realm.login("frank-otp"), ...invalid],
  ["a wrong one-time code", realm => realm.login("frank-otp", { totp: "000000" }), ...invalid],
  [
    "a client without direct access grants",
    realm => realm.token(grant(), client("gate-nodag")),
    ...([400, "unauthorized_client", "Client not allowed for direct access grants"] as const),
  ],
  [
    "a client without direct access grants, even for a wrong password",
    realm => realm.token(grant(wrong), client("gate-nodag")),
    ...([400, "unauthorized_client", "Client not allowed for direct access grants"] as const),
  ],
  [
    "a wrong secret",
    realm => realm.token(grant(), { id: "gate-app", secret: "x" }),
    401,
    "unauthorized_client",
    badClient,
  ],
  ["a missing secret", realm => realm.token(grant(), { id: "gate-app" }), 401, "unauthorized_client", badClient],
  [
    "a wrong secret in Basic",
    realm => realm.post("token", grant(), basic("gate-app:x")),
    401,
    "unauthorized_client",
    badClient,
  ],
  ["an unknown client", realm => realm.token(grant(), client("nobody")), 401, "invalid_client", badClient],
  ["no client", realm => realm.token(grant(), null), 401, "invalid_client", badClient],
  ["an empty client id", realm => realm.token(grant(), { id: "" }), 401, "invalid_client", badClient],
  ["a disabled client", realm => realm.token(grant(), client("gate-disabled")), 401, "invalid_client", badClient],
  [
    "a bearer-only client",
    realm => realm.token(grant(), client("gate-bearer-only")),
    400,
    "invalid_client",
    "Bearer-only not allowed",
  ],
  [
    "a client that needs consent",
    realm => realm.token(grant(), client("gate-consent")),
    ...([400, "invalid_client", "Client requires user consent"] as const),
  ],
  [
    "no username",
    realm => realm.token({ grant_type: "password", password }),
    ...([401, "invalid_request", "Missing parameter: username"] as const),
  ],
  [
    "an unknown scope",
    realm => realm.login("bob-admin", { scope: "openid nope" }),
    400,
    "invalid_scope",
    "Invalid scopes: openid nope",
  ],
  ["an empty scope", realm => realm.login("bob-admin", { scope: "" }), 400, "invalid_scope", "Invalid scopes: "],
  ...[" email", "openid  email", "OPENID"].map(
    (scope): Row => [
      `the scope ${JSON.stringify(scope)}`,
      realm => realm.login("bob-admin", { scope }),
      ...([400, "invalid_scope", `Invalid scopes: ${scope}`] as const),
    ],
  ),
  [
    "an unknown scope before a wrong password",
    realm => realm.login("bob-admin", { ...wrong, scope: "nope" }),
    400,
    "invalid_scope",
    "Invalid scopes: nope",
  ],
  [
    "an offline session for a user without the role",
    realm => realm.login("nora-norole", { scope: "offline_access" }),
    ...([400, "not_allowed", "Offline tokens not allowed for the user or client"] as const),
  ],
  [
    "a client that demands DPoP without a proof",
    realm => realm.token(grant(), client("gate-dpop")),
    ...([400, "invalid_request", "DPoP proof is missing"] as const),
  ],
  [
    "a field sent twice",
    realm => realm.token("grant_type=password&username=bob-admin&username=bob-admin"),
    ...([400, "invalid_request", "duplicated parameter"] as const),
  ],
  [
    "no grant type",
    realm => realm.token({ username: "bob-admin" }),
    400,
    "invalid_request",
    "Missing form parameter: grant_type",
  ],
  [
    "JSON instead of a form",
    realm => realm.post("token", grant(), json),
    400,
    "invalid_request",
    "Missing form parameter: grant_type",
  ],
  [
    "an unknown grant type",
    realm => realm.token(grant({ grant_type: "magic" })),
    400,
    "unsupported_grant_type",
    "Unsupported grant_type",
  ],
  [
    "an unknown grant type of a client that proves nothing",
    realm => realm.token(grant({ grant_type: "magic" }), null),
    ...([400, "unsupported_grant_type", "Unsupported grant_type"] as const),
  ],
  [
    "another realm",
    realm => createRealmClient({ url: realm.url, realm: "nope" }).token(grant()),
    ...([404, "Realm does not exist", null] as const),
  ],
]

export function describePasswordGrant(open: OpenRealm): void {
  describe("password grant (keycloak-facts.md, Password grant)", () => {
    let realm: RealmClient
    beforeAll(async () => {
      realm = await open("grants", file => {
        file.clients.push(
          { clientId: "gate-disabled", enabled: false, secret: "gate-secret", directAccessGrantsEnabled: true },
          { clientId: "gate-bearer-only", enabled: true, secret: "gate-secret", bearerOnly: true },
          {
            clientId: "gate-consent",
            enabled: true,
            secret: "gate-secret",
            directAccessGrantsEnabled: true,
            consentRequired: true,
          },
        )
        const names = { email: "nora@example.test", firstName: "Test", lastName: "User" }
        file.users.push({
          ...{ username: "nora-norole", enabled: true, ...names },
          credentials: [{ type: "password", value: password }],
        })
        // No case is about the lock here, and each of them fails some logins.
        file.bruteForceProtected = false
      })
    })

    it.each(refusals)("refuses %s", async (_name, ask, status, error, description) => {
      const answer = await ask(realm)
      const body = description === null ? { error } : { error, error_description: description }
      expect({ status: answer.status, body: answer.body }).toEqual({ status, body })
    })

    it("answers with tokens, and with an ID token for the scope openid only", async () => {
      const { status, body, headers } = await realm.login("bob-admin")
      expect(status).toBe(200)
      expect(headers.get("cache-control")).toBe("no-store")
      expect(headers.get("content-type")).toBe("application/json")
      expect(withoutTokens(body)).toEqual({
        access_token: "…",
        expires_in: about(300),
        refresh_expires_in: about(1800),
        refresh_token: "…",
        token_type: "Bearer",
        "not-before-policy": 0,
        session_state: expect.stringMatching(/^[\w-]{24}$/),
        scope: expect.any(String),
      })
      expect(body.scope.split(" ").sort()).toEqual(["email", "profile"])
      const openid = await realm.login("bob-admin", { scope: "openid" })
      expect(openid.body.scope.split(" ")[0]).toBe("openid")
      expect(withoutTokens(openid.body)).toHaveProperty("id_token", "…")
    })

    it.each([
      ["the username in other letters", "BOB-Admin"],
      ["the e-mail", "bob-admin@example.test"],
      ["the e-mail in other letters", "Bob-Admin@EXAMPLE.test"],
    ])("takes %s", async (_name, username) => {
      expect((await realm.login(username)).status).toBe(200)
    })

    it("takes an e-mail that nobody has verified, where the realm does not ask for it", async () => {
      const id = await realm.createUser("una-unverified", { emailVerified: false })
      expect((await realm.login("una-unverified")).status).toBe(200)
      await realm.admin("DELETE", `/users/${id}`)
    })

    it("takes a public client without a secret, and ignores one that it sends", async () => {
      expect((await realm.token(grant(), { id: "gate-public" })).status).toBe(200)
      expect((await realm.token(grant(), { id: "gate-public", secret: "x" })).status).toBe(200)
    })

    it("takes a client's secret in Basic, each part form-encoded", async () => {
      expect((await realm.post("token", grant(), basic("gate%2Dapp:gate%2Dsecret"))).status).toBe(200)
    })

    it("believes the form before Basic", async () => {
      const wrongInForm = { ...grant(), client_id: "gate-app", client_secret: "x" }
      expect((await realm.post("token", wrongInForm, basic("gate-app:gate-secret"))).status).toBe(401)
      const other = { ...grant(), client_id: "gate-public" }
      expect((await realm.post("token", other, basic("gate-app:gate-secret"))).status).toBe(200)
    })

    it("takes a scope twice, and optional scopes", async () => {
      const { body } = await realm.login("bob-admin", { scope: "openid openid email phone" })
      expect(body.scope.split(" ").sort()).toEqual(["email", "openid", "phone", "profile"])
    })

    it("knows one spelling of a password: composed and decomposed letters differ", async () => {
      await realm.createUser("norma-nfc", { credentials: [{ type: "password", value: "Passw0rd-\u00e9" }] })
      expect((await realm.login("norma-nfc", { password: "Passw0rd-\u00e9" })).status).toBe(200)
      expect((await realm.login("norma-nfc", { password: "Passw0rd-e\u0301" })).status).toBe(400)
    })

    it("falls over an account whose stored password is empty", async () => {
      await realm.createUser("edna-empty", { credentials: [{ type: "password", value: "" }] })
      const answer = await realm.login("edna-empty")
      expect(answer.status).toBe(500)
      expect(answer.body).toEqual({
        error: "unknown_error",
        error_description: "For more on this error consult the server log.",
      })
    })

    it.each(["otp", "totp"])("takes a one-time code in the field %s", async field => {
      const login = async () => (await realm.login("frank-otp", { [field]: oneTimeCode() })).status
      await expect.poll(login).toBe(200) // the clock may step on before the check
    })

    it("gives clients their own tokens, without session and refresh token", async () => {
      const { status, body } = await realm.token({ grant_type: "client_credentials" })
      expect(status).toBe(200)
      expect(withoutTokens(body)).toEqual({
        access_token: "…",
        expires_in: about(300),
        refresh_expires_in: 0,
        token_type: "Bearer",
        "not-before-policy": 0,
        scope: expect.any(String),
      })
    })

    it.each([
      [
        "a public client",
        { id: "gate-public" },
        401,
        "unauthorized_client",
        "Public client not allowed to retrieve service account",
      ],
      [
        "a client without service account",
        client("gate-api"),
        401,
        "unauthorized_client",
        "Client not enabled to retrieve service account",
      ],
    ] as const)("gives no token of its own to %s", async (_name, as, status, error, description) => {
      const answer = await realm.token({ grant_type: "client_credentials" }, as)
      expect(answer).toMatchObject({ status, body: { error, error_description: description } })
    })

    it("answers GET with 405", async () => {
      const answer = await realm.get(`/realms/${realm.realm}/protocol/openid-connect/token`)
      expect(answer).toMatchObject({ status: 405, body: { error: "HTTP 405 Method Not Allowed" } })
    })
  })

  describe("a realm with verifyEmail (keycloak-facts.md, Password grant)", () => {
    it("lets nobody in before the e-mail is verified", async () => {
      const realm = await open("verify-email", file => {
        file.verifyEmail = true
      })
      const id = await realm.createUser("una-unverified")
      expect(await realm.login("una-unverified")).toMatchObject({
        status: 400,
        body: { error_description: unfinished[2] },
      })
      expect((await realm.admin("GET", `/users/${id}`)).body.requiredActions).toEqual(["VERIFY_EMAIL"])
      await realm.admin("PUT", `/users/${id}`, { emailVerified: true })
      expect((await realm.login("una-unverified")).status).toBe(400)
      await realm.admin("PUT", `/users/${id}`, { requiredActions: [] })
      expect((await realm.login("una-unverified")).status).toBe(200)
    })
  })

  describe("a disabled realm (keycloak-facts.md, Password grant)", () => {
    it("refuses all but discovery and keys", async () => {
      const realm = await open("disabled", file => {
        file.enabled = false
      })
      const refused = { status: 403, body: { error: "access_denied", error_description: "Realm not enabled" } }
      expect(await realm.login("bob-admin")).toMatchObject(refused)
      expect(await realm.introspect("x")).toMatchObject(refused)
      const paths = ["/.well-known/openid-configuration", "/protocol/openid-connect/certs"]
      for (const path of paths) expect((await realm.get(`/realms/${realm.realm}${path}`)).status).toBe(200)
    })
  })

  describe("one-time codes (keycloak-facts.md, Password grant)", () => {
    it("are good for one login", async () => {
      const realm = await open("otp", file => {
        file.otpPolicyCodeReusable = false
      })
      let code = ""
      // The clock may step on between making a code and its check.
      await expect
        .poll(
          async () => {
            code = oneTimeCode()
            return (await realm.login("frank-otp", { totp: code })).status
          },
          { timeout: 20_000 },
        )
        .toBe(200)
      expect(withoutTokens((await realm.login("frank-otp", { totp: code })).body)).toMatchObject({
        error_description: "Invalid user credentials",
      })
    })
  })

  describe("brute-force protection (keycloak-facts.md, Password grant)", () => {
    const status = (realm: RealmClient, id: string) => realm.admin("GET", `/attack-detection/brute-force/users/${id}`)

    it("locks for a while after too many wrong passwords, the right one included", async () => {
      const realm = await open("brute-force", file => {
        Object.assign(file, { failureFactor: 2, waitIncrementSeconds: 60, quickLoginCheckMilliSeconds: 0 })
      })
      const id = await realm.createUser("ivy-locked")
      expect((await status(realm, id)).body).toEqual({
        ...{ failedLoginNotBefore: 0, numFailures: 0, numTemporaryLockouts: 0, disabled: false },
        ...{ numSecondaryAuthFailures: 0, lastIPFailure: "n/a", lastFailure: 0 },
      })
      await realm.login("ivy-locked", wrong)
      await expect.poll(async () => (await status(realm, id)).body.numFailures).toBe(1)
      expect((await realm.login("ivy-locked")).status).toBe(200)
      await expect.poll(async () => (await status(realm, id)).body.numFailures).toBe(0)
      for (const failures of [1, 2]) {
        await realm.login("ivy-locked", wrong)
        await expect.poll(async () => (await status(realm, id)).body.numFailures).toBe(failures)
      }
      await expect.poll(async () => (await status(realm, id)).body.disabled).toBe(true)
      const locked = (await status(realm, id)).body
      expect(locked).toMatchObject({ numFailures: 2, numTemporaryLockouts: 1, lastIPFailure: "127.0.0.1" })
      expect(locked.failedLoginNotBefore).toBeGreaterThan(Date.now() / 1000 + 30)
      for (const answer of [await realm.login("ivy-locked"), await realm.login("ivy-locked", wrong)])
        expect(answer).toMatchObject({ status: 400, body: { error_description: "Invalid user credentials" } })
      expect((await realm.admin("GET", `/users/${id}`)).body.enabled).toBe(true)
      expect((await realm.admin("DELETE", `/attack-detection/brute-force/users/${id}`)).status).toBe(204)
      expect((await realm.login("ivy-locked")).status).toBe(200)
    })

    it("locks after two quick failures, as by default", async () => {
      const realm = await open("quick-login", file => {
        Object.assign(file, {
          failureFactor: 30,
          quickLoginCheckMilliSeconds: 20_000,
          minimumQuickLoginWaitSeconds: 60,
        })
      })
      const id = await realm.createUser("quentin-quick")
      await realm.login("quentin-quick", wrong)
      await expect.poll(async () => (await status(realm, id)).body.numFailures).toBe(1)
      expect((await status(realm, id)).body.disabled).toBe(false)
      await realm.login("quentin-quick", wrong)
      await expect.poll(async () => (await status(realm, id)).body.disabled).toBe(true)
      expect((await status(realm, id)).body).toMatchObject({ numFailures: 2, numTemporaryLockouts: 0 })
      expect((await realm.login("quentin-quick")).status).toBe(400)
    })

    it("disables for good where the lock is permanent", async () => {
      const realm = await open("permanent", file => {
        Object.assign(file, { permanentLockout: true, failureFactor: 2, quickLoginCheckMilliSeconds: 0 })
      })
      const id = await realm.createUser("petra-permanent")
      for (const failures of [1, 2]) {
        await realm.login("petra-permanent", wrong)
        await expect.poll(async () => (await status(realm, id)).body.numFailures).toBe(failures)
      }
      await expect.poll(async () => (await realm.admin("GET", `/users/${id}`)).body.enabled).toBe(false)
      const account = (await realm.admin("GET", `/users/${id}`)).body
      expect(account.attributes).toEqual({ disabledReason: ["permanentLockout"] })
      const refused = { status: 400, body: { error_description: "Invalid user credentials" } }
      expect(await realm.login("petra-permanent")).toMatchObject(refused)
      await realm.admin("PUT", `/users/${id}`, { ...account, enabled: true })
      expect((await realm.login("petra-permanent")).status).toBe(200)
      expect((await realm.admin("GET", `/users/${id}`)).body.attributes).toBeUndefined()
    })
  })
}

/** The code that frank-otp's generator shows now. */
function oneTimeCode(): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const mac = createHmac("sha1", "abcdefghijklmnopqrst").update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 0xf
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0")
}
