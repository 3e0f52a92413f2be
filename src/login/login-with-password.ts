import { type GateError, isGateError } from "../errors.js"
import { invalidFields, readFields } from "../fields.js"
import type { Session } from "../keycloak/session.js"

export type { Session } from "../keycloak/session.js"

/** What a person sends to log in; `scope` is the application's choice and never comes from a request. */
export interface PasswordCredentials {
  readonly username: string
  readonly password: string
  /** The one-time code, where the account has an authenticator. */
  readonly otp?: string | undefined
  readonly scope?: string | undefined
}

/**
 * What becomes of credentials that Keycloak refuses; without it, the refusal is the answer.
 *
 * @throws the refusal of the login, where nothing else becomes of it
 */
export type AfterRefusal = (login: RefusedLogin) => Promise<Session>

export interface RefusedLogin {
  readonly username: string
  readonly password: string
  readonly refusal: GateError
  /** When it was sent, by the clock that is never set back. */
  readonly sentAt: number
  /** The same login again, by the account's own name. */
  readonly logInAs: (username: string) => Promise<Session>
}

/**
 * Logs a person in with username (or e-mail) and password.
 *
 * One answer covers a wrong password, an unknown user, a locked account and a missing one-time code: Keycloak itself
 * can't tell them apart, and callers must not. Never retried, because each try counts against the brute-force lock. After
 * `keycloak_unavailable` call again: a session whose tokens were lost is nobody's, and dies after Keycloak's idle time.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when a field is missing, empty, of a wrong type, too long or
 * holds control characters; nothing is sent then. A `scope` that Keycloak does not know is named here too
 * @throws {GateError} `invalid_credentials` when Keycloak refuses the person
 * @throws {GateError} `account_disabled`, `account_setup_required` for a right password, only with `revealAccountState`
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached or does not answer in time
 * @throws {GateError} `keycloak_refused_us` when Keycloak refuses this application; the message names the setting
 * @throws {GateError} `closed` after `close()`
 * @throws {GateError} with `legacyLogin`, of whom it moves: `account_rejected` (with `fields`), `user_exists` (with `field`),
 * `store_unavailable`, `config_invalid`; and what its functions and the user store throw, untouched
 * @see RFC 6749 §4.3, and RFC 9700 §2.4, which prefers logging in on Keycloak's own page
 * @example
 * const session = await gate.loginWithPassword({ username: "ada", password })
 */
export type LoginWithPassword = (credentials: PasswordCredentials) => Promise<Session>

export interface LoginParts {
  readonly passwordGrant: (parameters: Readonly<Record<string, string>>) => Promise<Session>
  /** Scopes that the verification mode needs, on top of what the application asks for. */
  readonly neededScopes: readonly string[]
  readonly afterRefusal: AfterRefusal | null
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

export function createLoginWithPassword(parts: LoginParts): LoginWithPassword {
  const { passwordGrant, neededScopes, afterRefusal, elapsed } = parts
  return async credentials => {
    const { values, problems } = readFields(credentials, {
      username: { maxLength: 255 },
      password: { maxLength: 256, blank: true },
      otp: { maxLength: 32, optional: "or empty" },
      scope: { maxLength: 1000, optional: "or empty" },
    })
    if (problems.length > 0) throw invalidFields(problems)
    const { username = "", password = "", otp, scope } = values
    const scopes = new Set([...neededScopes, ...(scope?.split(" ").filter(Boolean) ?? [])])
    const logInAs = (username: string) =>
      passwordGrant({
        username,
        password,
        ...(otp !== undefined && { otp }),
        ...(scopes.size > 0 && { scope: [...scopes].join(" ") }),
      })
    const sentAt = elapsed()
    try {
      return await logInAs(username)
    } catch (error) {
      if (afterRefusal === null || !isRefusal(error)) throw error
      return afterRefusal({ username, password, refusal: error, sentAt, logInAs })
    }
  }
}

/** Of the credentials, not of this application, and no outage; nor of a right password for an account that is unfinished. */
function isRefusal(error: unknown): error is GateError {
  if (!isGateError(error)) return false
  const told = isGateError(error.cause) ? error.cause.code : error.code
  return told === "invalid_credentials" || told === "account_disabled"
}
