import { randomUUID } from "node:crypto"
import { adminFetch, gateTest } from "../live/realms.js"
import { secrets } from "./refusal-of.ts"

// Of this test file alone, since several share one server.
const prefix = `fault-${randomUUID().slice(0, 8)}`
let count = 0

interface Person {
  readonly username: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  readonly password: string
}

/** Somebody whom the realm `gate-test` would accept and does not know yet. */
export function newPerson(): Person {
  const username = `${prefix}-${count++}`
  const email = `${username}@example.test`
  return { username, email, firstName: "Ada", lastName: "Lovelace", password: secrets.password }
}

interface Connection {
  readonly serverUrl: string
  readonly internalUrl: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
  readonly admin: { readonly clientId: string; readonly clientSecret: string }
}

/** How a gate before the real Keycloak registers and logs in, with everything going through this proxy. */
export function throughProxy(proxy: { readonly url: string }): Connection {
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
