import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest"
import { createGate, type Gate, type GateEvent, type GateOptions, type Session } from "../../src/index.js"
import type { FaultyServer } from "../support/faulty-server.ts"
import { startProxy } from "../support/proxy.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "shop-events"
const password = "Ada-2026-Lovelace!"
const everySeconds = 0.2

let api: TestClient
let proxy: FaultyServer
let gate: Gate<unknown>
const events: GateEvent[] = []
const gates: Gate<unknown>[] = []

function watching(
  more: Partial<GateOptions<never> & { userStore: undefined }> = {},
  heard: GateEvent[] = [],
): Gate<unknown> {
  const onEvent = (event: GateEvent) => void (event.type !== "refusal" && heard.push(event))
  const one = createGate({ ...api, audience: null, onEvent, watchEvents: { everySeconds }, ...more })
  gates.push(one)
  return one
}

beforeAll(async () => {
  proxy = await startProxy(inject("keycloak").url)
  api = await changedShop(realm, shop => {
    shop.eventsEnabled = true
    shop.adminEventsEnabled = true
    const account = shop.users.find(({ username }) => username === "service-account-shop-api")
    account?.clientRoles?.["realm-management"]?.push("view-events")
    const front = { enabled: true, publicClient: true, directAccessGrantsEnabled: true }
    shop.clients.push({ ...front, clientId: "shop-web" }, { ...front, clientId: "shop-app" })
  })
  gate = watching({}, events)
  gates.length = 0
})
afterEach(async () => {
  for (const one of gates.splice(0)) await one.close()
})
afterAll(async () => {
  await gate.close()
  await proxy.close()
})

const admin = async (method: string, path: string, body?: unknown) => {
  const answer = await adminFetch(method, `/realms/${realm}${path}`, body)
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}
const sidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid

interface LoggedIn extends Session {
  readonly id: string
  readonly username: string
}
let people = 0
async function newPerson(): Promise<LoggedIn> {
  people += 1
  const username = `ada-${people}`
  const person = { username, email: `${username}@example.test`, firstName: "Ada", lastName: "L", enabled: true }
  const created = await admin("POST", "/users", { ...person, credentials: [{ type: "password", value: password }] })
  const id = created.headers.get("location")?.split("/").at(-1) ?? ""
  return { ...(await logIn(username)), id, username }
}
function logIn(username: string, clientId = "shop-web", scope = "openid"): Promise<Session> {
  const { clientSecret: _, ...front } = api
  return createGate({ ...front, clientId }).loginWithPassword({ username, password, scope })
}
async function revoke(clientId: string, token: string): Promise<void> {
  const url = `${api.serverUrl}/realms/${realm}/protocol/openid-connect/revoke`
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ client_id: clientId, token }) })
  expect(answer.status).toBe(200)
}
const outcome = (token: string, by = gate): Promise<string> =>
  by.verifyBearer(`Bearer ${token}`, {}).then(
    () => "passes",
    ({ code, reason }) => reason ?? code,
  )
const eventually = (token: string, by = gate) => expect.poll(() => outcome(token, by), { interval: 20 })

interface Way {
  readonly what: string
  readonly end: (person: LoggedIn) => Promise<unknown>
}
const ways: readonly Way[] = [
  { what: "the person is disabled", end: ({ id }) => admin("PUT", `/users/${id}`, { enabled: false }) },
  { what: "the person is deleted", end: ({ id }) => admin("DELETE", `/users/${id}`) },
  {
    what: "an administrator sets the password",
    end: ({ id }) => admin("PUT", `/users/${id}/reset-password`, { type: "password", value: `${password}-new` }),
  },
  { what: "an administrator logs the person out", end: ({ id }) => admin("POST", `/users/${id}/logout`) },
  {
    what: "an administrator deletes the session",
    end: ({ accessToken }) => admin("DELETE", `/sessions/${sidOf(accessToken)}`),
  },
  {
    what: "the person logs out",
    end: ({ refreshToken }) => {
      const { clientSecret: _, ...front } = api
      return createGate({ ...front, clientId: "shop-web" }).logout(refreshToken)
    },
  },
  { what: "the refresh token is revoked", end: ({ refreshToken }) => revoke("shop-web", refreshToken) },
  { what: "the access token is revoked", end: ({ accessToken }) => revoke("shop-web", accessToken) },
]

