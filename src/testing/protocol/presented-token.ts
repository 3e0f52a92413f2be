import type { Account } from "../realm/accounts.js"
import type { Client } from "../realm/clients.js"
import type { RealmModel } from "../realm/realm-model.js"
import type { Session } from "../realm/sessions.js"

export interface PresentedToken {
  readonly claims: Readonly<Record<string, unknown>>
  readonly client: Client
  readonly account: Account
  /** Null for a client's own token, unless it wants refresh tokens. */
  readonly session: Session | null
}

/** Why a token does not count, in the words of Keycloak's userinfo endpoint. */
export type TokenRefusal = "Token verification failed" | "user_session_not_found" | "User disabled"

/** Looks at a token that somebody presents: signature, issuer, times, and whether its session lives. */
export async function readToken(
  realm: RealmModel,
  issuer: string,
  token: string,
  types: readonly string[],
): Promise<PresentedToken | TokenRefusal> {
  const claims = await readClaims(realm, issuer, token, types)
  const client = realm.clients.get(String(claims?.azp))
  if (claims === null || client === undefined || !isCurrent(realm, client, claims)) return "Token verification failed"
  const session = sessionOf(realm, claims)
  if (claims.sid !== undefined && session === null) return "user_session_not_found"
  const account = session?.account ?? realm.accounts.byId(String(claims.sub))
  if (account === undefined || !realm.accounts.byId(account.id)) return "user_session_not_found"
  if (!account.enabled) return "User disabled"
  if (Number(claims.iat) < account.notBefore) return "Token verification failed"
  return { claims, client, account, session }
}

/** The claims of a token of this realm that has not expired, whatever became of its session. */
export async function readClaims(
  realm: RealmModel,
  issuer: string,
  token: string,
  types: readonly string[],
): Promise<Readonly<Record<string, unknown>> | null> {
  const claims = await realm.keys.verified(token)
  if (claims === null || !types.includes(String(claims.typ)) || claims.iss !== issuer) return null
  const { exp, typ } = claims
  const isLive = exp === undefined ? typ === "Offline" : Number(exp) > Date.now() / 1000
  return isLive ? claims : null
}

function isCurrent(realm: RealmModel, client: Client, { iat, jti }: Readonly<Record<string, unknown>>): boolean {
  const notBefore = Math.max(realm.settings.notBefore, client.notBefore)
  return client.isEnabled && Number(iat) >= notBefore && !realm.revokedTokens.has(String(jti))
}

/** The live session of a token; one that has idled out or grown too old is ended here. */
export function sessionOf(realm: RealmModel, claims: Readonly<Record<string, unknown>>): Session | null {
  const session = realm.sessions.byId(String(claims.sid))
  if (session === undefined || !session.clients.has(String(claims.azp))) return null
  const { sessionIdleSeconds, sessionMaxSeconds, offlineIdleSeconds } = realm.settings
  const now = Date.now() / 1000
  const idle = session.isOffline ? offlineIdleSeconds : sessionIdleSeconds
  const isTooOld = !session.isOffline && now > session.startedAt + sessionMaxSeconds
  if (now <= session.lastRefreshAt + idle && !isTooOld) return session
  realm.sessions.end(session)
  return null
}
