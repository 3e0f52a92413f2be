import type { Person } from "./person.js"

/** What a person typed, whom Keycloak does not know. */
export interface LegacyCredentials {
  /** As typed: Keycloak neither trims it nor looks for other spellings. */
  readonly username: string
  readonly password: string
}

/**
 * Moves people whose old hashes Keycloak can't read, when they log in: Keycloak does not know them, the application does,
 * and both from then on.
 *
 * Nothing here is asked about a name that Keycloak knows, nor while Keycloak can't be asked.
 */
export interface LegacyLogin {
  /**
   * Whose credentials these are by the application's own table, with the key of the row; null for a wrong password and for
   * an unknown name alike. Take as long for both. What it throws reaches the caller untouched. `signal` aborts when nobody
   * waits any more.
   */
  readonly verify: (
    credentials: LegacyCredentials,
    how: { readonly signal: AbortSignal },
  ) => Person | null | Promise<Person | null>
  /**
   * Whether `verify` may be asked about this name now; false is a wrong password to the caller. Keycloak's brute-force lock
   * can't see these attempts. Default: always.
   */
  readonly limit?: ((attempt: { readonly username: string }) => boolean | Promise<boolean>) | undefined
  /** Milliseconds that each of the two may take; default `timeoutMs` of the gate. */
  readonly timeoutMs?: number | undefined
}

/** The same after all checks. */
export interface LegacyLoginSettings {
  readonly application: Pick<LegacyLogin, "verify" | "limit">
  readonly timeoutMs: number
}
