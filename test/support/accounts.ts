import { adminFetch, gateTest } from "../live/realms.js"
import { secrets } from "./refusal-of.ts"

// Of this run alone, since several may share one server.
const prefix = `fault-${process.pid}-${Date.now().toString(36)}`
let count = 0

/** Somebody whom the realm `gate-test` would accept and does not know yet. */
export function newPerson() {
  const username = `${prefix}-${count++}`
  const email = `${username}@example.test`
  return { username, email, firstName: "Ada", lastName: "Lovelace", password: secrets.password }
}

/** How a gate before the real Keycloak registers and logs in, with everything going through this proxy. */
export function throughProxy(proxy: { readonly url: string }) {
  const admin = { clientId: "gate-admin", clientSecret: "gate-secret" }
  return { ...gateTest(), admin, internalUrl: proxy.url }
}

export interface Account {
  readonly id: string
  readonly username: string
}

/** What Keycloak has under exactly this username. */
export async function accountsNamed(username: string): Promise<readonly Account[]> {
  return listAccounts(`exact=true&username=${encodeURIComponent(username)}`)
}

export async function removeAccounts(): Promise<void> {
  for (const { id } of await listAccounts(`max=500&search=${prefix}`)) {
    await adminFetch("DELETE", `/realms/gate-test/users/${id}`)
  }
}

async function listAccounts(query: string): Promise<readonly Account[]> {
  const answer = await adminFetch("GET", `/realms/gate-test/users?${query}`)
  return (await answer.json()) as Account[]
}
