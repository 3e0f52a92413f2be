import { createServer, type Server } from "node:net"
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest"
import { createGate, type GateError, type GateEvent, type GateOptions } from "../../src/index.js"
import { startFaultyServer } from "../support/faulty-server.ts"
import { forward } from "../support/proxy.ts"
import { keycloakVersion } from "./keycloak/distribution.ts"
import { federate, type LdapDirectory, startLdapDirectory } from "./ldap-directory.ts"
import { adminFetch, changedShop, gateTest, type TestClient } from "./realms.ts"

const password = "Passw0rd!"
const edith = { username: "edith", password: "Edith-2026!" }
type Options = GateOptions<never> & { userStore?: undefined }

async function findingsOf(options: Options): Promise<GateError> {
  const gate = createGate(options)
  const error = await gate.ready().then(
    () => expect.unreachable("ready() found nothing"),
    thrown => thrown,
  )
  gate.close()
  return error
}

/** What the log hears when a token is refused. */
async function refusalOf(options: Options, token: string): Promise<GateError> {
  const heard: GateEvent[] = []
  const gate = createGate({ ...options, onEvent: event => heard.push(event) })
  await expect(gate.verifyBearer(`Bearer ${token}`)).rejects.toMatchObject({ code: "invalid_token" })
  const event = heard[0]
  if (event?.type !== "refusal") return expect.unreachable("no refusal was reported")
  return event.error
}

const tokenOf = async (options: Options, login: { username: string; password: string; scope?: string }) =>
  (await createGate(options).loginWithPassword(login)).accessToken

const listeners: Server[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const listener of listeners.splice(0)) listener.close()
})

