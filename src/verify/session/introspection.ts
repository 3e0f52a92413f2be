import { type GateError, invalidToken, warnable } from "../../errors.js"
import { readJson } from "../../keycloak/answer.js"
import { clientForm, secretNeeded } from "../../keycloak/client-authentication.js"
import type { KeycloakClient } from "../../keycloak/client-faults.js"
import { readHeader, splitToken } from "../../keycloak/compact-token.js"
import { unavailable } from "../../keycloak/network-error.js"
import type { Share } from "../../keycloak/places.js"
import { refusedUs } from "../../keycloak/set-up-errors.js"
import type { Background } from "../../keycloak/share.js"
import type { Call, Transport } from "../../keycloak/transport.js"
import { readKeycloakError } from "../../keycloak/words.js"
import { checkAccessToken, type Expectations, parseClaims } from "../claims.js"
import type { VerifyToken } from "../token/token-verifier.js"
import { createAskedOnce } from "./asked-once.js"

/** Keycloak's answer about a token; nothing in it but `active` may be read unless that is true. */
export type Introspect = (token: string) => Promise<Readonly<Record<string, unknown>> & { readonly active: boolean }>

/**
 * Keycloak's introspection endpoint.
 *
 * @throws {GateError} `keycloak_unavailable`; `keycloak_refused_us`
 * @see RFC 7662 §2
 */
export function createIntrospect(client: KeycloakClient, transport: Transport, share: Share): Introspect {
  const call: Call = { endpoint: "introspection", share, isRepeatable: true }
  return async token => {
    const response = await transport.fetch(
      client.url,
      call,
      clientForm(client, { token, token_type_hint: "access_token" }),
    )
    const answer = await readJson(client.url, response)
    if (response.status !== 200) throw refusedUs(client, readKeycloakError(response.status, answer))
    const { active } = answer
    if (typeof active !== "boolean") throw unavailable(client.url, "its introspection answer has no `active`")
    return { ...answer, active }
  }
}

export interface IntrospectionParts {
  readonly client: KeycloakClient
  readonly introspect: Introspect
  readonly expected: Expectations
  readonly cacheSeconds: number
  readonly timeoutMs: number
  readonly background: Background
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

// Clients of one realm that issue lightweight tokens; only Keycloak's own answers get in.
const maxKnownClients = 1000

/**
 * Asks Keycloak about each token. What the token says of itself is looked at before, and the answer's claims after, since
 * Keycloak calls an ID token active too.
 *
 * @throws {GateError} `invalid_token` with reason `malformed`, `revoked`, and those of `parseClaims`; `audience` also for
 * an inactive token that is not for this client
 * @throws {GateError} `config_invalid` without a client secret; `keycloak_unavailable`; `keycloak_refused_us`
 * @see RFC 7662 §4
 */
export function createIntrospection(parts: IntrospectionParts): VerifyToken {
  const { client, introspect, expected } = parts
  const askOnce = createAskedOnce<Readonly<Record<string, unknown>>>({ ...parts, url: client.url, now: expected.now })
  // Of those whose tokens hold no `aud`, although Keycloak knows one: lightweight tokens.
  const lightweightClients = new Set<unknown>()

  async function ask(token: string, payload: Readonly<Record<string, unknown>>) {
    const answer = await introspect(token)
    if (!answer.active) {
      throw namesClient(payload.aud, client.clientId) ||
        (payload.aud === undefined && lightweightClients.has(payload.azp))
        ? revoked()
        : warnable(notForUs(client.clientId), { topic: "inactive" })
    }
    parseClaims(answer, expected)
    // Keycloak's own word, should a mapper have changed `typ`.
    if (answer.token_type !== undefined && answer.token_type !== "Bearer")
      throw invalidToken("type", "Refused a token that Keycloak does not call a Bearer token.")
    if (payload.sub !== undefined && payload.sub !== answer.sub)
      throw invalidToken("claims", "Refused a token whose `sub` is not the one that introspection tells.")
    if (payload.aud === undefined && lightweightClients.size < maxKnownClients) lightweightClients.add(answer.azp)
    return claimsOf(answer, payload)
  }

  return async token => {
    if (client.clientSecret === null) throw secretNeeded('`verification: "introspection"`')
    const { encodedHeader, payload } = splitToken(token)
    readHeader(encodedHeader)
    // Keycloak need not be asked about what is refused in any case, and it would not say why.
    checkAccessToken(payload, expected)
    return { payload: await askOnce(token, payload.exp, () => ask(token, payload)), key: null }
  }
}

/**
 * Introspection adds a `client_id` to every answer; in a token it is the mark of a client that acts on its own. The other
 * marks count wherever they stand: a lightweight token lacks them, and the answer lacks what no session keeps (26.7.4).
 */
function claimsOf(
  { client_id: _, ...claims }: Readonly<Record<string, unknown>>,
  { client_id, sid, clientHost, clientAddress }: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { ...present({ sid, clientHost, clientAddress }), ...claims, ...present({ client_id }) }
}

function present(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
}

// Since 26.6.2 a token is inactive to every client that its `aud` does not name, the one that asked for it included.
export function namesClient(aud: unknown, clientId: string): boolean {
  return aud === clientId || (Array.isArray(aud) && aud.includes(clientId))
}

export function revoked(): GateError {
  return invalidToken(
    "revoked",
    "Refused a token that Keycloak calls inactive: logged out, revoked, or its user or client disabled.",
  )
}

export function notForUs(clientId: string): GateError {
  return invalidToken(
    "audience",
    `Refused a token that Keycloak calls inactive: its audience lacks "${clientId}", as far as it can be read, and Keycloak ` +
      "tells only the audience about a token. On the client that asks for tokens add an Audience mapper with Included Client " +
      `Audience = ${clientId}.`,
  )
}
