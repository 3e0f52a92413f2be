import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createGate, type Gate, type GateEvent, type HoldEnd, type Session } from "../../src/index.js"
import type { FaultyServer } from "../support/faulty-server.ts"
import { paths } from "../support/paths.ts"
import { startProxy } from "../support/proxy.ts"
import { adminFetch, changedShop, type TestClient } from "./realms.ts"

const realm = "shop-ended"
const secret = "secret-of-the-exchange"
const password = "Ada-2026-Lovelace!"
const recheckSeconds = 0.3
// For a busy machine: what is measured here is who gets in, not how fast.
const timeoutMs = 30_000

/** The application behind our gates; people log in at another client, as they do with a front end. */
let api: TestClient
let proxy: FaultyServer
const gates: Record<string, Gate<null>> = {}
const events: GateEvent[] = []

function audience(clientId: string) {
  const config = {
    "included.client.audience": clientId,
    "access.token.claim": "true",
    "introspection.token.claim": "true",
  }
  const mapper = "oidc-audience-mapper"
  return { name: `audience ${clientId}`, protocol: "openid-connect", protocolMapper: mapper, config }
}

beforeAll(async () => {
  proxy = await startProxy(inject("keycloak").url)
  api = await changedShop(realm, shop => {
    shop.passwordPolicy = "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)" // for speed
    const front = { enabled: true, publicClient: true, directAccessGrantsEnabled: true }
    const lightweight = { "client.use.lightweight.access.token.enabled": "true" }
    shop.clients.push(
      { ...front, clientId: "shop-web", protocolMappers: [audience("shop-api"), audience("shop-exchange")] },
      { ...front, clientId: "shop-light", attributes: lightweight, protocolMappers: [audience("shop-api")] },
      { ...front, clientId: "shop-elsewhere" },
      {
        clientId: "shop-exchange",
        secret,
        enabled: true,
        attributes: { "standard.token.exchange.enabled": "true" },
        protocolMappers: [audience("shop-api")],
      },
    )
  })
  const options = { ...api, audience: null, onEvent: (event: GateEvent) => void events.push(event), timeoutMs }
  // How often holds ask; requests are asked about each time.
  gates.introspection = createGate({ ...options, verification: { mode: "introspection", recheckSeconds } })
  gates.userinfo = createGate({ ...options, verification: { mode: "userinfo", recheckSeconds } })
  const verification = { mode: "local", recheckSeconds } as const
  gates.recheck = createGate({ ...options, verification, internalUrl: proxy.url })
  gates.tolerant = createGate({ ...options, verification, clockToleranceSeconds: 300 })
})
afterAll(async () => {
  for (const gate of Object.values(gates)) gate.close()
  await proxy.close()
})

const admin = async (method: string, path: string, body?: unknown) => {
  const answer = await adminFetch(method, `/realms/${realm}${path}`, body)
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())

async function client(clientId: string, changes: object): Promise<void> {
  const [found] = (await (await admin("GET", `/clients?clientId=${clientId}`)).json()) as { id: string }[]
  await admin("PUT", `/clients/${found?.id}`, { ...found, ...changes })
}

/** A new person each time, so that no test ends another one's session. */
let people = 0
async function logIn(clientId = "shop-web"): Promise<Session & { readonly id: string }> {
  people += 1
  const username = `ada-${people}`
  const person = { username, email: `${username}@example.test`, firstName: "Ada", lastName: "L", enabled: true }
  const created = await admin("POST", "/users", { ...person, credentials: [{ type: "password", value: password }] })
  const id = created.headers.get("location")?.split("/").at(-1) ?? ""
  const { clientSecret: _, ...front } = api
  const gate = createGate({ ...front, clientId, timeoutMs })
  return { ...(await gate.loginWithPassword({ username, password, scope: "openid" })), id }
}

function outcome(mode: string, token: string): Promise<string> {
  return (gates[mode] as Gate<null>).verifyBearer(`Bearer ${token}`, { kind: "any" }).then(
    () => "passes",
    ({ code, reason }) => reason ?? code,
  )
}
const eventually = (mode: string, token: string) =>
  expect.poll(() => outcome(mode, token), { interval: 50, timeout: 30_000 })

async function endpoint(path: string, form: Record<string, string>): Promise<{ access_token: string }> {
  const url = `${api.serverUrl}/realms/${realm}/protocol/openid-connect${path}`
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams(form) })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  const text = await answer.text()
  return text === "" ? { access_token: "" } : JSON.parse(text)
}

