import { startTestRealm } from "keycloak-gate/testing"
import { client, type DemoKeycloak, realm } from "./keycloak.ts"

/** The realm of `realm.json` in this process: nothing to install, nothing to start. */
export async function openTestRealm(): Promise<DemoKeycloak> {
  const { clientId } = client
  let server = await startTestRealm({ realm, clientId })
  const { url } = server
  return {
    url,
    name: "the test realm of keycloak-gate/testing, in this process",
    isOurs: true,
    accountsNamed: async username =>
      server
        .users()
        .filter(user => user.username === username)
        .map(({ id, enabled }) => ({ id, enabled })),
    sessionsOf: async subject => server.users().find(({ id }) => id === subject)?.sessions ?? 0,
    stop: () => server.stop(),
    async startAgain() {
      server = await startTestRealm({ realm, clientId, port: Number(new URL(url).port) })
    },
  }
}
