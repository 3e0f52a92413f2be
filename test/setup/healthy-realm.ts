import { generateKeyPairSync, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import type { AdminAccess, KeycloakAdmin } from "../live/keycloak/admin.ts"
import { createAdmin } from "../live/keycloak/admin.ts"

/** A realm in which nothing is wrong, to break one thing in it and to mend it again. */
export interface HealthyRealm {
  readonly connection: {
    readonly serverUrl: string
    readonly realm: string
    readonly clientId: string
    readonly clientSecret: string
    readonly timeoutMs: number
  }
  /** Of this realm alone. */
  readonly administrator: { readonly username: string; readonly password: string; readonly realm: string }
  readonly ids: { readonly client: string; readonly account: string; readonly management: string }
  /** A request to the Admin API; `path` is what follows the address of the realm. */
  readonly admin: (method: string, path: string, body?: unknown) => Promise<unknown>
  /** Where the last thing that was created is. */
  readonly created: () => string
  /** Requests that changed something since the last look, written for a reader. */
  readonly changes: () => readonly string[]
  readonly remove: () => Promise<void>
}

const clientId = "shop-api"

/** In the file, since Keycloak takes seconds to make keys of its own. */
function signingKey(): object {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  const config = { privateKey: [pem], priority: ["100"], algorithm: ["RS256"] }
  return { "org.keycloak.keys.KeyProvider": [{ name: "rsa", providerId: "rsa", subComponents: {}, config }] }
}

export async function openHealthyRealm(name: string, access: AdminAccess): Promise<HealthyRealm> {
  const server = createAdmin(access)
  const clientSecret = randomBytes(24).toString("hex")
  const administrator = { username: "root", password: randomBytes(24).toString("hex"), realm: name }
  const path = `/realms/${encodeURIComponent(name)}`
  await server.deleteRealm(name).catch(() => undefined)
  await server.importRealm(realmFile(clientSecret, administrator))
  const [client] = (await server.adminFetch("GET", `${path}/clients?clientId=${clientId}`)).body as [{ id: string }]
  const [management] = (await server.adminFetch("GET", `${path}/clients?clientId=realm-management`)).body as [
    { id: string },
  ]
  const account = (await server.adminFetch("GET", `${path}/clients/${client.id}/service-account-user`)).body as {
    id: string
  }
  const ids = { client: client.id, account: account.id, management: management.id }
  const connection = { serverUrl: access.url, realm: name, clientId, clientSecret, timeoutMs: 60_000 }
  return { ...recording(server, path, ids, clientSecret), ids, connection, administrator, remove }

  async function remove(): Promise<void> {
    await server.deleteRealm(name)
  }
}

function recording(server: KeycloakAdmin, path: string, ids: HealthyRealm["ids"], secret: string) {
  let changes: string[] = []
  let last = ""
  const named = (text: string) =>
    text
      .replaceAll(secret, "…")
      .replaceAll(ids.client, "{client}")
      .replaceAll(ids.account, "{service-account}")
      .replaceAll(ids.management, "{realm-management}")
      .replace(/[\da-f]{8}-[\da-f-]{27}/g, "{id}")
  return {
    async admin(method: string, below: string, body?: unknown) {
      const answer = await server.adminFetch(method, `${path}${below}`, body)
      last = answer.location?.split("/").pop() ?? ""
      const text = body === undefined ? "" : ` ${JSON.stringify(body)}`
      if (method !== "GET") changes.push(named(`${method} ${below === "" ? "(realm)" : below}${text}`))
      return answer.body
    },
    created: () => last,
    changes() {
      const told = changes
      changes = []
      return told
    },
  }
}

function realmFile(
  secret: string,
  { username, password, realm }: HealthyRealm["administrator"],
): { readonly realm: string } & Record<string, unknown> {
  const file = JSON.parse(readFileSync(new URL("../../examples/realm.json", import.meta.url), "utf8"))
  for (const one of file.clients) if (one.clientId === clientId) one.secret = secret
  return {
    ...file,
    realm,
    users: [
      ...file.users.filter((user: { serviceAccountClientId?: string }) => user.serviceAccountClientId),
      {
        ...{ username, enabled: true, firstName: "Root", lastName: "Root" },
        ...{ email: "root@example.test", emailVerified: true },
        credentials: [{ type: "password", value: password }],
        clientRoles: { "realm-management": ["realm-admin"] },
      },
    ],
    // Hashing that takes no time.
    passwordPolicy: "length(8) and hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
    smtpServer: { host: "127.0.0.1", port: "1", from: "shop@example.test" },
    eventsEnabled: true,
    components: signingKey(),
  }
}
