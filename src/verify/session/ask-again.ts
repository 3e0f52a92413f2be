import type { Principal } from "../principal.js"
import { type Introspect, namesClient, notForUs, revoked } from "./introspection.js"

/** How Keycloak is asked about a principal that stays, beside the requests and not for one of them. */
export interface AskAgain {
  readonly everySeconds: number
  /** Its verification has asked nobody, so that the first question is due at once. */
  readonly isDueAtOnce: boolean
  /**
   * Settles well while Keycloak takes the token.
   *
   * @throws {GateError} `invalid_token` where it does not; `keycloak_unavailable`, `keycloak_refused_us`
   */
  readonly ask: (principal: Principal<unknown>) => Promise<void>
}

/** By introspection, which tells nothing of tokens that are not for this client. */
export function askByIntrospection(introspect: Introspect, clientId: string): AskAgain["ask"] {
  return async ({ token, subject, claims }) => {
    const { active, sub } = await introspect(token)
    if (active && (sub === undefined || sub === subject)) return
    throw namesClient(claims.aud, clientId) ? revoked() : notForUs(clientId)
  }
}

/** By userinfo, which answers while the session of a token lives. */
export function askByUserinfo(askSubject: (token: string) => Promise<string>): AskAgain["ask"] {
  return async ({ token, subject }) => {
    if ((await askSubject(token)) !== subject) throw revoked()
  }
}