describe("ready()", () => {
  it("finds nothing wrong with the realm that users import", async () => {
    const options = await changedShop("shop-untouched", () => undefined)
    await expect(createGate(options).ready()).resolves.toBeUndefined()
  })

  it("says that there is no such realm", async () => {
    const error = await findingsOf({ ...gateTest(), realm: "Gate-Test" })
    expect(error.code).toBe("keycloak_refused_us")
    expect(error.message).toMatch(/has no realm "Gate-Test".*case-sensitive.*Set `realm`/)
  })

  it("says that there is no Keycloak under a path", async () => {
    const error = await findingsOf({ ...gateTest(), serverUrl: `${inject("keycloak").url}/auth` })
    expect(error.code).toBe("keycloak_refused_us")
    expect(error.message).toMatch(/No Keycloak API under .*\/auth.*Set `serverUrl` .*to the part before/)
  })

  it("says why Keycloak can't be reached: refused, no such host, not TLS, silent", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1")
    listeners.push(silent)
    await new Promise(resolve => silent.once("listening", resolve))
    const port = (silent.address() as { port: number }).port
    const closed = createServer().listen(0, "127.0.0.1")
    await new Promise(resolve => closed.once("listening", resolve))
    const closedPort = (closed.address() as { port: number }).port
    await new Promise(resolve => closed.close(resolve))
    const cases: [string, RegExp][] = [
      [`http://127.0.0.1:${closedPort}`, /connection refused \(ECONNREFUSED\)/],
      ["https://keycloak.invalid", /no such host \(ENOTFOUND\)|can't be looked up \(EAI_AGAIN\)/],
      [inject("keycloak").url.replace("http:", "https:"), /not TLS: `https` to an http port/],
      [`http://127.0.0.1:${port}`, /no answer within 300 ms/],
    ]
    for (const [serverUrl, why] of cases) {
      const error = await findingsOf({ ...gateTest(), serverUrl, timeoutMs: 300 })
      expect(error).toMatchObject({ code: "keycloak_unavailable", status: 503 })
      expect(error.message).toMatch(why)
      expect(error.message).toMatch(/Callers get 503.*`(internalUrl|serverUrl)`/)
    }
  })

  it("tells a wrong secret from an unknown client, once", async () => {
    const secret = await findingsOf({ ...gateTest(), clientSecret: "wrong\n" })
    expect(secret.message).toMatch(
      /^Keycloak knows the client "gate-app" but not this secret.*line breaks.*Credentials.*KEYCLOAK_CLIENT_SECRET/,
    )
    expect(secret.message).not.toContain("wrong")
    const client = await findingsOf({ ...gateTest(), clientId: "gate-ap" })
    expect(client.message).toMatch(/^There is no enabled client "gate-ap" in realm "gate-test".*not the UUID/)
  })

  it("says that the service account is off", async () => {
    const options = await changedShop("shop-no-service", (realm, client) => {
      client.serviceAccountsEnabled = false
      realm.users = realm.users.filter(user => user.serviceAccountClientId === undefined)
    })
    const error = await findingsOf(options)
    expect(error.message).toMatch(/registerUser needs the service account of "shop-api".*Service account roles/)
    await expect(createGate(options).ready({ uses: ["verifyBearer", "loginWithPassword"] })).resolves.toBeUndefined()
  })

  it("says that manage-users is missing, as registering does", async () => {
    const options = await changedShop("shop-no-role", realm => {
      for (const user of realm.users) delete user.clientRoles?.["realm-management"]
    })
    const mend = /may not create users \(403\).*Assign role.*manage-users.*Full scope allowed/
    expect((await findingsOf(options)).message).toMatch(mend)
    const person = { username: "zoe", email: "zoe@example.test", firstName: "Zoe", lastName: "Z", password }
    await expect(createGate(options).registerUser(person)).rejects.toMatchObject({
      code: "keycloak_refused_us",
      message: expect.stringMatching(mend),
    })
  })

  it("says that direct access grants are off, as logging in does", async () => {
    const options = await changedShop("shop-no-grants", (_, client) => {
      client.directAccessGrantsEnabled = false
    })
    const mend = /has direct access grants off.*not a wrong password.*Capability config/
    expect((await findingsOf(options)).message).toMatch(mend)
    await expect(createGate(options).loginWithPassword(edith)).rejects.toMatchObject({
      code: "keycloak_refused_us",
      message: expect.stringMatching(mend),
    })
  })

  it("says that the audience mapper is missing, as refusing a token does", async () => {
    const options = await changedShop("shop-no-audience", (realm, client) => {
      client.protocolMappers = []
      for (const user of realm.users) if (user.username === "edith") user.clientRoles = {}
    })
    const mend = /expected "shop-api".*Clients → shop-api → .*Included Client Audience = shop-api/
    expect((await findingsOf(options)).message).toMatch(mend)
    const refusal = await refusalOf(options, await tokenOf(options, edith))
    expect(refusal).toMatchObject({ reason: "audience", message: expect.stringMatching(mend) })
  })

  it("says that Keycloak's issuer is another one", async () => {
    const options = await changedShop("shop-front", realm => {
      realm.attributes = { ...realm.attributes, frontendUrl: "https://sso.example.test" }
    })
    const error = await findingsOf(options)
    expect(error.message).toMatch(
      /issuer is "https:\/\/sso.example.test\/realms\/shop-front", expected "http.*`internalUrl`.*--hostname/,
    )
  })

  it("says that this machine's clock is wrong", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 })
    expect((await findingsOf(gateTest())).message).toMatch(
      /clock is (5[5-9]\d|60\d) s ahead of Keycloak's.*time synchronisation/,
    )
    vi.setSystemTime(Date.now() - 1_200_000)
    expect((await findingsOf(gateTest())).message).toMatch(/clock is (59\d|6[0-4]\d) s behind Keycloak's/)
  })

  it("names everything that is wrong at once", async () => {
    const error = await findingsOf({ ...gateTest(), clientId: "gate-nodag" })
    expect(error.message).toMatch(/^1\. .*direct access grants off[\s\S]*\n2\. .*service account/)
    expect((error.cause as AggregateError).errors).toHaveLength(2)
  })

  it("looks at nothing but verification for a gate without a secret", async () => {
    const { clientSecret: _, ...open } = gateTest()
    await expect(createGate({ ...open, clientId: "gate-api" }).ready()).resolves.toBeUndefined()
  })
})

