/**
 * Usage: node examples/import-realm.ts [--with-users] [http://localhost:8080] [examples/realm.json]
 *
 * Every client with a secret gets one that is made here and printed once, as lines for an `.env` file. People stay out
 * unless `--with-users` is given, which works on this machine only: their passwords are in the file for all to read.
 */
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"

interface RealmFile {
  readonly realm: string
  readonly clients?: readonly Client[]
  readonly groups?: readonly { readonly name: string }[]
  readonly users?: readonly { readonly username: string; readonly serviceAccountClientId?: string }[]
}

interface Client {
  readonly clientId: string
  readonly secret?: string
}

try {
  const { address, file, withUsers } = readArguments()
  if (withUsers && !isThisMachine(address)) {
    throw new Error(
      `--with-users is for this machine only, and ${address.host} may be another one; nothing was changed`,
    )
  }
  const realm = safeToImport(JSON.parse(readFileSync(file, "utf8")), withUsers)
  const keycloak = address.href.replace(/\/+$/, "")
  const token = await logIn(keycloak)
  const json = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  const imported = await post(`${keycloak}/admin/realms`, JSON.stringify(realm), json)
  if (imported.status === 409) throw new Error(`${keycloak} has a realm "${realm.realm}" already; nothing was changed`)
  if (!imported.ok) throw new Error(`${keycloak} refused the realm: ${await reasonOf(imported)}`)
  console.error(`Realm ${realm.realm} imported into ${keycloak}: ${contentsOf(realm)}. For your .env file:`)
  for (const { clientId, secret } of realm.clients ?? []) {
    if (secret === undefined) continue
    const lines = [`KEYCLOAK_URL=${keycloak}`, `KEYCLOAK_REALM=${realm.realm}`, `KEYCLOAK_CLIENT_ID=${clientId}`]
    console.log([...lines, `KEYCLOAK_CLIENT_SECRET=${secret}`].join("\n"))
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

function readArguments(): { address: URL; file: string; withUsers: boolean } {
  const options = { "with-users": { type: "boolean", default: false } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [address = "http://localhost:8080", file = join(import.meta.dirname, "realm.json")] = positionals
  if (!URL.canParse(address)) throw new Error(`${address} is no address; expected one such as http://localhost:8080`)
  return { address: new URL(address), file, withUsers: values["with-users"] }
}

function isThisMachine({ hostname }: URL): boolean {
  return /^(localhost|.+\.localhost|\[::1\]|127(\.\d+){3})$/.test(hostname)
}

/** The file without anything that somebody else could have read in it. */
function safeToImport(realm: RealmFile, withUsers: boolean): RealmFile {
  const withNewSecret = (client: Client) =>
    client.secret === undefined ? client : { ...client, secret: randomBytes(32).toString("base64url") }
  return {
    ...realm,
    clients: (realm.clients ?? []).map(withNewSecret),
    // What a service account may do is written with its user.
    users: (realm.users ?? []).filter(user => withUsers || user.serviceAccountClientId !== undefined),
  }
}

async function logIn(keycloak: string): Promise<string> {
  const { KEYCLOAK_ADMIN: username = "admin", KEYCLOAK_ADMIN_PASSWORD: password = "admin" } = process.env
  const grant = new URLSearchParams({ grant_type: "password", client_id: "admin-cli", username, password })
  const login = await post(`${keycloak}/realms/master/protocol/openid-connect/token`, grant)
  if (!login.ok) throw new Error(`${keycloak} did not let the administrator "${username}" in: ${await reasonOf(login)}`)
  return ((await login.json()) as { access_token: string }).access_token
}

async function post(url: string, body: string | URLSearchParams, headers = {}): Promise<Response> {
  return fetch(url, { method: "POST", body, headers }).catch(({ message, cause }) => {
    throw new Error(`Can't reach Keycloak at ${new URL(url).origin}: ${cause?.code ?? cause?.message ?? message}`)
  })
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text()
  const hint = text.includes("invalid_grant") ? ". Set KEYCLOAK_ADMIN and KEYCLOAK_ADMIN_PASSWORD" : ""
  return `${response.status} ${JSON.stringify(text.slice(0, 300))}${hint}`
}

function contentsOf({ clients = [], groups = [], users = [] }: RealmFile): string {
  const people = users.filter(user => user.serviceAccountClientId === undefined)
  const names = [
    clients.map(client => `client ${client.clientId}`),
    groups.map(group => `group ${group.name}`),
    people.map(user => `user ${user.username}`),
  ]
  return names.flat().join(", ")
}
