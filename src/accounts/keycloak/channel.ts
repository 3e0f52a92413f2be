import type { AdminApi } from "../../keycloak/admin-api.js"
import type { Connection } from "../../keycloak/connection.js"
import type { Deadline } from "../../keycloak/deadline.js"
import type { Share } from "../../keycloak/places.js"

/** What is asked about accounts goes through one: as whom, in whose places, and for how long. */
export interface Channel extends Pick<Connection, "realm" | "transport" | "clock"> {
  readonly api: AdminApi
  /** Whose redirect URIs a link in a mail may lead to. */
  readonly mailClientId: string
}

export function openChannel(connection: Connection, share: Share, deadline?: Deadline): Channel {
  const { realm, transport, clock, clientId, adminApi } = connection
  return { realm, transport, clock, api: adminApi(share, deadline), mailClientId: clientId }
}
