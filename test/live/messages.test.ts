import { createServer, type Server } from "node:net"
import { afterEach, describe, expect, inject, it, vi } from "vitest"
import { createGate, type GateError, type GateEvent, type GateOptions } from "../../src/index.js"
import { changedShop, gateTest } from "./realms.ts"

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

  it("says what a token without sub lacks", async () => {
    const light = { ...gateTest(), clientId: "gate-light", audience: null }
    const refusal = await refusalOf(light, await tokenOf(light, { username: "alice", password }))
    expect(refusal).toMatchObject({
      reason: "claims",
      message: expect.stringMatching(/without `sub`.*`basic`.*lightweight/),
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

  it("suspects the clock when fresh tokens look expired", async () => {
    const token = await tokenOf(gateTest(), { username: "alice", password })
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 })
    expect(await refusalOf(gateTest(), token)).toMatchObject({
      reason: "expired",
      message: expect.stringMatching(/clock is ahead.*time synchronisation/),
    })
  })

  it("says what may be unfinished about an account with the right password", async () => {
    const gate = createGate({ ...gateTest(), revealAccountState: true })
    await expect(gate.loginWithPassword({ username: "heidi-noprofile", password })).rejects.toMatchObject({
      code: "account_setup_required",
      message: expect.stringMatching(/not fully set up.*first name, last name or e-mail/),
    })
  })
})