describe("watchEvents on the real server", () => {
  it.each(ways)("refuses the tokens of before once $what, and nobody else's", async ({ end }) => {
    const [ended, other] = [await newPerson(), await newPerson()]
    expect([await outcome(ended.accessToken), await outcome(other.accessToken)]).toEqual(["passes", "passes"])
    await end(ended)
    await eventually(ended.accessToken).toBe("revoked")
    expect(await outcome(other.accessToken)).toBe("passes")
  })

  it("refuses nobody who was changed and may log in, and lets in who logs in again after an end", async () => {
    const person = await newPerson()
    await admin("PUT", `/users/${person.id}`, { firstName: "Augusta" })
    const ended = await newPerson()
    await admin("POST", `/users/${ended.id}/logout`)
    await eventually(ended.accessToken).toBe("revoked")
    expect(await outcome((await logIn(ended.username)).accessToken)).toBe("passes")
    expect(await outcome(person.accessToken)).toBe("passes")
  })

  it("ends one access token alone, and what one client has of a session alone", async () => {
    const { accessToken, refreshToken, username } = await newPerson()
    const { clientSecret: _, ...front } = api
    const next = await createGate({ ...front, clientId: "shop-web", refreshGraceSeconds: 0 }).refreshSession(
      refreshToken,
    )
    await revoke("shop-web", accessToken)
    await eventually(accessToken).toBe("revoked")
    expect(await outcome(next.accessToken)).toBe("passes")
    const inApp = await logIn(username, "shop-app")
    await revoke("shop-web", next.refreshToken)
    await eventually(next.accessToken).toBe("revoked")
    expect(await outcome(inApp.accessToken)).toBe("passes")
  })

  it("knows after a restart what happened before and in between", async () => {
    const [before, between, living] = [await newPerson(), await newPerson(), await newPerson()]
    await admin("PUT", `/users/${before.id}`, { enabled: false })
    await eventually(before.accessToken).toBe("revoked")
    const first = watching()
    await first.close()
    await admin("DELETE", `/users/${between.id}`)
    const restarted = watching()
    await eventually(before.accessToken, restarted).toBe("revoked")
    await eventually(between.accessToken, restarted).toBe("revoked")
    expect(await outcome(living.accessToken, restarted)).toBe("passes")
  })

  it("reads hundreds of events in pages, many of one millisecond", async () => {
    const person = await newPerson()
    // Each logs out its session; the person of interest comes last.
    const others = await Promise.all(Array.from({ length: 4 }, newPerson))
    for (let round = 0; round < 40; round++)
      await Promise.all(others.map(({ id }) => admin("PUT", `/users/${id}`, { firstName: `Ada ${round}` })))
    await admin("DELETE", `/users/${person.id}`)
    const late = watching()
    await eventually(person.accessToken, late).toBe("revoked")
    for (const { accessToken } of others) expect(await outcome(accessToken, late)).toBe("passes")
  })

  it("goes on where it was when Keycloak was away, which is told as an outage alone", async () => {
    const heard: GateEvent[] = []
    const behind = watching({ internalUrl: proxy.url }, heard)
    const person = await newPerson()
    expect(await outcome(person.accessToken, behind)).toBe("passes")
    await expect.poll(() => proxy.requests(/admin-events/)).toBeGreaterThan(1)
    await proxy.goDown()
    await admin("DELETE", `/users/${person.id}`)
    await expect.poll(() => heard.map(({ type }) => type)).toEqual(["keycloak_down"])
    expect(await outcome(person.accessToken, behind)).toBe("passes")
    await proxy.heal()
    await eventually(person.accessToken, behind).toBe("revoked")
    await expect.poll(() => heard.map(({ type }) => type)).toEqual(["keycloak_down", "keycloak_up"])
  })

  it("asks nobody any more after close(), and nobody at all where it is not switched on", async () => {
    const [off, on] = [
      watching({ watchEvents: undefined, internalUrl: proxy.url }),
      watching({ internalUrl: proxy.url }),
    ]
    const seen = () => proxy.requests(/events/)
    const before = seen()
    await expect.poll(seen).toBeGreaterThan(before)
    await on.close()
    const pass = (intervals: number) => new Promise(resolve => setTimeout(resolve, intervals * everySeconds * 1000))
    await pass(1) // what was on its way has arrived
    const after = seen()
    await pass(3)
    expect(seen()).toBe(after)
    await off.close()
  })

  it("names the right that is missing, once", async () => {
    const heard: GateEvent[] = []
    const adminClient = { clientId: "shop-reader", clientSecret: "secret-of-the-reader" }
    await admin("POST", "/clients", {
      ...adminClient,
      secret: adminClient.clientSecret,
      clientSecret: undefined,
      serviceAccountsEnabled: true,
    })
    watching({ admin: adminClient, internalUrl: proxy.url }, heard)
    const before = proxy.requests(/\/events/)
    await expect.poll(() => proxy.requests(/\/events/)).toBeGreaterThan(before + 2)
    expect(heard).toMatchObject([{ type: "watch_failed", error: { code: "keycloak_refused_us" } }])
    expect(String(Object.values(heard[0] ?? {}))).toMatch(/view-events.*shop-reader|shop-reader.*view-events/)
  })

  it("says which events are not saved", async () => {
    const config = { eventsEnabled: true, adminEventsEnabled: true, enabledEventTypes: [] }
    await admin("PUT", "/events/config", {
      ...config,
      adminEventsEnabled: false,
      enabledEventTypes: ["LOGIN", "LOGOUT"],
    })
    const heard: GateEvent[] = []
    watching({}, heard)
    await expect.poll(() => heard).toMatchObject([{ type: "watch_failed", error: { code: "keycloak_refused_us" } }])
    const message = String(Object.values(heard[0] ?? {}))
    expect(message).toMatch(/REVOKE_GRANT/)
    expect(message).toMatch(/Admin events settings/)
    await admin("PUT", "/events/config", config)
  })

  it("follows a not-before of the realm, and everybody's logout, with no further right", async () => {
    const person = await newPerson()
    await outcome(person.accessToken)
    await new Promise(resolve => setTimeout(resolve, 1100)) // tokens of that very second pass
    await admin("PUT", "", { notBefore: Math.floor(Date.now() / 1000) })
    await eventually(person.accessToken).toBe("revoked")
    const again = await logIn(person.username)
    expect(await outcome(again.accessToken)).toBe("passes")
    // Another one of the same second would be the same "not before".
    await new Promise(resolve => setTimeout(resolve, 1100))
    await admin("POST", "/logout-all")
    await eventually(again.accessToken).toBe("revoked")
    const last = await logIn(person.username)
    expect(await outcome(last.accessToken)).toBe("passes")
    // All of it went well.
    expect(events).toEqual([])
  })
})
