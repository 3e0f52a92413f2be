import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createApplication as createExpress } from "../../examples/express/app.ts"
import { createApplication as createFastify } from "../../examples/fastify/app.ts"
import { createApplication as createKoa } from "../../examples/koa/app.ts"
import { createGate, memoryUserStore } from "../../src/index.js"
import type { FaultyServer } from "../support/faulty-server.ts"
import { startProxy } from "../support/proxy.ts"
import { adminFetch, changedShop } from "./realms.ts"

const realm = "shop-outage"
const edith = { username: "edith", password: "Edith-2026!" }

// The other test files need the server meanwhile: what goes down and comes back is a proxy before it.
let proxy: FaultyServer
const applications = new Map<string, { readonly url: string; close(): Promise<void> }>()

async function call(framework: string, path: string, { body, token }: { body?: unknown; token?: string } = {}) {
  const answer = await fetch(`${applications.get(framework)?.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, json: (await answer.json()) as Record<string, string> }
}

beforeAll(async () => {
  const options = await changedShop(realm, () => undefined)
  proxy = await startProxy(options.serverUrl)
  for (const [framework, createApplication] of Object.entries({
    express: createExpress,
    fastify: createFastify,
    koa: createKoa,
  })) {
    const gate = createGate({ ...options, internalUrl: proxy.url, userStore: memoryUserStore() })
    applications.set(framework, await createApplication(gate as never).listen(0))
  }
})
afterAll(async () => {
  for (const application of applications.values()) await application.close()
  await proxy.close()
  await adminFetch("DELETE", `/realms/${realm}`)
})

describe("an outage of the real Keycloak", () => {
  const frameworks = ["express", "fastify", "koa"]

  it("keeps guarded routes open for known keys, answers logins with 503, and heals by itself", async () => {
    const tokens = new Map<string, string>()
    for (const framework of frameworks) {
      const login = await call(framework, "/login", { body: edith })
      expect([framework, login.status]).toEqual([framework, 200])
      tokens.set(framework, login.json.access_token ?? "")
      expect((await call(framework, "/me", { token: login.json.access_token ?? "" })).status).toBe(200)
    }

    await proxy.goDown()
    for (const framework of frameworks) {
      const token = tokens.get(framework) ?? ""
      expect([framework, (await call(framework, "/me", { token })).status]).toEqual([framework, 200])
      expect((await call(framework, "/editor", { token })).status).toBe(200)
      const login = await call(framework, "/login", { body: edith })
      expect([framework, login.status, login.json.error]).toEqual([framework, 503, "keycloak_unavailable"])
      const person = {
        username: "ada",
        email: "ada@example.test",
        firstName: "Ada",
        lastName: "L",
        password: "Lovelace-1815",
      }
      expect((await call(framework, "/register", { body: person })).status).toBe(503)
      const refresh = await call(framework, "/refresh", { body: { refresh_token: "abc" } })
      expect([refresh.status, refresh.json.error]).toEqual([503, "keycloak_unavailable"])
    }

    // It comes back with new keys, as from a new database: the tokens of before are void, and the new key is found at once.
    await changedShop(realm, () => undefined)
    await proxy.heal()
    for (const framework of frameworks) {
      const login = await call(framework, "/login", { body: edith })
      expect([framework, login.status]).toEqual([framework, 200])
      expect([framework, (await call(framework, "/me", { token: login.json.access_token ?? "" })).status]).toEqual([
        framework,
        200,
      ])
      expect((await call(framework, "/me", { token: tokens.get(framework) ?? "" })).json.error).toBe("invalid_token")
    }
  })
})
