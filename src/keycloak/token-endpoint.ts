import type * as oauth from "openid-client"
import { GateError, isGateError } from "../errors.js"
import { invalidFields } from "../fields.js"
import type { KeycloakClient } from "./client-faults.js"
import { unavailable, unreachable } from "./network-error.js"
import { quoted } from "./quoted.js"
import type { Realm } from "./realm.js"
import type { Session } from "./session.js"
import { refused, refusedUs } from "./set-up-errors.js"
import type { Call, Transport } from "./transport.js"
import { type KeycloakError, type KeycloakErrorKind, readKeycloakError } from "./words.js"

/** Keycloak's token endpoint for one client. */
export interface TokenClient {
  readonly passwordGrant: (parameters: Readonly<Record<string, string>>) => Promise<Session>
  readonly refreshGrant: (refreshToken: string) => Promise<Session>
  readonly clientCredentialsGrant: () => Promise<OwnGrant>
}

/** A client's own token. */
interface OwnGrant {
  readonly accessToken: string
  readonly expiresInSeconds: number
  /** Tokens that were issued before are refused by Keycloak: seconds since 1970, 0 for none. */
  readonly notBefore: number
}

export interface TokenClientParts {
  readonly realm: Realm
  readonly clientId: string
  readonly clientSecret: string | null
  readonly transport: Transport
  readonly revealAccountState: boolean
}

// Keycloak lets each client choose. The signature is not looked at: the answer comes from Keycloak itself (OpenID Connect
// Core §3.1.3.7), so the client library only has to be told not to insist on RS256.
const idTokenAlgorithms = [
  ...["RS", "PS", "ES", "HS"].flatMap(family => ["256", "384", "512"].map(size => `${family}${size}`)),
  "EdDSA",
]

// Each login counts against Keycloak's lock, and a refresh token may be good for one use: neither is sent twice.
const personsGrant: Call = { endpoint: "token", share: "anonymous", isRepeatable: false }
const ownGrant: Call = { endpoint: "token", share: "own", isRepeatable: true }

export function createTokenClient(parts: TokenClientParts): TokenClient {
  const { realm, clientId, clientSecret, transport, revealAccountState } = parts
  const client: KeycloakClient = { url: realm.tokenUrl, realm: realm.name, clientId, clientSecret }
  const configured = new Map<Call, oauth.Configuration>()

  function configure(openid: OpenidClient, call: Call): oauth.Configuration {
    const configuration = new openid.Configuration(
      {
        issuer: realm.issuer,
        token_endpoint: realm.tokenUrl,
        id_token_signing_alg_values_supported: idTokenAlgorithms,
      },
      clientId,
      undefined,
      clientSecret === null ? openid.None() : openid.ClientSecretBasic(clientSecret),
    )
    configuration[openid.customFetch] = ((url, init) =>
      transport.fetch(url, call, init as RequestInit)) as oauth.CustomFetch
    // Whether plain http may be used is decided once, with the options.
    openid.allowInsecureRequests(configuration)
    configured.set(call, configuration)
    return configuration
  }

  async function grant(
    call: Call,
    type: string,
    parameters: Readonly<Record<string, string>>,
    refusal: (error: KeycloakError) => GateError | null,
  ) {
    // 10 ms: only an application that asks for tokens pays for it, once.
    const openid = await import("openid-client")
    try {
      const configuration = configured.get(call) ?? configure(openid, call)
      return await openid.genericGrantRequest(configuration, type, { ...parameters })
    } catch (error) {
      throw translate(error, openid, client, refusal)
    }
  }

  return {
    async passwordGrant(parameters) {
      const answer = await grant(personsGrant, "password", parameters, error => loginRefusal(error, revealAccountState))
      return toSession(clientId, answer)
    },
    async refreshGrant(refreshToken) {
      const answer = await grant(personsGrant, "refresh_token", { refresh_token: refreshToken }, sessionRefusal)
      return toSession(clientId, answer)
    },
    async clientCredentialsGrant() {
      const answer = await grant(ownGrant, "client_credentials", {}, () => null)
      const notBefore = answer["not-before-policy"]
      return {
        accessToken: answer.access_token,
        expiresInSeconds: answer.expires_in ?? 60,
        notBefore: typeof notBefore === "number" ? notBefore : 0,
      }
    },
  }
}

