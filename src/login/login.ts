import type { Connection } from "../keycloak/connection.js"
import { createSessionEnd } from "../keycloak/logout-endpoint.js"
import type { Session } from "../keycloak/session.js"
import { createLoginWithPassword, type LoginParts, type LoginWithPassword } from "./login-with-password.js"
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

/** Who hears of sessions that began and ended here. */
interface SessionsHere {
  readonly began: (session: Session) => void
  /** Keycloak has ended the session of this refresh token. */
  readonly ended: (refreshToken: string) => Promise<void>
}

/** What other wings have to do with a login. */
export interface LoginJoints extends Pick<LoginParts, "neededScopes" | "afterRefusal"> {
  readonly sessions: SessionsHere
}

export function createLogin(
  { refreshGraceSeconds }: LoginSettings,
  connection: Connection,
  { sessions, ...joints }: LoginJoints,
): Login {
  const { realm, tokens, transport, clientAt, elapsed } = connection
  const recent = createRecentRefreshes(refreshGraceSeconds, elapsed, connection.sharing)
  const endSession = createSessionEnd(clientAt(realm.logoutUrl), transport)

  async function passwordGrant(parameters: Readonly<Record<string, string>>): Promise<Session> {
    const session = await tokens.passwordGrant(parameters)
    sessions.began(session)
    return session
  }

  return {
    verbs: {
      loginWithPassword: createLoginWithPassword({ ...joints, passwordGrant, elapsed }),
      refreshSession: createRefreshSession(tokens.refreshGrant, recent),
      logout: createLogout(endSession, recent, sessions.ended),
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
