/** Usage: node examples/import-realm.ts [http://localhost:8080] [examples/realm.json] */
import { readFileSync } from "node:fs"
import { join } from "node:path"

const [address = "http://localhost:8080", file = join(import.meta.dirname, "realm.json")] = process.argv.slice(2)
const { KEYCLOAK_ADMIN: username = "admin", KEYCLOAK_ADMIN_PASSWORD: password = "admin" } = process.env
const keycloak = address.replace(/\/+$/, "")

try {
  const realm = JSON.parse(readFileSync(file, "utf8"))
  const grant = new URLSearchParams({ grant_type: "password", client_id: "admin-cli", username, password })
  const login = await post("/realms/master/protocol/openid-connect/token", grant)
  if (!login.ok) throw new Error(`${keycloak} did not let the administrator "${username}" in: ${await reasonOf(login)}`)
  const { access_token } = (await login.json()) as { access_token: string }

  const json = { authorization: `Bearer ${access_token}`, "content-type": "application/json" }
  const imported = await post("/admin/realms", JSON.stringify(realm), json)
  if (imported.status === 409) throw new Error(`${keycloak} has a realm "${realm.realm}" already; nothing was changed`)
  if (!imported.ok) throw new Error(`${keycloak} refused the realm: ${await reasonOf(imported)}`)
  console.log(`Realm ${realm.realm} imported into ${keycloak}: ${contentsOf(realm)}`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

async function post(path: string, body: string | URLSearchParams, headers = {}): Promise<Response> {
  return fetch(keycloak + path, { method: "POST", body, headers }).catch(({ message, cause }) => {
    throw new Error(`Can't reach Keycloak at ${keycloak}: ${cause?.code ?? cause?.message ?? message}`)
  })
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text()
  const hint = text.includes("invalid_grant") ? ". Set KEYCLOAK_ADMIN and KEYCLOAK_ADMIN_PASSWORD" : ""
  return `${response.status} ${text}${hint}`
}

function contentsOf({ clients = [], groups = [], users = [] }: Record<string, Record<string, string>[] | undefined>) {
  const people = users.filter(user => user.serviceAccountClientId === undefined)
  const names = [
    clients.map(c => `client ${c.clientId}`),
    groups.map(g => `group ${g.name}`),
    people.map(u => `user ${u.username}`),
  ]
  return names.flat().join(", ")
}
