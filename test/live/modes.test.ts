import { inspect } from "node:util"
import { beforeAll, describe, expect, inject, it } from "vitest"
import { createGate, memoryUserStore, type VerificationMode } from "../../src/index.js"
import { adminFetch, changedShop, gateTest } from "./realms.ts"

const password = "Passw0rd!"
const alice = { username: "alice", password }
const modes: VerificationMode[] = ["local", "introspection", "userinfo"]
const bearer = (token: string) => `Bearer ${token}`

async function serviceToken(clientId: string): Promise<string> {
  const grant = { grant_type: "client_credentials", client_id: clientId, client_secret: "gate-secret" }
  const url = `${inject("keycloak").url}/realms/gate-test/protocol/openid-connect/token`
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams(grant) })
  return ((await answer.json()) as { access_token: string }).access_token
}

/** What may be presented instead of a good access token, each made by the real server. */
const tokens: Record<string, string> = {}
beforeAll(async () => {
  const login = async (clientId: string, more = {}) =>
    createGate({ ...gateTest(), clientId }).loginWithPassword({ ...alice, scope: "openid", ...more })
  const session = await login("gate-app")
  tokens.id = session.idToken ?? ""
  tokens.refresh = session.refreshToken
  tokens.lightweight = (await login("gate-light")).accessToken
  tokens.otherAudience = (await login("gate-noaud", { username: "bob-admin" })).accessToken
  tokens.expired = (await login("gate-short")).accessToken
  const shop = await changedShop("shop-other", () => undefined)
  tokens.otherRealm = (
    await createGate(shop).loginWithPassword({ username: "edith", password: "Edith-2026!" })
  ).accessToken
  await new Promise(resolve => setTimeout(resolve, 2500)) // gate-short's tokens live 2 s
})

describe.each(modes)("verification %s on the real server", mode => {
  const options = { ...gateTest(), verification: mode, clockToleranceSeconds: 0 }
  const gate = createGate({ ...options, userStore: memoryUserStore() })
  /** Another process, of whose logouts this one hears nothing. */
  const elsewhere = createGate(options)
  const login = () => gate.loginWithPassword({ ...alice, scope: "openid" })

  it("tells who asks", async () => {
    const { accessToken } = await login()
    const principal = await gate.verifyBearer(bearer(accessToken), {})
    expect(principal).toMatchObject({
      kind: "user",
      subject: "a11ce000-0000-4000-8000-000000000001",
      username: "alice",
      email: "alice@example.test",
      emailVerified: true,
      user: { username: "alice", firstName: "Test" },
    })
    expect(principal.realmRoles).toContain("app-user")
    expect(principal.clientRoles["gate-api"]).toEqual(["editor"])
    expect(principal.expiresAt.getTime()).toBeGreaterThan(Date.now())
    expect(JSON.stringify(principal)).not.toContain(accessToken)
    expect(inspect(principal, { showHidden: true, depth: 10 })).not.toContain(accessToken)
  })

  it.each([
    ["id", "type"],
    ["refresh", mode === "introspection" ? "type" : "algorithm"],
    ["expired", "expired"],
    ["otherRealm", "issuer"],
    ["otherAudience", "audience"],
    ["lightweight", "audience"],
  ])("refuses as a bearer token: %s", async (kind, reason) => {
    const error = await gate.verifyBearer(bearer(tokens[kind] ?? "")).then(
      () => expect.unreachable("it was accepted"),
      thrown => thrown,
    )
    expect(error).toMatchObject({ code: "invalid_token", status: 401, reason })
  })

  it("refuses a tampered token", async () => {
    const { accessToken } = await login()
    const [header, payload = "", signature] = accessToken.split(".")
    const claims = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), sub: "other" }
    const forged = `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`
    await expect(gate.verifyBearer(bearer(forged))).rejects.toMatchObject({ code: "invalid_token" })
  })

  it(`${mode === "local" ? "does not see" : "sees at once"} that a session was logged out`, async () => {
    const { accessToken, refreshToken } = await login()
    await gate.verifyBearer(bearer(accessToken), {})
    await elsewhere.logout(refreshToken)
    const after = gate.verifyBearer(bearer(accessToken), {})
    if (mode === "local") await expect(after).resolves.toMatchObject({ username: "alice" })
    else await expect(after).rejects.toMatchObject({ code: "invalid_token", reason: "revoked" })
  })

  it("blames the operator for a wrong secret, and nobody for none, where it asks Keycloak", async () => {
    const { accessToken } = await login()
    const { clientSecret: _, ...open } = options
    const outcomes = [createGate({ ...options, clientSecret: "wrong" }), createGate(open)].map(one =>
      one.verifyBearer(bearer(accessToken)).then(
        principal => principal?.username,
        error => error.code,
      ),
    )
    const expected = mode === "introspection" ? ["keycloak_refused_us", "config_invalid"] : ["alice", "alice"]
    expect(await Promise.all(outcomes)).toEqual(expected)
  })
})

