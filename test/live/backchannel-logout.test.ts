import { createPrivateKey, randomUUID } from "node:crypto"
import express from "express"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { authenticate, backchannelLogoutHandler, requireUser } from "../../src/adapters/express.js"
import { createGate, type Gate, type GateEvent, type RegisteredUser, type Session } from "../../src/index.js"
import { type Listening, listen } from "../adapters/listen.js"
import { createClient } from "../contracts/adapter.js"
import { signByHand } from "../support/sign-by-hand.ts"
import { withKeys } from "./keycloak/realm-keys.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "shop-logout"
const password = "Ada-2026-Lovelace!"
/** What Keycloak sent, oldest first. */
const heard: string[] = []
const events: GateEvent[] = []

/** The application; people log in at front ends, and at the gate. */
let api: TestClient
let gate: Gate<null>
let app: Listening
/** What the realm signs with, as PEM. */
let realmKey: string

beforeAll(async () => {
  const server = express()
  app = await listen(server)
  const front = { enabled: true, publicClient: true, directAccessGrantsEnabled: true, protocolMappers: [audience()] }
  const hearing = (path: string, more: Record<string, string>) => ({
    "backchannel.logout.url": `${app.url}${path}`,
    ...more,
  })
  const sessionRequired = { "backchannel.logout.session.required": "true" }
  api = await changedShop(realm, shop => {
    shop.components = withKeys(shop).components
    const [{ config = {} } = {}] = Object.values(
      shop.components as Record<string, { config: Record<string, string[]> }[]>,
    )
      .flat()
      .filter(({ config: { algorithm } }) => algorithm?.[0] === "RS256")
    realmKey = config.privateKey?.[0] ?? ""
    shop.passwordPolicy = "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)" // for speed
    shop.clients.push(
      { ...front, clientId: "shop-web", attributes: hearing("/logout", sessionRequired) },
      { ...front, clientId: "shop-app", attributes: hearing("/logout", {}) },
      {
        ...front,
        clientId: "shop-secretly",
        attributes: hearing("/logout", { ...sessionRequired, "id.token.signed.response.alg": "HS256" }),
      },
      { ...front, clientId: "shop-silent" },
    )
  })
  gate = createGate({ ...api, onEvent: event => void events.push(event) })
  const clients = ["shop-web", "shop-app", "shop-secretly"]
  server.post("/logout", express.urlencoded(), (request, _response, next) => {
    heard.push((request.body as { logout_token: string }).logout_token)
    next()
  })
  server.post("/logout", backchannelLogoutHandler(gate, { clients }))
  server.use(authenticate(gate as unknown as Gate<RegisteredUser>))
  server.get("/me", requireUser(), (_request, response) => void response.json({}))
})
afterAll(async () => {
  await gate.close()
  await app.close()
  await adminFetch("DELETE", `/realms/${realm}`)
})

