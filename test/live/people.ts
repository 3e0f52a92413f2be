import {
  createGate,
  type Gate,
  type MemoryUser,
  memoryUserStore,
  type Registered,
  type UserStore,
} from "../../src/index.js"
import { adminFetch, changedShop, type ShopRealm, type TestClient } from "./realms.ts"

export const password = "Passw0rd!"

export interface Person extends Registered<MemoryUser> {
  readonly email: string
  readonly password: string
}

/** A realm of a test file's own, with a gate, its rows, and people to do things to. */
export interface People {
  readonly options: TestClient
  readonly store: UserStore<MemoryUser>
  readonly gate: Gate<MemoryUser>
  readonly newPerson: (attributes?: Record<string, string>) => Promise<Person>
  /** The account as Keycloak's administrator sees it, or null. */
  readonly accountOf: (subject: string) => Promise<Record<string, unknown> | null>
  readonly rowOf: (subject: string) => Promise<MemoryUser | null>
  /** How many sessions there are, offline ones not counted. */
  readonly sessionsOf: (subject: string) => Promise<number>
  /** One request to the realm's Admin API, as Keycloak's administrator; the status. */
  readonly administer: (method: string, path: string, body?: unknown) => Promise<number>
  /** Takes attributes of these names into the realm's user profile. */
  readonly declareAttributes: (...attributes: readonly Record<string, unknown>[]) => Promise<void>
  readonly close: () => Promise<void>
}

export async function startPeople(
  realm: string,
  change: (realm: ShopRealm) => void = () => undefined,
): Promise<People> {
  const options = await changedShop(realm, change)
  const store = memoryUserStore()
  const gate = createGate({ ...options, userStore: store, onEvent: () => undefined })
  const administer = async (method: string, path: string, body?: unknown) =>
    (await adminFetch(method, `/realms/${realm}${path}`, body)).status
  let count = 0
  return {
    options,
    store,
    gate,
    administer,
    async newPerson(attributes = {}) {
      const username = `person-${count++}`
      const email = `${username}@example.test`
      const names = { firstName: "Ada", lastName: "Lovelace" }
      return { ...(await gate.registerUser({ username, email, ...names, password, attributes })), email, password }
    },
    async accountOf(subject) {
      const answer = await adminFetch("GET", `/realms/${realm}/users/${subject}`)
      return answer.status === 404 ? null : ((await answer.json()) as Record<string, unknown>)
    },
    async sessionsOf(subject) {
      const answer = await adminFetch("GET", `/realms/${realm}/users/${subject}/sessions`)
      return ((await answer.json()) as unknown[]).length
    },
    rowOf: subject => store.findUser({ issuer: `${options.serverUrl}/realms/${realm}`, subject }),
    async declareAttributes(...attributes) {
      const path = "/users/profile"
      const profile = (await (await adminFetch("GET", `/realms/${realm}${path}`)).json()) as {
        attributes: { name: string }[]
      }
      const names = attributes.map(({ name }) => name)
      const others = profile.attributes.filter(({ name }) => !names.includes(name))
      const status = await administer("PUT", path, { ...profile, attributes: [...others, ...attributes] })
      if (status !== 200) throw new Error(`the realm's user profile: ${status}`)
    },
    async close() {
      gate.close()
      await administer("DELETE", "")
    },
  }
}

/** An attribute that person and administrator may see and write. */
export function attribute(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { name, permissions: { view: ["admin", "user"], edit: ["admin", "user"] }, ...more }
}
