import { readFileSync } from "node:fs"
import { inject } from "vitest"
import type { RealmHost } from "../contracts/realm/realm-client.ts"

/** What a gate in front of a test realm needs. */
export interface TestClient {
  readonly serverUrl: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
  readonly timeoutMs: number
}

// A test that is about nothing else must not fail because its machine is busy.
const timeoutMs = 60_000

/** The realm `gate-test`: one client does all three things. */
export function gateTest(): TestClient {
  return {
    serverUrl: inject("keycloak").url,
    realm: "gate-test",
    clientId: "gate-app",
    clientSecret: "gate-secret",
    timeoutMs,
  }
}

interface RealmClient {
  clientId: string
  attributes?: Record<string, string>
  [name: string]: unknown
}

/** The set-up that users import, for tests to break one thing in it. */
export interface ShopRealm {
  realm: string
  clients: RealmClient[]
  users: { username: string; clientRoles?: Record<string, string[]>; [name: string]: unknown }[]
  attributes?: Record<string, string>
  [name: string]: unknown
}

export function shopRealm(): { realm: ShopRealm; secret: string } {
  const realm: ShopRealm = JSON.parse(readFileSync(new URL("../../examples/realm.json", import.meta.url), "utf8"))
  return { realm, secret: String(realm.clients.find(({ clientId }) => clientId === "shop-api")?.secret) }
}

/** Requests to Keycloak's own Admin API, as its administrator. */
export async function adminFetch(method: string, path: string, body?: unknown): Promise<Response> {
  const { url, adminUsername, adminPassword } = inject("keycloak")
  const grant = { grant_type: "password", client_id: "admin-cli", username: adminUsername, password: adminPassword }
  const tokens = await fetch(`${url}/realms/master/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams(grant),
  })
  const { access_token } = (await tokens.json()) as { access_token: string }
  return fetch(`${url}/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

/**
 * Imports the shop's realm under a name of its own, with one thing changed; options for a gate in front of it.
 *
 * Without brute-force protection: with it Keycloak refuses a login while it still counts the one before it of the same
 * person, and that takes longer than its answer (26.7.4).
 */
export async function changedShop(
  name: string,
  change: (realm: ShopRealm, client: RealmClient) => void,
): Promise<TestClient> {
  const { realm, secret } = shopRealm()
  realm.realm = name
  realm.bruteForceProtected = false
  const client = realm.clients.find(({ clientId }) => clientId === "shop-api")
  if (client === undefined) throw new Error("examples/realm.json has no client shop-api")
  change(realm, client)
  await adminFetch("DELETE", `/realms/${name}`)
  const answer = await adminFetch("POST", "/realms", realm)
  if (answer.status !== 201) throw new Error(`importing ${name}: ${answer.status} ${await answer.text()}`)
  return { serverUrl: inject("keycloak").url, realm: name, clientId: "shop-api", clientSecret: secret, timeoutMs }
}

export const realServer: RealmHost = {
  async open(file) {
    await adminFetch("DELETE", `/realms/${file.realm}`)
    const answer = await adminFetch("POST", "/realms", file)
    if (answer.status !== 201) throw new Error(`importing ${file.realm}: ${answer.status} ${await answer.text()}`)
    const close = async () => void (await adminFetch("DELETE", `/realms/${file.realm}`))
    return { url: inject("keycloak").url, realm: file.realm, close }
  },
}
