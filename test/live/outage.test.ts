import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createApplication as createExpress } from "../../examples/express/app.ts"
import { createApplication as createFastify } from "../../examples/fastify/app.ts"
import { createApplication as createKoa } from "../../examples/koa/app.ts"
import { createGate, memoryUserStore } from "../../src/index.js"
import { type RunningKeycloak, startKeycloak } from "./keycloak/start.ts"
import { shopRealm } from "./realms.ts"

const realmFile = join(import.meta.dirname, "../../examples/realm.json")
const edith = { username: "edith", password: "Edith-2026!" }

// A server of its own, since it is stopped; a port of its own, since it has to come back where it was.
let keycloak: RunningKeycloak
const applications = new Map<string, { readonly url: string; close(): Promise<void> }>()

async function call(framework: string, path: string, { body, token }: { body?: unknown; token?: string } = {}) {
  const started = performance.now()
  const answer = await fetch(`${applications.get(framework)?.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const json = (await answer.json()) as Record<string, string>
  return { status: answer.status, json, seconds: (performance.now() - started) / 1000 }
}

beforeAll(async () => {
  keycloak = await startKeycloak({ port: 0, realms: [realmFile] })
  const options = { serverUrl: keycloak.url, realm: "shop", clientId: "shop-api", clientSecret: shopRealm().secret }
  for (const [framework, createApplication] of Object.entries({
    express: createExpress,
    fastify: createFastify,
    koa: createKoa,
  })) {
    const gate = createGate({ ...options, userStore: memoryUserStore(), timeoutMs: 2000 })
    applications.set(framework, await createApplication(gate as never).listen(0))
  }
}, 180_000)
afterAll(async () => {
  for (const application of applications.values()) await application.close()
  await keycloak.stop()
})

describe("an outage of the real Keycloak", () => {
  const frameworks = ["express", "fastify", "koa"]

  it("keeps guarded routes open for known keys, answers logins with 503, and heals by itself", {
    timeout: 240_000,
  }, async () => {
    const { port } = keycloak
    const tokens = new Map<string, string>()
    for (const framework of frameworks) {
      const login = await call(framework, "/login", { body: edith })
      expect([framework, login.status]).toEqual([framework, 200])
      tokens.set(framework, login.json.access_token ?? "")
      expect((await call(framework, "/me", { token: login.json.access_token ?? "" })).status).toBe(200)
    }

    await keycloak.stop()
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
      expect(login.seconds).toBeLessThan(5)
    }

    // A new database, so new keys too: the tokens of before are void, and the new key has to be found at once.
    keycloak = await startKeycloak({ port, realms: [realmFile] })
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
