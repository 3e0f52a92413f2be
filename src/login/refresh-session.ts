import { invalidFields, readFields } from "../fields.js"
import type { Session } from "../keycloak/session.js"

/**
 * New tokens for a refresh token.
 *
 * Calls with one refresh token that overlap in this process share one request and one answer: where Keycloak revokes
 * used refresh tokens, a second request would end the session. So nothing is sent twice. After `keycloak_unavailable` call
 * again with the same token. In such a realm the lost answer may have used it up: that is `session_ended`, and the person logs
 * in anew.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the refresh token is no usable text
 * @throws {GateError} `session_ended` when Keycloak no longer accepts the refresh token
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `closed` as for `loginWithPassword`
 * @see RFC 6749 §6, RFC 9700 §4.14
 */
export type RefreshSession = (refreshToken: string) => Promise<Session>

export function createRefreshSession(refreshGrant: (refreshToken: string) => Promise<Session>): RefreshSession {
  const running = new Map<string, Promise<Session>>()
  return async refreshToken => {
    const token = readRefreshToken(refreshToken)
    const first = running.get(token)
    if (first !== undefined) return first
    const answer = refreshGrant(token).finally(() => running.delete(token))
    running.set(token, answer)
    return answer
  }
}

/** The refresh token as text, named as OAuth names it. */
export function readRefreshToken(refreshToken: unknown): string {
  const { values, problems } = readFields({ refresh_token: refreshToken }, { refresh_token: { maxLength: 12_288 } })
  if (problems.length > 0 || values.refresh_token === undefined) throw invalidFields(problems)
  return values.refresh_token
}