function audience() {
  const config = {
    "included.client.audience": "shop-api",
    "access.token.claim": "true",
    "introspection.token.claim": "true",
  }
  return { name: "audience", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper", config }
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
const statusOf = async (token: string) => (await createClient(app.url).get("/me", `Bearer ${token}`)).status
const statuses = (sessions: readonly Tokens[]) =>
  Promise.all(sessions.map(({ access_token }) => statusOf(access_token)))

/** The token of a session with other claims, as Keycloak would have signed it. */
function signedByRealm({ access_token }: Tokens, claims: object): string {
  const header = JSON.parse(Buffer.from(access_token.split(".")[0] ?? "", "base64url").toString())
  return signByHand(header, { ...claimsOf(access_token), ...claims }, "RS256", createPrivateKey(realmKey))
}

let people = 0
async function newPerson(): Promise<{ id: string; username: string }> {
  const username = `ada-${++people}`
  const names = { email: `${username}@example.test`, firstName: "Ada", lastName: "Lovelace" }
  const credentials = [{ type: "password", value: password }]
  const answer = await adminFetch("POST", `/realms/${realm}/users`, { username, enabled: true, ...names, credentials })
  return { id: answer.headers.get("location")?.split("/").pop() ?? "", username }
}

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}
async function ask(endpoint: string, fields: Record<string, string>): Promise<Response> {
  const address = `${api.serverUrl}/realms/${realm}/protocol/openid-connect/${endpoint}`
  return fetch(address, { method: "POST", body: new URLSearchParams(fields) })
}
const tokensOf = async (answer: Response): Promise<Tokens> => (await answer.json()) as Tokens
const logIn = async ({ username }: { username: string }, clientId = "shop-web", scope = "openid") =>
  tokensOf(await ask("token", { grant_type: "password", client_id: clientId, username, password, scope }))
const refresh = async ({ refresh_token }: Tokens, clientId = "shop-web") =>
  tokensOf(await ask("token", { grant_type: "refresh_token", client_id: clientId, refresh_token }))
const logOut = ({ refresh_token }: Tokens, clientId = "shop-web") =>
  ask("logout", { client_id: clientId, refresh_token })

describe("a logout in Keycloak", () => {
  it("is known to the very next request, among 1,000 tokens, and ends nobody else's", {
    timeout: 120_000,
  }, async () => {
    const [ada, bob] = [await logIn(await newPerson()), await logIn(await newPerson())]
    const more = [await refresh(ada), await refresh(bob)]
    // Keycloak takes a minute for a thousand of its own.
    const others = Array.from({ length: 996 }, () => signedByRealm(bob, { sid: randomUUID(), jti: randomUUID() }))
    const lives = async (tokens: readonly string[]) => new Set(await Promise.all(tokens.map(statusOf)))
    const [adas, bobs] = [
      [ada.access_token, more[0]?.access_token ?? ""],
      [bob.access_token, more[1]?.access_token ?? "", ...others],
    ]
    expect(await lives([...adas, ...bobs])).toEqual(new Set([200]))
    expect((await logOut(ada)).status).toBe(204)
    // Also what was issued for the session, and has not come here yet.
    const unseen = signedByRealm(ada, { jti: randomUUID(), exp: claimsOf(ada.access_token).exp + 60 })
    expect(await lives([...adas, unseen])).toEqual(new Set([401]))
    expect(await lives(bobs)).toEqual(new Set([200]))
  })

  it("ends one of a person's sessions, or all, as the administrator does", async () => {
    const ada = await newPerson()
    const sessions = [await logIn(ada), await logIn(ada), await logIn(ada)]
    expect(await statuses(sessions)).toEqual([200, 200, 200])
    const { sid } = claimsOf(sessions[1]?.access_token ?? "")
    await adminFetch("DELETE", `/realms/${realm}/sessions/${sid}`)
    expect(await statuses(sessions)).toEqual([200, 401, 200])
    await adminFetch("POST", `/realms/${realm}/users/${ada.id}/logout`)
    expect(await statuses(sessions)).toEqual([401, 401, 401])
    expect(await statuses([await logIn(ada)])).toEqual([200])
  })

  it("ends all that the person had until then where the client's tokens name no session", async () => {
    const ada = await newPerson()
    const sessions = [await logIn(ada, "shop-app"), await logIn(ada, "shop-silent")]
    expect(await statuses(sessions)).toEqual([200, 200])
    // The other session lives in Keycloak: until the next second its token could be of a new login.
    const second = Math.floor(Date.now() / 1000)
    await expect.poll(() => Math.floor(Date.now() / 1000), { interval: 50 }).toBeGreaterThan(second)
    await logOut(sessions[0] as Tokens, "shop-app")
    expect(await statuses(sessions)).toEqual([401, 401])
    expect(await statuses([await logIn(ada, "shop-app")])).toEqual([200])
  })

  it("ends an offline session with the browser's that has its id", async () => {
    const ada = await newPerson()
    const offline = await logIn(ada, "shop-web", "openid offline_access")
    const other = await logIn(ada)
    expect(await statuses([offline, other])).toEqual([200, 200])
    await logOut(offline)
    expect(await statuses([offline, other])).toEqual([401, 200])
  })

  it("is heard once: neither is the token taken again, nor is it a token of a request", async () => {
    await logOut(await logIn(await newPerson()))
    const form = `logout_token=${heard.at(-1)}`
    expect(await createClient(app.url).send("POST", "/logout", { form })).toMatchObject({ status: 400 })
    expect(await statusOf(heard.at(-1) ?? "")).toBe(401)
  })

  it("can't be heard where Keycloak signs with a secret of its own, which the operator is told once", async () => {
    const told = () => events.filter(event => event.type === "refusal" && event.error.reason === "algorithm").length
    const before = told()
    for (let n = 0; n < 2; n++) {
      const session = await logIn(await newPerson(), "shop-secretly")
      await logOut(session, "shop-secretly")
      expect(await statuses([session])).toEqual([200])
    }
    expect(told() - before).toBe(1)
  })
})

describe("twenty times logged out everywhere and logged in again at once", () => {
  const ends: [string, string, (id: string) => Promise<unknown>][] = [
    ["by the gate", "shop-silent", id => gate.logoutEverywhere(id)],
    [
      "by an administrator, told by tokens without a session",
      "shop-app",
      id => adminFetch("POST", `/realms/${realm}/users/${id}/logout`),
    ],
  ]
  it.each(ends)("%s: the new session lives, the old one is refused", { timeout: 120_000 }, async (_, clientId, end) => {
    const ada = await newPerson()
    let inOneSecond = 0
    for (let round = 0; round < 20; round++) {
      const before = await logIn(ada, clientId)
      if (round % 2 === 0) expect(await statuses([before])).toEqual([200])
      await end(ada.id)
      const after = await logIn(ada, clientId)
      expect(await statuses([before, after])).toEqual([401, 200])
      // Now remembered.
      expect(await statuses([before, after])).toEqual([401, 200])
      if (claimsOf(before.access_token).iat === claimsOf(after.access_token).iat) inOneSecond++
    }
    expect(inOneSecond).toBeGreaterThan(0)
  })

  it("by the gate, at the gate: Keycloak need not be asked", { timeout: 120_000 }, async () => {
    const ada = await newPerson()
    const own = createGate({ ...api, onEvent: () => undefined })
    const lives = ({ accessToken }: Session) =>
      own.verifyToken(accessToken).then(
        () => true,
        () => false,
      )
    for (let round = 0; round < 20; round++) {
      const before = await own.loginWithPassword({ username: ada.username, password })
      await own.logoutEverywhere(ada.id)
      const after = await own.loginWithPassword({ username: ada.username, password })
      expect([await lives(before), await lives(after)]).toEqual([false, true])
    }
    await own.close()
  })
})

describe("what the gate itself ends", () => {
  const verbs: [string, (person: { id: string; username: string }, session: Session) => Promise<unknown>][] = [
    ["logout", (_, { refreshToken }) => gate.logout(refreshToken)],
    ["logoutEverywhere", ({ id }) => gate.logoutEverywhere(id)],
    ["endSession", ({ id }, { accessToken }) => gate.endSession(id, claimsOf(accessToken).sid)],
    ["disableAccount", ({ id }) => gate.disableAccount(id)],
    ["deleteAccount", ({ id }) => gate.deleteAccount(id)],
    ["setPassword", ({ id }) => gate.setPassword(id, "Another-2026!")],
    [
      "changePassword",
      ({ username }) => gate.changePassword({ username, currentPassword: password, newPassword: "Another-2026!" }),
    ],
  ]
  it.each(verbs)("%s refuses at once what it ends, and nobody else's", async (_, end) => {
    const [ada, bob] = [await newPerson(), await newPerson()]
    const logInHere = ({ username }: { username: string }) =>
      gate.loginWithPassword({ username, password, scope: "openid" })
    const [session, other] = [await logInHere(ada), await logInHere(bob)]
    expect([await statusOf(session.accessToken), await statusOf(other.accessToken)]).toEqual([200, 200])
    await end(ada, session)
    expect([await statusOf(session.accessToken), await statusOf(other.accessToken)]).toEqual([401, 200])
  })

  it("setPassword without ending sessions ends none", async () => {
    const ada = await newPerson()
    const session = await gate.loginWithPassword({ username: ada.username, password })
    await gate.setPassword(ada.id, "Another-2026!", { endSessions: false })
    expect(await statusOf(session.accessToken)).toBe(200)
  })

  it("a logout that Keycloak refuses ends nothing: a text is no proof of a session", async () => {
    const session = await logIn(await newPerson())
    const [header, payload] = session.refresh_token.split(".")
    await expect(gate.logout(`${header}.${payload}.${"A".repeat(86)}`)).rejects.toMatchObject({
      code: expect.any(String),
    })
    expect(await statuses([session])).toEqual([200])
  })
})
