import type { RecentRefreshes } from "./recent-refreshes.js"
import { readRefreshToken } from "./refresh-session.js"

/**
 * Ends the session of a refresh token in Keycloak.
 *
 * After `keycloak_unavailable` call again: a session that has ended already is no error. Its access tokens are refused from
 * then on in this process, and in others with `shared`. Elsewhere they stay valid until they expire where verification is
 * `"local"`.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the refresh token is no usable text
 * @throws {GateError} `session_ended` when Keycloak no longer accepts the refresh token
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `closed` as for `loginWithPassword`
 * @see https://www.keycloak.org/docs/latest/securing_apps/#logout-endpoint
 */
export type Logout = (refreshToken: string) => Promise<void>

/** `ended` hears of it only once Keycloak has: until then the token may be anybody's text. */
export function createLogout(
  endSession: (refreshToken: string) => Promise<void>,
  recent: RecentRefreshes,
  ended: (refreshToken: string) => Promise<void>,
): Logout {
  return async refreshToken => {
    const token = readRefreshToken(refreshToken)
    recent.forgetSession(token)
    await endSession(token).finally(() => recent.forgetSession(token))
    await ended(token)
  }
}