interface Way {
  readonly what: string
  readonly end: (session: Session & { readonly id: string }) => Promise<unknown>
  /** Where Keycloak calls the same token active again afterwards. */
  readonly undo?: (session: { readonly id: string }) => Promise<unknown>
}
const ways: readonly Way[] = [
  {
    what: "the person logs out",
    end: ({ refreshToken }) => {
      const { clientSecret: _, ...front } = api
      return createGate({ ...front, clientId: "shop-web", timeoutMs }).logout(refreshToken)
    },
  },
  { what: "an administrator logs the person out", end: ({ id }) => admin("POST", `/users/${id}/logout`) },
  {
    what: "an administrator deletes the session",
    end: ({ accessToken }) => admin("DELETE", `/sessions/${claimsOf(accessToken).sid}`),
  },
  {
    what: "the person is disabled",
    end: ({ id }) => admin("PUT", `/users/${id}`, { enabled: false }),
    undo: ({ id }) => admin("PUT", `/users/${id}`, { enabled: true }),
  },
  { what: "the person is deleted", end: ({ id }) => admin("DELETE", `/users/${id}`) },
  {
    what: "the realm has a not-before policy",
    end: () => admin("PUT", "", { notBefore: inSeconds(1) }),
    undo: () => admin("PUT", "", { notBefore: 0 }),
  },
  {
    what: "the client that asked for the token has a not-before policy",
    end: () => client("shop-web", { notBefore: inSeconds(1) }),
    undo: () => client("shop-web", { notBefore: 0 }),
  },
  {
    what: "the client that asked for the token is disabled",
    end: () => client("shop-web", { enabled: false }),
    undo: () => client("shop-web", { enabled: true }),
  },
  {
    what: "the refresh token is revoked",
    end: ({ refreshToken: token }) => endpoint("/revoke", { client_id: "shop-web", token }),
  },
  {
    what: "the access token is revoked",
    end: ({ accessToken: token }) => endpoint("/revoke", { client_id: "shop-web", token }),
  },
]

