import { invalidFields, readFields } from "../fields.js"
import type { Session } from "../keycloak/session.js"
import type { RecentRefreshes } from "./recent-refreshes.js"

/**
 * New tokens for a refresh token.
 *
 * Where Keycloak revokes used refresh tokens, a second use ends the session. So calls with one refresh token share one
 * request in this process if they overlap, and one answer for `refreshGraceSeconds` afterwards: two tabs of a browser get
 * the same session. What ends sessions here ends that at once. Nothing is sent twice. After `keycloak_unavailable` call
 * again with the same token. In such a realm the lost answer may have used it up: that is `session_ended`, and the person logs
 * in anew.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the refresh token is no usable text
 * @throws {GateError} `session_ended` when Keycloak no longer accepts the refresh token
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `closed` as for `loginWithPassword`
 * @see RFC 6749 §6, RFC 9700 §4.14
 */
export type RefreshSession = (refreshToken: string) => Promise<Session>

export function createRefreshSession(
  refreshGrant: (refreshToken: string) => Promise<Session>,
  recent: RecentRefreshes,
): RefreshSession {
  return async refreshToken => {
    const token = readRefreshToken(refreshToken)
    return recent.renewed(token, () => refreshGrant(token))
  }
}

/** The refresh token as text, named as OAuth names it. */
export function readRefreshToken(refreshToken: unknown): string {
  const { values, problems } = readFields({ refresh_token: refreshToken }, { refresh_token: { maxLength: 12_288 } })
  if (problems.length > 0 || values.refresh_token === undefined) throw invalidFields(problems)
  return values.refresh_token
}
