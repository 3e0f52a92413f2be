import { type GateError, invalidToken } from "../errors.js"
import { clientForm, secretNeeded } from "./client-authentication.js"
import { splitToken } from "./compact-token.js"
import { type Asker, answerOf, refusedUs } from "./refused-us.js"
import type { VerifyToken } from "./token-verifier.js"
import { readJson, type Transport, unavailable } from "./transport.js"

/**
 * Asks Keycloak about each token; the answer's claims are checked again, because it calls an ID token active too.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`, `audience` or `revoked`
 * @throws {GateError} `config_invalid` without a client secret; `keycloak_unavailable`; `keycloak_refused_us`
 * @see RFC 7662 §4
 */
export function createIntrospection(asker: Asker, transport: Transport): VerifyToken {
  return async token => {
    if (asker.clientSecret === null) throw secretNeeded('`verification: "introspection"`')
    const { payload } = splitToken(token)
    const response = await transport.fetch(asker.url, clientForm(asker, { token, token_type_hint: "access_token" }))
    const answer = await readJson(asker.url, response)
    if (response.status !== 200) throw refusedUs(asker, answerOf(response.status, answer))
    if (typeof answer.active !== "boolean") throw unavailable(asker.url, "its introspection answer has no `active`")
    // Keycloak 26.7.4 adds a `jwt` with all claims to inactive answers (CVE-2026-18208): nothing but `active` is read.
    if (answer.active !== true) throw inactive(payload, asker.clientId)
    return answer
  }
}

// Since 26.6.2 a token is inactive to every client that its `aud` does not name, the one that asked for it included.
function inactive({ aud }: Readonly<Record<string, unknown>>, clientId: string): GateError {
  if (aud === clientId || (Array.isArray(aud) && aud.includes(clientId))) {
    return invalidToken(
      "revoked",
      "Refused a token that Keycloak calls inactive: expired, logged out, revoked, or its user disabled.",
    )
  }
  return invalidToken(
    "audience",
    `Refused a token that Keycloak calls inactive: its audience lacks "${clientId}", and Keycloak tells only the audience about a ` +
      `token. On the client that asks for tokens add an Audience mapper with Included Client Audience = ${clientId}.`,
  )
}
