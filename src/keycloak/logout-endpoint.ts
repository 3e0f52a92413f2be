import { readJson } from "./answer.js"
import { clientForm } from "./client-authentication.js"
import type { KeycloakClient } from "./client-faults.js"
import { unavailable } from "./network-error.js"
import { refusedUs } from "./set-up-errors.js"
import { sessionRefusal } from "./token-endpoint.js"
import type { Call, Transport } from "./transport.js"
import { readKeycloakError } from "./words.js"

// A second logout of a session that has ended is answered like the first.
const call: Call = { endpoint: "logout", share: "anonymous", isRepeatable: true }

/** Keycloak's logout by refresh token: 204, also for a session that has ended already. */
export function createSessionEnd(
  client: KeycloakClient,
  transport: Transport,
): (refreshToken: string) => Promise<void> {
  return async refreshToken => {
    const response = await transport.fetch(client.url, call, clientForm(client, { refresh_token: refreshToken }))
    if (response.status === 204) return
    if (response.ok)
      throw unavailable(client.url, `it answered ${response.status} to a logout, where Keycloak answers 204`)
    const error = readKeycloakError(response.status, await readJson(client.url, response))
    throw sessionRefusal(error) ?? refusedUs(client, error)
  }
}
