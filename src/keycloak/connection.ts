import type { Report } from "../events.js"
import { type AdminApi, createAdminApi } from "./admin-api.js"
import { secretNeeded } from "./client-authentication.js"
import type { KeycloakClient } from "./client-faults.js"
import type { Deadline } from "./deadline.js"
import { createKeycloakClock, type KeycloakClock } from "./keycloak-clock.js"
import type { Share } from "./places.js"
import { createReachability, type Reachability } from "./reachability.js"
import type { Realm } from "./realm.js"
import { createServiceToken, serviceTokenWithin } from "./service-token.js"
import type { Background, Sharing } from "./share.js"
import { createTokenClient, type TokenClient } from "./token-endpoint.js"
import { createTransport, type Transport } from "./transport.js"

/** Which Keycloak, as whom, and how long it is waited for. */
export interface ConnectionSettings {
  readonly serverUrl: string
  readonly internalUrl: string
  readonly realm: string
  readonly clientId: string
  /** Null: a public client. */
  readonly clientSecret: string | null
  /** Another service account for what is asked of the Admin API. */
  readonly admin: ClientCredentials | null
  readonly timeoutMs: number
  readonly maxConcurrentRequests: number
  readonly revealAccountState: boolean
}

interface ClientCredentials {
  readonly clientId: string
  readonly clientSecret: string
}

export interface ConnectionParts {
  readonly settings: ConnectionSettings
  readonly realm: Realm
  readonly tell: Report
  readonly background: Background
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** One realm of Keycloak, as one client reaches it. */
export interface Connection extends Pick<ConnectionParts, "realm" | "now" | "elapsed"> {
  readonly clientId: string
  readonly clientSecret: string | null
  readonly timeoutMs: number
  readonly sharing: Sharing
  readonly transport: Transport
  readonly reachability: Reachability
  readonly clock: KeycloakClock
  /** Tells an event, unless an outage that is told explains it. */
  readonly report: Report
  readonly tokens: TokenClient
  /** Whoever manages accounts: the client itself, unless there is another service account. */
  readonly manager: { readonly client: KeycloakClient; readonly tokens: TokenClient }
  /** The client's own name and secret, for a request to this endpoint. */
  readonly clientAt: (url: string) => KeycloakClient
  /** Requests that take these places, and wait for the service account's token no longer than that. */
  readonly adminApi: (share: Share, deadline?: Deadline) => AdminApi
  readonly notBefore: NotBefore
}

/** Keycloak takes no token that was issued before: it says so with each token of the service account. */
interface NotBefore {
  /** Seconds since 1970; 0: none. */
  readonly last: () => number
  /** How many tokens the Admin API was asked with. */
  readonly tokens: () => number
  /** Gets a token for what comes with it, and throws it away. */
  readonly ask: () => Promise<void>
}

export function createConnection({ settings, realm, tell, background, now, elapsed }: ConnectionParts): Connection {
  const { clientId, clientSecret, admin, timeoutMs } = settings
  const sharing: Sharing = { background, timeoutMs }
  const reachability = createReachability({ timeoutMs, tell, now, elapsed })
  const report: Report = event => {
    if (event.type !== "recheck_failed" || !reachability.explains(event.error)) tell(event)
  }
  const transport = createTransport({ ...settings, reachability, report, elapsed })
  const clock = createKeycloakClock(now, elapsed)

  function tokensOf(client: { readonly clientId: string; readonly clientSecret: string | null }): TokenClient {
    const { revealAccountState } = settings
    const { passwordGrant, refreshGrant, clientCredentialsGrant } = createTokenClient({
      ...client,
      realm,
      transport,
      revealAccountState,
    })
    return {
      passwordGrant: clock.comparing(passwordGrant),
      refreshGrant: clock.comparing(refreshGrant),
      clientCredentialsGrant: clock.comparing(clientCredentialsGrant),
    }
  }

  const tokens = tokensOf({ clientId, clientSecret })
  const clientAt = (url: string): KeycloakClient => ({ url, realm: realm.name, clientId, clientSecret })
  const manager =
    admin === null
      ? { client: clientAt(realm.tokenUrl), tokens }
      : { client: { ...clientAt(realm.tokenUrl), ...admin }, tokens: tokensOf(admin) }
  let notBefore = 0
  let tokensOfManager = 0
  async function ownGrant() {
    if (manager.client.clientSecret === null) throw secretNeeded("Registering people and managing their accounts")
    const granted = await manager.tokens.clientCredentialsGrant()
    notBefore = granted.notBefore
    return granted
  }
  const serviceToken = createServiceToken(
    async () => {
      const granted = await ownGrant()
      tokensOfManager++
      return granted
    },
    elapsed,
    sharing,
  )

  return {
    realm,
    now,
    elapsed,
    clientId,
    clientSecret,
    timeoutMs,
    sharing,
    transport,
    reachability,
    clock,
    report,
    tokens,
    manager,
    clientAt,
    notBefore: {
      last: () => notBefore,
      tokens: () => tokensOfManager,
      ask: async () => void (await ownGrant()),
    },
    adminApi: (share, deadline) =>
      createAdminApi({
        realm,
        clientId: manager.client.clientId,
        transport,
        share,
        serviceToken: deadline === undefined ? serviceToken : serviceTokenWithin(serviceToken, deadline),
      }),
  }
}
