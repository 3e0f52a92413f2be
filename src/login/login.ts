import type { Connection } from "../keycloak/connection.js"
import { createSessionEnd } from "../keycloak/logout-endpoint.js"
import { createLoginWithPassword, type LoginWithPassword } from "./login-with-password.js"
import { createLogout, type Logout } from "./logout.js"
import { createRefreshSession, type RefreshSession } from "./refresh-session.js"

/** The verbs of a gate that begin, renew and end one session. */
export interface LoginVerbs {
  readonly loginWithPassword: LoginWithPassword
  readonly refreshSession: RefreshSession
  readonly logout: Logout
}

/** `neededScopes`: those that verification needs, on top of what the application asks for. */
export function createLogin(connection: Connection, neededScopes: readonly string[]): LoginVerbs {
  const { realm, tokens, transport, clientAt } = connection
  return {
    loginWithPassword: createLoginWithPassword({ passwordGrant: tokens.passwordGrant, neededScopes }),
    refreshSession: createRefreshSession(tokens.refreshGrant),
    logout: createLogout(createSessionEnd(clientAt(realm.logoutUrl), transport)),
  }
}
