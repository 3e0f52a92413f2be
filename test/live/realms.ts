import { readFileSync } from "node:fs"
import { inject } from "vitest"
import { gateTestRealm, type RealmHost } from "../contracts/realm/realm-client.ts"
import { createAdmin, type KeycloakAdmin, type RealmFile } from "./keycloak/admin.ts"

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

/**
 * The same realm again under a name of its own, with brute-force protection.
 *
 * `gate-test` goes without: with it Keycloak refuses a login while it still counts the one before it of the same person, and
 * that takes longer than its answer (26.7.4).
 */
export async function lockingRealm(realm: string): Promise<TestClient> {
  await replaceRealm({ ...gateTestRealm(), realm, bruteForceProtected: true })
  return { ...gateTest(), realm }
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

const admin = createAdmin(inject("keycloak"))

/** Requests to Keycloak's own Admin API, as its administrator. */
export const adminFetch: KeycloakAdmin["send"] = admin.send

/**
 * Imports the shop's realm under a name of its own, with one thing changed; options for a gate in front of it.
 *
 * Without brute-force protection, as `gate-test`.
 */
export async function changedShop(
  name: string,
  change: (realm: ShopRealm, client: RealmClient) => void,
): Promise<TestClient> {
  const { realm, secret } = shopRealm()
  realm.realm = name
  realm.bruteForceProtected = false
  realm.passwordPolicy = `${realm.passwordPolicy} and hashAlgorithm(pbkdf2-sha256) and hashIterations(1)` // for speed
  const client = realm.clients.find(({ clientId }) => clientId === "shop-api")
  if (client === undefined) throw new Error("examples/realm.json has no client shop-api")
  change(realm, client)
  await replaceRealm(realm)
  return { serverUrl: inject("keycloak").url, realm: name, clientId: "shop-api", clientSecret: secret, timeoutMs }
}

export const realServer: RealmHost = {
  async open(file) {
    await replaceRealm(file)
    const close = async () => void (await adminFetch("DELETE", `/realms/${file.realm}`))
    return { url: inject("keycloak").url, realm: file.realm, close }
  },
}

/** A server that was running before may still have it from a run that was cut off. */
async function replaceRealm(realm: RealmFile): Promise<void> {
  await admin.send("DELETE", `/realms/${realm.realm}`)
  await admin.importRealm(realm)
}
