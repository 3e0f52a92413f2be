import { readFileSync } from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { startSecondProcess } from "../../examples/demo/second-process.ts"
import { createApplication as createExpress } from "../../examples/express/app.ts"
import { createApplication as createFastify } from "../../examples/fastify/app.ts"
import { createApplication as createKoa } from "../../examples/koa/app.ts"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import { createGate } from "../../src/index.js"
import { changedShop, gateTest } from "./realms.ts"

const edith = { username: "edith", password: "Edith-2026!" }
const schema = `gate_story_${process.pid}`
const pgUrl = new URL(inject("pgUrl"))
pgUrl.searchParams.set("options", `-c search_path=${schema}`)
const pool = new pg.Pool({ connectionString: pgUrl.href })
let shop: Awaited<ReturnType<typeof changedShop>> & { readonly clockToleranceSeconds: number }
let expired = "" // a second after it was issued, which is long before it is used

beforeAll(async () => {
  const options = await changedShop("shop-story", (realm, client) => {
    realm.clients.push({ ...client, clientId: "shop-short", attributes: { "access.token.lifespan": "1" } })
  })
  expired = (await createGate({ ...options, clientId: "shop-short" }).loginWithPassword(edith)).accessToken
  shop = { ...options, clockToleranceSeconds: 0 }
  await pool.query(`CREATE SCHEMA ${schema}`)
  await pool.query(readFileSync(join(import.meta.dirname, "../../examples/stores/postgres.sql"), "utf8"))
})
afterAll(async () => {
  await pool.query(`DROP SCHEMA ${schema} CASCADE`)
  await pool.end()
})

