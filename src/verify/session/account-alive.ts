import { isGateError } from "../../errors.js"
import type { Principal } from "../principal.js"
import { type Introspect, namesClient } from "./introspection.js"

/**
 * Whether the account of a token exists, by Keycloak's own word; unknown where Keycloak can't be asked with this token.
 *
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`
 */
export type AskAlive = (principal: Principal<unknown>) => Promise<"alive" | "ended" | "unknown">

export interface AccountAliveParts {
  readonly clientId: string
  /** Null: a public client, which Keycloak does not let introspect. */
  readonly introspect: Introspect | null
  /** The subject that userinfo tells of a token. */
  readonly askUserinfo: (token: string) => Promise<string>
}

/**
 * Whether the account of a token still exists: by introspection where Keycloak answers this client about the token, else by
 * userinfo where the token may ask for it.
 */
export function createAskAlive({ clientId, introspect, askUserinfo }: AccountAliveParts): AskAlive {
  return async ({ claims, scopes, subject, token }) => {
    // Keycloak calls every token inactive that does not name the client which asks.
    if (introspect !== null && namesClient(claims.aud, clientId)) {
      const { active, sub } = await introspect(token)
      return active && sub === subject ? "alive" : "ended"
    }
    if (!scopes.includes("openid")) return "unknown"
    try {
      return (await askUserinfo(token)) === subject ? "alive" : "ended"
    } catch (error) {
      if (isGateError(error) && error.code === "invalid_token") return "ended"
      throw error
    }
  }
}
