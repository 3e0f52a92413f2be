import type { IssuedUntil, Revocation } from "../revocation.js"

/** What of an event of Keycloak is read: a person's, or an administrator's. */
export interface KeycloakEvent {
  /** To know it again. */
  readonly id: string
  /** Milliseconds since 1970, by Keycloak's clock. */
  readonly time: number
  readonly meaning: Meaning
}

/** What is to be done about it; null: nothing. */
export type Meaning =
  | { readonly revoke: Revocation }
  /** Updated: Keycloak does not say whether disabled. */
  | { readonly askAbout: string; readonly until: IssuedUntil }
  /** The realm may have a "not before". */
  | "ask not before"
  | null

/** The types of events of people that are asked for. */
export const userEventTypes = [
  "LOGOUT",
  "REVOKE_GRANT",
  "DELETE_ACCOUNT",
  "USER_DISABLED_BY_PERMANENT_LOCKOUT",
] as const

/** The types of resources whose events of administrators are asked for. */
export const adminResourceTypes = ["USER", "USER_SESSION", "REALM"] as const

/** Null for what is no event. */
export function readUserEvent(data: unknown, issuer: string): KeycloakEvent | null {
  const { id, time, type, clientId, userId, sessionId, details } = membersOf(data)
  if (!isMoment(time)) return null
  const { token_id: tokenId, refresh_token_type: ofRefreshToken, revoked_client: revoked } = membersOf(details)
  const event = (meaning: Meaning) => ({ id: isId(id) ? id : JSON.stringify(data), time, meaning })
  const ofSubject = () => event(isId(userId) ? { revoke: subject(issuer, userId, time) } : null)
  if (type === "LOGOUT" && isId(sessionId)) return event({ revoke: { kind: "session", issuer, session: sessionId } })
  if (type !== "REVOKE_GRANT") return userEventTypes.some(one => one === type) ? ofSubject() : event(null)
  if (isId(tokenId)) return event({ revoke: { kind: "token", issuer, tokenId } })
  const client = isId(revoked) ? revoked : clientId
  // A refresh token stands for what its client has of the session. A consent may be of many sessions.
  if (ofRefreshToken !== undefined && isId(sessionId) && isId(client))
    return event({ revoke: { kind: "client", issuer, session: sessionId, client } })
  return ofSubject()
}

/** Null for what is no event. */
export function readAdminEvent(data: unknown, issuer: string): KeycloakEvent | null {
  const { id, time, operationType, resourceType, resourcePath } = membersOf(data)
  if (!isMoment(time)) return null
  const path = typeof resourcePath === "string" ? resourcePath : ""
  const name = isId(id) ? id : JSON.stringify(data)
  return { id: name, time, meaning: meaningOf(`${operationType} ${resourceType} ${path}`, time, issuer) }
}

function meaningOf(what: string, time: number, issuer: string): Meaning {
  if (/^(UPDATE|ACTION) REALM /.test(what)) return "ask not before"
  const session = /^DELETE USER_SESSION sessions\/([^/]+)$/.exec(what)?.[1]
  if (session !== undefined) return { revoke: { kind: "session", issuer, session } }
  const [, operation, user, rest = ""] = /^(\w+) USER users\/([^/]+)(?:\/(.+))?$/.exec(what) ?? []
  if (user === undefined) return null
  if (operation === "UPDATE" && rest === "") return { askAbout: user, until: secondOf(time) }
  // Keycloak lets such sessions live, so it can't be asked which tokens of that second are older.
  if (rest === "reset-password") {
    const until = { before: secondOf(time).before + 1, doubtUntil: secondOf(time).before }
    return { revoke: { kind: "subject", issuer, subject: user, ...until } }
  }
  const isEnd = (operation === "DELETE" && rest === "") || /^(logout$|consents\/)/.test(rest)
  return isEnd ? { revoke: subject(issuer, user, time) } : null
}

function subject(issuer: string, id: string, time: number): Revocation {
  return { kind: "subject", issuer, subject: id, ...secondOf(time) }
}

/** A login may have come in the second of an event. */
function secondOf(time: number): IssuedUntil {
  const second = Math.floor(time / 1000)
  return { before: second, doubtUntil: second }
}

function membersOf(data: unknown): Readonly<Record<string, unknown>> {
  return typeof data === "object" && data !== null ? (data as Readonly<Record<string, unknown>>) : {}
}

function isMoment(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value)
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== ""
}