describe.each([
  ["express", createExpress],
  ["fastify", createFastify],
  ["koa", createKoa],
] as const)("the whole story in %s, on the real Keycloak and PostgreSQL", (framework, createApplication) => {
  const ada = {
    username: `ada-${framework}`,
    email: `ada-${framework}@example.test`,
    firstName: "Ada",
    lastName: "Lovelace",
    password: "Lovelace-1815",
  }
  let application: { readonly url: string; close(): Promise<void> }
  let tokens: Record<string, string> = {}

  beforeAll(async () => {
    application = await createApplication(createGate({ ...shop, userStore: createPostgresStore(pool) })).listen(0)
  })
  afterAll(() => application.close())

  async function call(
    method: string,
    path: string,
    options: { body?: unknown; token?: string | undefined; url?: string } = {},
  ) {
    const { body, token, url = application.url } = options
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: text.startsWith("{") ? JSON.parse(text) : null,
    }
  }
  const environment = () => ({
    PG_URL: pgUrl.href,
    KEYCLOAK_URL: shop.serverUrl,
    KEYCLOAK_REALM: shop.realm,
    KEYCLOAK_CLIENT_ID: shop.clientId,
    KEYCLOAK_CLIENT_SECRET: shop.clientSecret,
  })
  const rowsOf = async (username: string) =>
    (await pool.query("SELECT * FROM app_user WHERE username = $1", [username])).rows

  it("registers a person: 201, an account, one row", async () => {
    const { status, json } = await call("POST", "/register", { body: ada })
    expect([status, json]).toEqual([201, { subject: expect.any(String), username: ada.username, email: ada.email }])
    expect(await rowsOf(ada.username)).toMatchObject([
      { subject: json.subject, email: ada.email, first_name: "Ada", last_name: "Lovelace" },
    ])
  })

  it("answers 409 to the same person again, and 422 with the rule to a weak password", async () => {
    const again = await call("POST", "/register", { body: ada })
    expect([again.status, again.json.error]).toEqual([409, "user_exists"])
    const weak = await call("POST", "/register", {
      body: { ...ada, username: `weak-${framework}`, email: `weak-${framework}@example.test`, password: "short" },
    })
    expect([weak.status, weak.json.fields]).toEqual([
      422,
      [{ field: "password", rule: "invalidPasswordMinLengthMessage", params: [] }],
    ])
    expect(await rowsOf(`weak-${framework}`)).toEqual([])
  })

  it("answers 401 to a wrong password, without saying why", async () => {
    const { status, json } = await call("POST", "/login", { body: { username: ada.username, password: "wrong" } })
    expect([status, json.error]).toEqual([401, "invalid_credentials"])
  })

  it("logs the person in: tokens under OAuth's names, not to be stored", async () => {
    const { status, json, headers } = await call("POST", "/login", { body: { ...ada, scope: "offline_access" } })
    expect(status).toBe(200)
    expect(json).toMatchObject({ token_type: "Bearer", access_token: expect.any(String) })
    // Whole seconds of what is left of 300 s: Keycloak counts from the login, not from its answer.
    expect(json.expires_in).toBeGreaterThan(290)
    expect(json.expires_in).toBeLessThanOrEqual(300)
    tokens = json
    expect(json.scope).not.toContain("offline_access")
    expect(headers.get("cache-control")).toBe("no-store")
  })

  it("answers /me with the application's own row", async () => {
    const { status, json } = await call("GET", "/me", { token: tokens.access_token })
    expect([status, json]).toEqual([200, expect.objectContaining({ username: ada.username, email: ada.email })])
    expect(await rowsOf(ada.username)).toHaveLength(1)
  })

  it("makes one row of 50 first requests at once, in two processes, for an account that was made elsewhere", async () => {
    const bea = { ...ada, username: `bea-${framework}`, email: `bea-${framework}@example.test` }
    await createGate(shop).registerUser(bea) // a gate without a store: no row yet
    const { accessToken } = await createGate(shop).loginWithPassword(bea)
    const other = await startSecondProcess(framework, environment())
    try {
      const urls = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? application.url : other.url))
      const answers = await Promise.all(urls.map(url => call("GET", "/me", { token: accessToken, url })))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1)
      expect(await rowsOf(bea.username)).toHaveLength(1)
    } finally {
      await other.close()
    }
  })

  it("shows the same row in another process of the same application", async () => {
    const other = await startSecondProcess(framework, environment())
    try {
      const here = await call("GET", "/me", { token: tokens.access_token })
      const there = await call("GET", "/me", { token: tokens.access_token, url: other.url })
      expect([there.status, there.json]).toEqual([200, here.json])
      expect(await rowsOf(ada.username)).toHaveLength(1)
    } finally {
      await other.close()
    }
  })

  it("takes a request without a token as anonymous on an open route, and refuses it on a guarded one", async () => {
    const open = await call("GET", "/")
    expect([open.status, open.text]).toEqual([200, expect.not.stringContaining(ada.username)])
    const guarded = await call("GET", "/me")
    expect([guarded.status, guarded.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="shop-story"'])
  })

  it("answers 403 to who lacks the role, and 200 to who has it", async () => {
    const refused = await call("GET", "/editor", { token: tokens.access_token })
    expect([refused.status, refused.json.error]).toEqual([403, "insufficient_scope"])
    expect(refused.headers.get("www-authenticate")).toContain('error="insufficient_scope"')
    const login = await call("POST", "/login", { body: edith })
    expect((await call("GET", "/editor", { token: login.json.access_token })).status).toBe(200)
  })

  it.each(["id", "refresh", "expired", "other realm's", "tampered"])(
    "answers 401 to the %s token, also on the open route",
    async kind => {
      const session = await createGate(shop).loginWithPassword({ ...edith, scope: "openid" })
      const [header, payload = "", signature] = session.accessToken.split(".")
      const claims = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), sub: "somebody-else" }
      const forged = Buffer.from(JSON.stringify(claims)).toString("base64url")
      const alice = { username: "alice", password: "Passw0rd!" }
      const makers: Record<string, () => string | undefined | Promise<string>> = {
        id: () => session.idToken,
        refresh: () => session.refreshToken,
        expired: () => expired,
        "other realm's": async () => (await createGate(gateTest()).loginWithPassword(alice)).accessToken,
        tampered: () => `${header}.${forged}.${signature}`,
      }
      const token = await makers[kind]?.()
      expect(token).toEqual(expect.any(String))
      for (const path of ["/me", "/"]) {
        const { status, headers, json } = await call("GET", path, { token })
        expect([path, status, json.error]).toEqual([path, 401, "invalid_token"])
        expect(headers.get("www-authenticate")).toContain('error="invalid_token"')
      }
    },
  )

  it("refreshes the session, and ends it", async () => {
    const refreshed = await call("POST", "/refresh", { body: { refresh_token: tokens.refresh_token } })
    expect([refreshed.status, Object.keys(refreshed.json)]).toEqual([
      200,
      expect.arrayContaining(["access_token", "refresh_token"]),
    ])
    const logout = await call("POST", "/logout", { body: { refresh_token: refreshed.json.refresh_token } })
    expect([logout.status, logout.text]).toEqual([204, ""])
    const ended = await call("POST", "/refresh", { body: { refresh_token: refreshed.json.refresh_token } })
    expect([ended.status, ended.json.error]).toEqual([401, "session_ended"])
  })
})
