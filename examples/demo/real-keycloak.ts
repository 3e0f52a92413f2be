import { startKeycloak } from "../../test/live/keycloak/start.ts"
import { type Account, client, type DemoKeycloak, realm } from "./keycloak.ts"

/** A real Keycloak: the one at `KEYCLOAK_URL`, else one of our own. */
export async function openRealKeycloak(log: (line: string) => void): Promise<DemoKeycloak> {
  const isOurs = !process.env.KEYCLOAK_URL
  const realms = [realm]
  let server = await startKeycloak({ realms, log, ...(isOurs && { port: 0 }) })
  const { url, port } = server
  const users = `/realms/${client.realm}/users`
  const info = await server.adminFetch("GET", "/serverinfo")
  const { version } = (info.body as { systemInfo: { version: string } }).systemInfo

  return {
    url,
    name: `Keycloak ${version}`,
    isOurs,
    async accountsNamed(username) {
      const { body } = await server.adminFetch("GET", `${users}?exact=true&username=${username}`)
      return (body as Account[]).map(({ id, enabled }) => ({ id, enabled }))
    },
    async sessionsOf(subject) {
      return ((await server.adminFetch("GET", `${users}/${subject}/sessions`)).body as unknown[]).length
    },
    stop: () => server.stop(),
    async startAgain() {
      server = await startKeycloak({ port, realms })
    },
  }
}