describe("the log message of a refusal", () => {
  it("tells two addresses of one server apart", async () => {
    const other = { ...gateTest(), serverUrl: inject("keycloak").url.replace("127.0.0.1", "localhost") }
    const refusal = await refusalOf(gateTest(), await tokenOf(other, { username: "alice", password }))
    expect(refusal.reason).toBe("issuer")
    expect(refusal.message).toMatch(
      /issuer is "http:\/\/localhost.*expected "http:\/\/127.0.0.1.*only the host differs.*`internalUrl`/,
    )
  })

  it("names the public address where the issuer differs in its path, and that address works", async () => {
    const { url } = inject("keycloak")
    const options = await changedShop("shop-path", realm => {
      realm.attributes = { ...realm.attributes, frontendUrl: `${url}/sso` }
    })
    const token = await tokenOf(options, edith)
    // A first token has the keys loaded: without them nothing proves whose address it is.
    const heard: GateEvent[] = []
    const gate = createGate({ ...options, onEvent: event => heard.push(event) })
    await gate.ready().catch(() => undefined)
    await expect(gate.verifyBearer(`Bearer ${token}`)).rejects.toMatchObject({ reason: "issuer" })
    expect((heard.at(-1) as { error: GateError }).error.message).toMatch(
      new RegExp(`public address.*: set \`serverUrl\` to it and \`internalUrl\` to ${url}\\.$`),
    )
    const mended = createGate({ ...options, serverUrl: `${url}/sso`, internalUrl: url })
    await expect(mended.verifyBearer(`Bearer ${token}`)).resolves.toMatchObject({ username: "edith" })
  })

  it("says what a lightweight token lacks, and introspection takes it", async () => {
    const light = { ...gateTest(), clientId: "gate-light" }
    const token = await tokenOf({ ...light, audience: null }, { username: "alice", password })
    expect(await refusalOf({ ...light, audience: null }, token)).toMatchObject({
      reason: "claims",
      message: expect.stringMatching(/^Refused a lightweight.*without `sub`.*"introspection".*Add to lightweight/),
    })
    expect(await refusalOf(gateTest(), token)).toMatchObject({
      reason: "audience",
      message: expect.stringMatching(/^Refused a lightweight.*no audience.*Audience mapper.*Add to lightweight/),
    })
  })

  it("names the switch that makes the type of every token small letters", async () => {
    const { id } = (
      (await (await adminFetch("GET", "/realms/gate-test/clients?clientId=gate-nodag")).json()) as [{ id: string }]
    )[0]
    const switched = (on: boolean) =>
      adminFetch("PUT", `/realms/gate-test/clients/${id}`, {
        directAccessGrantsEnabled: on,
        attributes: { "token.response.type.bearer.lower-case": String(on) },
      })
    await switched(true)
    const options = { ...gateTest(), clientId: "gate-nodag", audience: null }
    const token = await tokenOf(options, { username: "alice", password }).finally(() => switched(false))
    expect(await refusalOf(options, token)).toMatchObject({
      reason: "type",
      message: expect.stringMatching(
        /Clients → gate-nodag → Advanced → .*Use lower-case bearer type in token responses/,
      ),
    })
  })

  it("says that a token is too large, not that it is malformed", async () => {
    const token = await tokenOf(gateTest(), { username: "alice", password })
    expect(await refusalOf({ ...gateTest(), maxTokenBytes: 500 }, token)).toMatchObject({
      reason: "too_large",
      message: expect.stringMatching(/more than 500 bytes.*Full scope allowed/),
    })
  })

  it("tells an ID token from an access token", async () => {
    const gate = createGate(gateTest())
    const { idToken = "" } = await gate.loginWithPassword({ username: "alice", password, scope: "openid" })
    expect(await refusalOf(gateTest(), idToken)).toMatchObject({
      reason: "type",
      message: expect.stringMatching(/ID token.*Send the access_token/),
    })
  })

  it("does not blame the client alone where a proxy may have taken the Authorization header away, and ready() knows", async () => {
    const proxy = await startFaultyServer(({ headers: { authorization: _, ...headers }, ...call }) =>
      forward(inject("keycloak").url, { ...call, headers }),
    )
    const options = { ...gateTest(), serverUrl: proxy.url }
    await expect(createGate(options).loginWithPassword({ username: "alice", password })).rejects.toMatchObject({
      code: "keycloak_refused_us",
      message: expect.stringMatching(/no enabled client "gate-app".*proxy that takes the Authorization header away/),
    })
    expect((await findingsOf(options)).message).toMatch(/Authorization/)
    await proxy.close()
  })

  it("suspects the clock when fresh tokens look expired", async () => {
    const token = await tokenOf(gateTest(), { username: "alice", password })
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 })
    expect(await refusalOf(gateTest(), token)).toMatchObject({
      reason: "expired",
      message: expect.stringMatching(/clock is ahead.*time synchronisation/),
    })
  })

  it("says of an unfinished account that it is, although its owner hears of a wrong password", async () => {
    const heard: GateEvent[] = []
    const gate = createGate({ ...gateTest(), onEvent: event => heard.push(event) })
    const login = gate.loginWithPassword({ username: "heidi-noprofile", password })
    await expect(login).rejects.toMatchObject({ code: "invalid_credentials", status: 401 })
    const message = expect.stringMatching(/Right password, but the account is unfinished.*`revealAccountState` is off/)
    expect(heard).toMatchObject([{ type: "refusal", error: { code: "invalid_credentials", message } }])
  })

  it("says what may be unfinished about an account with the right password", async () => {
    const gate = createGate({ ...gateTest(), revealAccountState: true })
    await expect(gate.loginWithPassword({ username: "heidi-noprofile", password })).rejects.toMatchObject({
      code: "account_setup_required",
      message: expect.stringMatching(/not fully set up.*first name, last name or e-mail/),
    })
  })
})