type OpenidClient = typeof oauth

// openid-client wraps what our own fetch threw, and never puts what we sent into its errors.
function translate(
  error: unknown,
  openid: OpenidClient,
  client: KeycloakClient,
  refusal: (error: KeycloakError) => GateError | null,
): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  if (isGateError(error)) return error
  if (isGateError(cause)) return cause
  if (error instanceof openid.ResponseBodyError) {
    const said = readKeycloakError(error.status, error.cause)
    return refusal(said) ?? refusedUs(client, said)
  }
  if (error instanceof openid.ClientError) {
    const status = cause instanceof Response ? cause.status : 200
    if (status >= 400) return refusedUs(client, readKeycloakError(status, null))
    return unavailable(
      client.url,
      `its token answer can't be read (${error.code ?? "unknown"}); something else may listen there`,
    )
  }
  return unreachable(client.url, error)
}

function loginRefusal({ kind, error }: KeycloakError, revealAccountState: boolean): GateError | null {
  if (kind === "scope_refused") return invalidFields([{ field: "scope", rule: error, params: [] }])
  if (!isGrantRefused(kind)) return null
  const state = accountState(kind)
  if (state !== null && revealAccountState) return state
  return new GateError(
    "invalid_credentials",
    "Keycloak refused the credentials; it does not tell a wrong password from an unknown user, a locked account, a missing " +
      "one-time code or a directory (LDAP) that it can't reach.",
    state === null ? {} : { cause: state },
  )
}

function isGrantRefused(kind: KeycloakErrorKind): boolean {
  return kind === "grant_refused" || kind === "account_disabled" || kind === "account_unfinished"
}

/** Keycloak tells these two to whoever has the right password, and so confirms it. */
function accountState(kind: KeycloakErrorKind): GateError | null {
  if (kind === "account_disabled") {
    return new GateError("account_disabled", "Right password, but the account is disabled in Keycloak.")
  }
  if (kind === "account_unfinished") {
    return new GateError(
      "account_setup_required",
      "Right password, but the account is unfinished. Keycloak says only that it is not fully set up; the usual cause is a " +
        "missing first name, last name or e-mail, else a required action. Fill it in under Users, or send the person through " +
        "the login page.",
    )
  }
  return null
}

/** The answer to a refresh token that Keycloak no longer takes. */
export function sessionRefusal({ kind, description }: KeycloakError): GateError | null {
  if (!isGrantRefused(kind)) return null
  return new GateError(
    "session_ended",
    `Keycloak no longer accepts this refresh token: ${quoted(description) || "no reason given"}.`,
  )
}

function toSession(clientId: string, answer: oauth.TokenEndpointResponse & { refresh_expires_in?: unknown }): Session {
  const { access_token, refresh_token, id_token, expires_in, refresh_expires_in, scope } = answer
  if (refresh_token === undefined) {
    throw refused(
      `Keycloak gives the client "${clientId}" no refresh tokens. Switch on Clients → ${clientId} → Advanced → Open ID Connect ` +
        "Compatibility Modes → Use refresh tokens",
    )
  }
  return Object.freeze({
    accessToken: access_token,
    refreshToken: refresh_token,
    ...(id_token !== undefined && { idToken: id_token }),
    tokenType: "Bearer",
    expiresInSeconds: expires_in ?? 0,
    refreshExpiresInSeconds: typeof refresh_expires_in === "number" ? refresh_expires_in : 0,
    scope: scope ?? "",
  })
}
