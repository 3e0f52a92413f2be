import { afterAll } from "vitest"
import { createRealmClient, gateTestRealm, type Realm, type RealmClient, type RealmHost } from "./realm-client.ts"

/** Opens the realm of the cases under a name of its own, with some of it changed; it is closed after the last case. */
export type OpenRealm = (name: string, change?: (file: Realm) => void) => Promise<RealmClient>

export function realmsOf(host: RealmHost): OpenRealm {
  const opened: { close: () => Promise<void> }[] = []
  // Removing a realm takes a busy server many seconds.
  afterAll(async () => {
    for (const realm of opened) await realm.close()
  }, 600_000)
  return async (name, change = () => undefined) => {
    const file = gateTestRealm()
    file.realm = `contract-${name}`
    change(file)
    const realm = await host.open(file)
    opened.push(realm)
    return createRealmClient(realm)
  }
}