describe("a session on the real server", () => {
  it.each(ways)("is refused in every mode that asks once $what", async ({ end, undo }) => {
    const session = await logIn()
    const { accessToken } = session
    for (const mode of Object.keys(gates)) expect([mode, await outcome(mode, accessToken)]).toEqual([mode, "passes"])

    await end(session)
    expect(await outcome("introspection", accessToken)).toBe("revoked")
    expect(await outcome("userinfo", accessToken)).toBe("revoked")
    await eventually("recheck", accessToken).toBe("revoked")
    await eventually("tolerant", accessToken).toBe("revoked")

    if (undo === undefined) return
    await undo(session)
    expect(await outcome("introspection", accessToken)).toBe("passes")
    await eventually("recheck", accessToken).toBe("passes")
    await eventually("tolerant", accessToken).toBe("passes")
  })

  it.each(ways.filter(({ what }) => /logs out|disabled|realm|access token/.test(what)))(
    "ends what is held in every mode that asks, without a request, once $what",
    async ({ end, undo }) => {
      const session = await logIn()
      const ended: [string, HoldEnd][] = []
      for (const [mode, gate] of Object.entries(gates))
        await gate.hold(session.accessToken, { onEnd: reason => ended.push([mode, reason]) })
      await end(session)
      await expect.poll(() => ended.length, { timeout: 30_000 }).toBe(Object.keys(gates).length)
      await undo?.(session)
      expect(Object.fromEntries(ended)).toEqual(Object.fromEntries(Object.keys(gates).map(mode => [mode, "revoked"])))
    },
  )

  it("is held on with a newer token of it, and through an outage", async () => {
    const { accessToken, refreshToken } = await logIn()
    const { clientSecret: _, ...front } = api
    const web = createGate({ ...front, clientId: "shop-web", timeoutMs })
    const ended: HoldEnd[] = []
    const hold = await (gates.recheck as Gate<null>).hold(accessToken, { onEnd: reason => ended.push(reason) })
    await proxy.goDown()
    await new Promise(resolve => setTimeout(resolve, 1500)) // `exp` has whole seconds, and the newer one has to be later
    expect(ended).toEqual([])
    await proxy.heal()
    const next = await web.refreshSession(refreshToken)
    expect((await hold.renew(next.accessToken)).token).toBe(next.accessToken)
    await web.logout(next.refreshToken)
    await expect.poll(() => ended, { timeout: 30_000 }).toEqual(["revoked"])
  })

  it("is refused with a token that was not presented before its end, too", async () => {
    const { accessToken, refreshToken } = await logIn()
    const { clientSecret: _, ...front } = api
    const web = createGate({ ...front, clientId: "shop-web", timeoutMs })
    const second = await web.refreshSession(refreshToken)
    for (const mode of ["recheck", "tolerant"]) await outcome(mode, accessToken)
    await web.logout(second.refreshToken)
    for (const mode of ["recheck", "tolerant"]) {
      await eventually(mode, accessToken).toBe("revoked")
      expect(await outcome(mode, second.accessToken)).toBe("revoked")
    }
  })

  it("does not hide that one of its tokens was revoked behind another one", async () => {
    const { accessToken, refreshToken } = await logIn()
    const { clientSecret: _, ...front } = api
    const { accessToken: other } = await createGate({ ...front, clientId: "shop-web" }).refreshSession(refreshToken)
    for (const token of [other, accessToken]) expect(await outcome("recheck", token)).toBe("passes")
    await endpoint("/revoke", { client_id: "shop-web", token: accessToken })
    await expect
      .poll(async () => [await outcome("recheck", other), await outcome("recheck", accessToken)], { interval: 50 })
      .toEqual(["passes", "revoked"])
  })

  it("lives on with its next token when one access token was revoked", async () => {
    const { accessToken, refreshToken } = await logIn()
    await endpoint("/revoke", { client_id: "shop-web", token: accessToken })
    await eventually("recheck", accessToken).toBe("revoked")
    const next = await endpoint("/token", {
      grant_type: "refresh_token",
      client_id: "shop-web",
      refresh_token: refreshToken,
    })
    await eventually("recheck", next.access_token).toBe("passes")
    expect(await outcome("recheck", accessToken)).toBe("revoked")
  })

  it("ends for one client alone where another one shares the person's login", async () => {
    const { accessToken } = await logIn()
    const exchanged = await endpoint("/token", {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      client_id: "shop-exchange",
      client_secret: secret,
      subject_token: accessToken,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    })
    const [ours, theirs] = [claimsOf(accessToken), claimsOf(exchanged.access_token)]
    expect([theirs.sid, theirs.azp]).toEqual([ours.sid, "shop-exchange"])
    await outcome("recheck", accessToken)
    await outcome("recheck", exchanged.access_token)
    await client("shop-web", { notBefore: inSeconds(1) })
    await eventually("recheck", accessToken).toBe("revoked")
    for (let look = 0; look < 10; look++) {
      expect(await outcome("recheck", exchanged.access_token)).toBe("passes")
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    expect(await outcome("introspection", exchanged.access_token)).toBe("passes")
    await client("shop-web", { notBefore: 0 })
  })

  it("keeps its last verdict while Keycloak is out of reach, and has a new one afterwards", async () => {
    const [ended, living] = [await logIn(), await logIn()]
    await outcome("recheck", living.accessToken)
    await admin("POST", `/users/${ended.id}/logout`)
    await eventually("recheck", ended.accessToken).toBe("revoked")

    await proxy.goDown()
    events.length = 0
    await admin("POST", `/users/${living.id}/logout`)
    for (let look = 0; look < 10; look++) {
      expect(await outcome("recheck", ended.accessToken)).toBe("revoked")
      expect(await outcome("recheck", living.accessToken)).toBe("passes")
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    // One outage, told once.
    expect(events.filter(({ type }) => type !== "refusal")).toMatchObject([{ type: "keycloak_down" }])

    await proxy.heal()
    await eventually("recheck", living.accessToken).toBe("revoked")
  })

  it("is asked about at most every recheckSeconds, however many requests it sends", async () => {
    const { accessToken } = await logIn()
    const before = proxy.requests(paths.introspection)
    const started = performance.now()
    for (let request = 0; request < 300; request++) {
      await outcome("recheck", accessToken)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    const most = Math.ceil((performance.now() - started) / (recheckSeconds * 1000)) + 1
    expect(proxy.requests(paths.introspection) - before).toBeLessThanOrEqual(most)
  })
})

describe("a token of a client without the audience mapper on the real server", () => {
  it("is refused for its audience wherever Keycloak is asked by introspection", async () => {
    const { accessToken } = await logIn("shop-elsewhere")
    expect(await outcome("introspection", accessToken)).toBe("audience")
    await eventually("recheck", accessToken).toBe("audience")
    expect(await outcome("userinfo", accessToken)).toBe("passes")
  })
})

describe("a lightweight token on the real server", () => {
  it("is accepted by introspection alone, with the claims that it lacks, and seen to end", async () => {
    const session = await logIn("shop-light")
    const { accessToken, id } = session
    expect(claimsOf(accessToken).sub).toBeUndefined()
    const principal = await gates.introspection?.verifyBearer(`Bearer ${accessToken}`, {})
    expect(principal).toMatchObject({ kind: "user", subject: id, email: expect.stringContaining("@") })
    for (const mode of ["userinfo", "recheck"]) expect(await outcome(mode, accessToken)).toBe("claims")
    await admin("POST", `/users/${id}/logout`)
    expect(await outcome("introspection", accessToken)).toBe("revoked")
  })
})
