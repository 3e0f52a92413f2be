import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { startKeycloak } from "../../test/live/keycloak/start.ts"

export interface DemoKeycloak {
  readonly url: string
  readonly version: string
  /** Whether it was started for this story, so that the story may stop it. */
  readonly isOurs: boolean
  accountsNamed(username: string): Promise<readonly Account[]>
  /** How many sessions an account has. */
  sessionsOf(subject: string): Promise<number>
  /** An ID token, got from Keycloak itself: the application hands none out. */
  idTokenOf(username: string, password: string): Promise<string>
  /** Whether anybody listens at its address. */
  isThere(): Promise<boolean>
  /** May be called again, and when it is stopped already. */
  stop(): Promise<void>
  /** The same address, with an empty database: only what `realm.json` holds. */
  startAgain(): Promise<void>
}

interface Account {
  readonly id: string
  readonly enabled: boolean
}

const realmFile = fileURLToPath(new URL("../realm.json", import.meta.url))
const realm: {
  readonly realm: string
  readonly clients: readonly { readonly clientId: string; readonly secret: string }[]
  readonly users: readonly { readonly username: string; readonly credentials?: readonly { readonly value: string }[] }[]
} = JSON.parse(readFileSync(realmFile, "utf8"))

/** The client and the person that the realm file brings along. */
export const client = {
  realm: realm.realm,
  clientId: "shop-api",
  clientSecret: realm.clients.find(({ clientId }) => clientId === "shop-api")?.secret ?? "",
}
export const edith = {
  username: "edith",
  password: realm.users.find(({ username }) => username === "edith")?.credentials?.[0]?.value ?? "",
}

/** A real Keycloak: the one at `KEYCLOAK_URL`, else one of our own. */
export async function openKeycloak(log: (line: string) => void): Promise<DemoKeycloak> {
  const isOurs = !process.env.KEYCLOAK_URL
  let server = await startKeycloak({ realms: [realmFile], log, ...(isOurs && { port: 0 }) })
  const { url, port } = server
  const users = `/realms/${client.realm}/users`
  const info = await server.adminFetch("GET", "/serverinfo")

  return {
    url,
    version: (info.body as { systemInfo: { version: string } }).systemInfo.version,
    isOurs,
    async accountsNamed(username) {
      return (await server.adminFetch("GET", `${users}?exact=true&username=${username}`)).body as Account[]
    },
    async sessionsOf(subject) {
      return ((await server.adminFetch("GET", `${users}/${subject}/sessions`)).body as unknown[]).length
    },
    async idTokenOf(username, password) {
      const grant = { grant_type: "password", client_id: client.clientId, client_secret: client.clientSecret }
      const response = await fetch(`${url}/realms/${client.realm}/protocol/openid-connect/token`, {
        method: "POST",
        body: new URLSearchParams({ ...grant, username, password, scope: "openid" }),
      })
      return ((await response.json()) as { id_token: string }).id_token
    },
    isThere: () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    stop: () => server.stop(),
    async startAgain() {
      server = await startKeycloak({ port, realms: [realmFile], log })
    },
  }
}
