import { type Answer, type Call, json, NotKnown, oauthError } from "../answer.js"
import type { Account } from "../realm/accounts.js"
import type { Client, ClientScope } from "../realm/clients.js"
import type { RealmModel } from "../realm/realm-model.js"
import type { ClientSession, Session } from "../realm/sessions.js"
import { authenticateClient, isAnswer } from "./client-authentication.js"
import { formOf, hasDuplicates } from "./form.js"
import { logIn } from "./password-login.js"
import { sessionOf } from "./presented-token.js"
import { mapClaims } from "./protocol-mappers.js"
import { invalidScopes, issuerOf, type TokenContext, tokenContext } from "./token-context.js"
import {
  accessClaims,
  type Grant,
  hasLowerCaseType,
  idToken,
  refreshToken,
  scopeClaim,
  signAccessToken,
} from "./tokens.js"

const noStore = { "cache-control": "no-store", pragma: "no-cache" }
const otherGrants: ReadonlySet<string> = new Set([
  "authorization_code",
  "urn:ietf:params:oauth:grant-type:device_code",
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
  "urn:ietf:params:oauth:grant-type:token-exchange",
  "urn:ietf:params:oauth:grant-type:uma-ticket",
  "urn:openid:params:grant-type:ciba",
])

/** `POST /realms/{realm}/protocol/openid-connect/token`. */
export async function tokenEndpoint(realm: RealmModel, call: Call): Promise<Answer> {
  const answer = await grant(realm, call, formOf(call))
  return { ...answer, headers: { ...answer.headers, ...noStore } }
}

async function grant(realm: RealmModel, call: Call, form: URLSearchParams): Promise<Answer> {
  if (!realm.isEnabled) return oauthError(403, "access_denied", "Realm not enabled")
  const type = form.get("grant_type")
  if (type === null) return oauthError(400, "invalid_request", "Missing form parameter: grant_type")
  if (otherGrants.has(type)) throw new NotKnown(`does not know the grant type ${type}.`)
  const handle = grants[type]
  if (handle === undefined) return oauthError(400, "unsupported_grant_type", "Unsupported grant_type")
  const client = authenticateClient(realm, call, form)
  if (isAnswer(client)) return client
  if (hasDuplicates(form)) return oauthError(400, "invalid_request", "duplicated parameter")
  if (client.isBearerOnly) return oauthError(400, "invalid_client", "Bearer-only not allowed")
  if (call.headers.dpop !== undefined) throw new NotKnown("does not know DPoP proofs.")
  return handle(realm, call, form, client)
}

type GrantHandler = (realm: RealmModel, call: Call, form: URLSearchParams, client: Client) => Promise<Answer> | Answer

const grants: Readonly<Record<string, GrantHandler>> = {
  password(realm, call, form, client) {
    if (!client.hasDirectAccessGrants)
      return oauthError(400, "unauthorized_client", "Client not allowed for direct access grants")
    if (client.needsConsent) return oauthError(400, "invalid_client", "Client requires user consent")
    if (lacksProof(client)) return proofMissing()
    const scope = form.get("scope")
    const invalid = invalidScopes(client, realm, scope)
    if (invalid !== null) return oauthError(400, "invalid_scope", `Invalid scopes: ${invalid}`)
    const account = logIn(realm, form, scope?.split(" ") ?? [])
    if (isAnswer(account)) return account
    const isOffline = scope?.split(" ").includes("offline_access") === true
    const ingredients = { realm, issuer: issuerOf(call.origin, realm), client, account, notes: {} }
    const { scopes } = tokenContext({ ...ingredients, session: null }, scope)
    if (isOffline && !scopes.some(({ name }) => name === "offline_access"))
      return oauthError(400, "not_allowed", "Offline tokens not allowed for the user or client")
    const session = realm.sessions.start(account, client.clientId, isOffline)
    return tokenAnswer(tokenContext({ ...ingredients, session }, scope), "ro")
  },

  async refresh_token(realm, call, form, client) {
    if (lacksProof(client)) return proofMissing()
    const presented = form.get("refresh_token")
    if (presented === null) return oauthError(400, "invalid_request", "No refresh token")
    const found = await readRefreshToken(realm, issuerOf(call.origin, realm), client, presented)
    if ("status" in found) return found
    const { session, claims } = found
    const asked = form.get("scope")
    const invalid = invalidScopes(client, realm, asked)
    if (invalid !== null) return oauthError(400, "invalid_scope", `Invalid scopes: ${invalid}`)
    const reused = useOnce(realm, session, client, String(claims.jti))
    if (reused !== null) return reused
    session.lastRefreshAt = Math.floor(Date.now() / 1000)
    const { account, notes } = session
    const ingredients = { realm, issuer: issuerOf(call.origin, realm), client, account, session, notes }
    const granted = tokenContext(ingredients, String(claims.scope))
    return tokenAnswer(asked === null ? granted : narrowed(granted, asked), "rt", granted)
  },

  client_credentials(realm, call, form, client) {
    if (client.isPublic)
      return oauthError(401, "unauthorized_client", "Public client not allowed to retrieve service account")
    if (!client.hasServiceAccount)
      return oauthError(401, "unauthorized_client", "Client not enabled to retrieve service account")
    if (lacksProof(client)) return proofMissing()
    const account = realm.accounts.serviceAccountOf(client.clientId)
    if (account === undefined) throw new NotKnown(`has no service account for the client "${client.clientId}".`)
    if (!account.enabled) return oauthError(401, "invalid_request", `User '${account.username}' disabled`)
    const scope = form.get("scope")
    const invalid = invalidScopes(client, realm, scope)
    if (invalid !== null) return oauthError(400, "invalid_scope", `Invalid scopes: ${invalid}`)
    const ingredients = { realm, issuer: issuerOf(call.origin, realm), client, ...ownLogin(realm, client, account) }
    return tokenAnswer(tokenContext(ingredients, scope), "cc")
  },
}

