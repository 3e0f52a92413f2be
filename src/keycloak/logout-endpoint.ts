import { readJson } from "./answer.js"
import { clientForm } from "./client-authentication.js"
import { unavailable } from "./network-error.js"
import { type Asker, answerOf, refusedUs } from "./set-up-errors.js"
import { sessionRefusal } from "./token-endpoint.js"
import type { Call, Transport } from "./transport.js"

// A second logout of a session that has ended is answered like the first.
const call: Call = { endpoint: "logout", share: "anonymous", isRepeatable: true }

/** Keycloak's logout by refresh token: 204, also for a session that has ended already. */
export function createSessionEnd(asker: Asker, transport: Transport): (refreshToken: string) => Promise<void> {
  return async refreshToken => {
    const response = await transport.fetch(asker.url, call, clientForm(asker, { refresh_token: refreshToken }))
    if (response.status === 204) return
    if (response.ok)
      throw unavailable(asker.url, `it answered ${response.status} to a logout, where Keycloak answers 204`)
    const answer = answerOf(response.status, await readJson(asker.url, response))
    throw sessionRefusal(answer) ?? refusedUs(asker, answer)
  }
}
