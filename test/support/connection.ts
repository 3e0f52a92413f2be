import { type Connection, createConnection } from "../../src/keycloak/connection.js"
import { createRealm } from "../../src/keycloak/realm.js"
import { parseOptions } from "../../src/options/gate-options.js"

/** What a gate with these options would reach Keycloak by. */
export function connectionTo(options: Parameters<typeof parseOptions>[0]): Connection {
  const { connection: settings } = parseOptions(options)
  return createConnection({
    settings,
    realm: createRealm(settings),
    tell: () => undefined,
    background: () => undefined,
    now: () => Date.now(),
    elapsed: () => performance.now(),
  })
}