// gate-admin was imported without the scope `service_account`, so its tokens have no `client_id`; gate-app has it.
describe.each(["gate-admin", "gate-app"])("the service account's token of %s", clientId => {
  const store = memoryUserStore()
  let token = ""
  beforeAll(async () => {
    token = await serviceToken(clientId)
  })

  it("is a service without a row, which a guard for people refuses", async () => {
    const gate = createGate({ ...gateTest(), audience: "gate-api", userStore: store })
    const principal = await gate.verifyBearer(bearer(token))
    expect(principal).toMatchObject({ kind: "service", user: null, username: `service-account-${clientId}` })
    expect(await store.findUser(principal ?? { issuer: "", subject: "" })).toBeNull()
    await expect(gate.verifyBearer(bearer(token), {})).rejects.toMatchObject({
      code: "insufficient_scope",
      status: 403,
    })
    await expect(gate.verifyBearer(bearer(token), { kind: "service" })).resolves.toMatchObject({
      kind: "service",
    })
  })

  it("gets a row once that was switched on", async () => {
    const gate = createGate({ ...gateTest(), audience: "gate-api", userStore: store, syncServiceAccounts: true })
    const principal = await gate.verifyBearer(bearer(token))
    expect(await store.findUser(principal ?? { issuer: "", subject: "" })).toMatchObject({
      username: `service-account-${clientId}`,
    })
  })
})

describe("a token of another kind of client", () => {
  const verify = async (clientId: string, audience: string) => {
    const { accessToken } = await createGate({ ...gateTest(), clientId }).loginWithPassword(alice)
    return createGate({ ...gateTest(), audience }).verifyBearer(bearer(accessToken))
  }

  it.each(["gate-es256", "gate-atjwt", "gate-public"])("is accepted from %s", async clientId => {
    expect(await verify(clientId, "gate-api")).toMatchObject({ username: "alice" })
  })

  it("is accepted from the issuer of a realm whose name has blanks and umlauts", async () => {
    const shop = await changedShop("shop-plain", () => undefined)
    await adminFetch("DELETE", `/realms/${encodeURIComponent("Büro 1")}`)
    await adminFetch("PUT", "/realms/shop-plain", { realm: "Büro 1" })
    const gate = createGate({ ...shop, realm: "Büro 1" })
    const session = await gate.loginWithPassword({ username: "edith", password: "Edith-2026!" })
    expect((await gate.verifyBearer(bearer(session.accessToken), {})).issuer).toMatch(/\/realms\/B%C3%BCro%201$/)
  })
})

describe("internalUrl", () => {
  it("serves everything while tokens carry the public issuer", async () => {
    const { url } = inject("keycloak")
    const shop = await changedShop("shop-public", realm => {
      realm.attributes = { ...realm.attributes, frontendUrl: "https://sso.example.test" }
    })
    const person = {
      username: "zoe",
      email: "zoe@example.test",
      firstName: "Zoe",
      lastName: "Z",
      password: "Zoe-2026!",
    }
    for (const verification of modes) {
      const gate = createGate({
        ...shop,
        serverUrl: "https://sso.example.test",
        internalUrl: url,
        verification,
        userStore: memoryUserStore(),
      })
      await gate.ready()
      if (verification === "local") await gate.registerUser(person)
      const session = await gate.loginWithPassword({ ...person, username: "zoe" })
      const principal = await gate.verifyBearer(bearer(session.accessToken), {})
      expect(principal.issuer).toBe("https://sso.example.test/realms/shop-public")
      await gate.logout((await gate.refreshSession(session.refreshToken)).refreshToken)
    }
  })
})