/** A client's login as itself has a session only where the client wants refresh tokens for it. */
export function ownLogin(
  realm: RealmModel,
  client: Client,
  account: Account,
): Pick<TokenContext, "account" | "session" | "notes"> {
  const notes = { client_id: client.clientId, clientHost: "127.0.0.1", clientAddress: "127.0.0.1" }
  const hasSession = client.attributes["client_credentials.use_refresh_token"] === "true"
  const session = hasSession ? realm.sessions.start(account, client.clientId, false, notes) : null
  return { account, session, notes }
}

function lacksProof(client: Client): boolean {
  return client.attributes["dpop.bound.access.tokens"] === "true"
}

function proofMissing(): Answer {
  return oauthError(400, "invalid_request", "DPoP proof is missing")
}

/** For fewer scopes than were granted; those that a client has by default stay. */
function narrowed(granted: TokenContext, asked: string): TokenContext {
  const names = asked.split(" ")
  const isKept = (scope: ClientScope) => granted.client.defaultScopes.includes(scope) || names.includes(scope.name)
  return { ...granted, isOpenid: granted.isOpenid && names.includes("openid"), scopes: granted.scopes.filter(isKept) }
}

/** `granted` is what the session was granted, which a refresh for less does not lose. */
async function tokenAnswer(context: TokenContext, type: Grant, granted: TokenContext = context): Promise<Answer> {
  const { session, client } = context
  const claims = accessClaims(context, type)
  const accessToken = await signAccessToken(context, claims)
  const hasRefreshToken = session !== null && (type === "cc" || client.attributes["use.refresh.tokens"] !== "false")
  const refresh = hasRefreshToken ? refreshToken(granted, claims) : null
  if (refresh !== null) remember(session?.clients.get(client.clientId), refresh.id)
  return json(200, {
    access_token: accessToken,
    expires_in: Number(claims.exp) - Number(claims.iat),
    refresh_expires_in: refresh?.expiresInSeconds ?? 0,
    ...(refresh !== null && { refresh_token: refresh.token }),
    token_type: hasLowerCaseType(client) ? "bearer" : "Bearer",
    ...(granted.isOpenid && { id_token: await idToken(context, claims, accessToken) }),
    "not-before-policy": context.realm.settings.notBefore,
    ...(session !== null && { session_state: session.id }),
    scope: scopeClaim(context),
    ...mapClaims({}, "response", context),
  })
}

function remember(clientSession: ClientSession | undefined, id: string): void {
  if (clientSession !== undefined) clientSession.lastRefreshToken = { id, uses: 0 }
}

export interface ReadRefreshToken {
  readonly session: Session
  readonly claims: Readonly<Record<string, unknown>>
}

/** A refresh token's session, or Keycloak's refusal. */
export async function readRefreshToken(
  realm: RealmModel,
  issuer: string,
  client: Client,
  token: string,
): Promise<ReadRefreshToken | Answer> {
  const refused = (description: string) => oauthError(400, "invalid_grant", description)
  const claims = await realm.keys.verified(token)
  if (claims === null || !["Refresh", "Offline"].includes(String(claims.typ))) return refused("Invalid refresh token")
  if (claims.iss !== issuer) return refused(`Invalid token issuer. Expected '${issuer}'`)
  if (claims.azp !== client.clientId)
    return refused("Invalid refresh token. Token client and authorized client don't match")
  if (claims.exp !== undefined && Number(claims.exp) <= Date.now() / 1000) return refused("Token is not active")
  const isForgotten = realm.sessions.byId(String(claims.sid))?.clients.has(client.clientId) === false
  if (isForgotten) return refused("Session doesn't have required client")
  const session = sessionOf(realm, claims)
  if (session === null || realm.accounts.byId(session.account.id) === undefined)
    return refused(claims.typ === "Offline" ? "Offline user session not found" : "Session not active")
  if (!session.account.enabled) return refused("User disabled")
  const notBefore = Math.max(realm.settings.notBefore, client.notBefore, session.account.notBefore)
  if (Number(claims.iat) < notBefore) return refused("Stale token")
  return { session, claims }
}

/** Under `revokeRefreshToken` an older token than the newest one ends the client's part of the session. */
function useOnce(realm: RealmModel, session: Session, client: Client, id: string): Answer | null {
  const clientSession = session.clients.get(client.clientId)
  if (!realm.settings.revokeRefreshToken || clientSession === undefined) return null
  const last = clientSession.lastRefreshToken
  if (last !== null && last.id === id && last.uses <= realm.settings.refreshTokenMaxReuse) {
    last.uses += 1
    return null
  }
  session.clients.delete(client.clientId)
  return oauthError(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
}
