/** Usage: node examples/import-realm.ts [http://localhost:8080] [examples/realm.json] */
import { readFileSync } from "node:fs"
import { join } from "node:path"

const [address = "http://localhost:8080", file = join(import.meta.dirname, "realm.json")] = process.argv.slice(2)
const { KEYCLOAK_ADMIN: username = "admin", KEYCLOAK_ADMIN_PASSWORD: password = "admin" } = process.env
const url = address.replace(/\/+$/, "")

interface Realm {
  realm: string
  clients?: { clientId: string }[]
  groups?: { name: string }[]
  users?: { username: string; serviceAccountClientId?: string }[]
}

try {
  const realm: Realm = JSON.parse(readFileSync(file, "utf8"))
  const form = new URLSearchParams({ grant_type: "password", client_id: "admin-cli", username, password })
  const { access_token } = await post("/realms/master/protocol/openid-connect/token", form, {})
  const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" }
  await post("/admin/realms", JSON.stringify(realm), headers)
  console.log(`Realm ${realm.realm} imported into ${url}: ${contents(realm).join(", ")}`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

async function post(path: string, body: string | URLSearchParams, headers: Record<string, string>) {
  const response = await fetch(url + path, { method: "POST", body, headers }).catch((error: Error) => {
    throw new Error(`Can't reach Keycloak at ${url} (${String(error.cause ?? error)}). Is it running?`)
  })
  const text = await response.text()
  if (response.ok) return text === "" ? {} : JSON.parse(text)
  if (response.status === 409)
    throw new Error(`Nothing imported: ${url} has this realm already. Delete it there first.`)
  const hint = headers.authorization === undefined ? " Set KEYCLOAK_ADMIN and KEYCLOAK_ADMIN_PASSWORD." : ""
  throw new Error(`Keycloak at ${url} refused ${path} with ${response.status}: ${text}.${hint}`)
}

function contents({ clients = [], groups = [], users = [] }: Realm): string[] {
  const people = users.filter(user => user.serviceAccountClientId === undefined)
  const names = {
    client: clients.map(c => c.clientId),
    group: groups.map(g => g.name),
    user: people.map(u => u.username),
  }
  return Object.entries(names).flatMap(([kind, list]) => list.map(name => `${kind} ${name}`))
}
