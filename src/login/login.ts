import type { Connection } from "../keycloak/connection.js"
import { createSessionEnd } from "../keycloak/logout-endpoint.js"
import { createLoginWithPassword, type LoginWithPassword } from "./login-with-password.js"
import { createLogout, type Logout } from "./logout.js"
import { createRecentRefreshes } from "./recent-refreshes.js"
import { createRefreshSession, type RefreshSession } from "./refresh-session.js"

/** The verbs of a gate that begin, renew and end one session. */
export interface LoginVerbs {
  readonly loginWithPassword: LoginWithPassword
  readonly refreshSession: RefreshSession
  readonly logout: Logout
}

export interface LoginSettings {
  /** How long the answer to a refresh is given again; 0: not at all. */
  readonly refreshGraceSeconds: number
}

export interface Login {
  readonly verbs: LoginVerbs
  /** Does what may end all sessions of a person; refreshes of before are not answered from memory any more. */
  readonly endingSessions: <Result>(subject: string, work: () => Promise<Result>) => Promise<Result>
  readonly close: () => void
}

/** `neededScopes`: those that verification needs, on top of what the application asks for. */
export function createLogin(
  { refreshGraceSeconds }: LoginSettings,
  connection: Connection,
  neededScopes: readonly string[],
): Login {
  const { realm, tokens, transport, clientAt, elapsed } = connection
  const recent = createRecentRefreshes(refreshGraceSeconds, elapsed)
  const endSession = createSessionEnd(clientAt(realm.logoutUrl), transport)
  return {
    verbs: {
      loginWithPassword: createLoginWithPassword({ passwordGrant: tokens.passwordGrant, neededScopes }),
      refreshSession: createRefreshSession(tokens.refreshGrant, recent),
      logout: createLogout(endSession, recent),
    },
    async endingSessions(subject, work) {
      recent.forgetSubject(subject)
      try {
        return await work()
      } finally {
        recent.forgetSubject(subject)
      }
    },
    close: recent.clear,
  }
}