describe("an account of a directory (LDAP)", () => {
  const [lena, leo, uma] = ["lena", "leo", "uma"].map(username => ({ username, password })) as [
    typeof edith,
    typeof edith,
    typeof edith,
  ]
  let shop: TestClient
  let directories: LdapDirectory[]
  beforeAll(async () => {
    shop = await changedShop("shop-directory", () => undefined)
    directories = await Promise.all([lena, leo, uma].map(person => startLdapDirectory([person])))
    const [ofLena, ofLeo, ofUma] = directories as [LdapDirectory, LdapDirectory, LdapDirectory]
    await federate(shop.realm, ofLena, { editMode: "READ_ONLY", isImported: false })
    await federate(shop.realm, ofLeo, { editMode: "READ_ONLY", isImported: true })
    await federate(shop.realm, ofUma, { editMode: "UNSYNCED", isImported: true })
  })
  afterAll(async () => {
    await Promise.all(directories.map(directory => directory.close()))
    await adminFetch("DELETE", `/realms/${shop.realm}`)
  })

  const newPassword = "Another-2026!"
  const subjectOf = async (person: typeof edith) => {
    const gate = createGate(shop)
    const { accessToken } = await gate.loginWithPassword(person)
    return (await gate.verifyToken(accessToken)).subject
  }
  const readOnly = (field: string) => ({
    code: "account_rejected",
    status: 422,
    fields: [{ field, rule: "read_only", params: [] }],
  })

  it("that Keycloak only reads is refused every change as read only", async () => {
    const gate = createGate(shop)
    const subject = await subjectOf(lena)
    const change = { username: "lena", currentPassword: password, newPassword }
    await expect(gate.setPassword(subject, newPassword)).rejects.toMatchObject(readOnly("password"))
    await expect(gate.changePassword(change)).rejects.toMatchObject(readOnly("newPassword"))
    await expect(gate.disableAccount(subject)).rejects.toMatchObject(readOnly("enabled"))
    await expect(gate.deleteAccount(subject)).rejects.toMatchObject(readOnly("enabled"))
    await expect(gate.updateAccount(subject, { firstName: "Helena" })).rejects.toMatchObject(readOnly("firstName"))
    await expect(gate.updateAccount(subject, { emailVerified: true })).rejects.toMatchObject(readOnly("emailVerified"))
    await expect(subjectOf(lena)).resolves.toBe(subject)
  })

  it("whose copy Keycloak keeps can be disabled, and has its password and names in the directory alone", async () => {
    const gate = createGate(shop)
    const subject = await subjectOf(leo)
    await expect(gate.setPassword(subject, newPassword)).rejects.toMatchObject(readOnly("password"))
    await expect(gate.updateAccount(subject, { lastName: "Lion" })).rejects.toMatchObject(readOnly("lastName"))
    await gate.disableAccount(subject)
    await expect(gate.loginWithPassword(leo)).rejects.toMatchObject({ code: "invalid_credentials" })
    await gate.enableAccount(subject)
    await expect(subjectOf(leo)).resolves.toBe(subject)
  })

  it("that Keycloak may overlay (UNSYNCED) takes a new password and names", async () => {
    const gate = createGate(shop)
    const subject = await subjectOf(uma)
    await gate.setPassword(subject, newPassword)
    await expect(gate.updateAccount(subject, { firstName: "Uma" })).resolves.toMatchObject({ firstName: "Uma" })
    await expect(gate.loginWithPassword({ ...uma, password: newPassword })).resolves.toBeTruthy()
  })

  it("whose directory is out of reach is an outage where Keycloak says so, and others log in", async () => {
    await Promise.all(directories.map(directory => directory.close()))
    const gate = createGate(shop)
    await expect(gate.loginWithPassword(leo)).rejects.toMatchObject({
      code: "keycloak_unavailable",
      message: expect.stringMatching(/it answered 500 \(unknown_error: .*consult the server log.*Read its log/),
    })
    await expect(gate.loginWithPassword(edith)).resolves.toBeTruthy()
    const zoe = { username: "zoe", email: "zoe@example.test", firstName: "Zoe", lastName: "Z", password: "Passw0rd!12" }
    const register = () => expect(gate.registerUser(zoe))
    const logInAsStranger = () => expect(gate.loginWithPassword({ username: "nobody", password }))
    if (keycloakVersion === "26.4.7") {
      // It wants to see in the directory who somebody is, and fails.
      await register().rejects.toMatchObject({ code: "keycloak_unavailable" })
      await logInAsStranger().rejects.toMatchObject({ code: "keycloak_unavailable" })
      return
    }
    await register().resolves.toMatchObject({ username: "zoe" })
    // Of whom it has seen nothing yet, Keycloak says what it says of a wrong password.
    await logInAsStranger().rejects.toMatchObject({
      code: "invalid_credentials",
      message: expect.stringMatching(/directory \(LDAP\) that it can't reach/),
    })
  })
})
