import type { Claims } from "./bearer/claims.js"
import { readBearer } from "./bearer/credentials.js"
import { type Principal, toPrincipal, withUser } from "./bearer/principal.js"
import { withChallenge } from "./bearer/refusal.js"
import { assertAllowed, parseRequirements, type Requirements } from "./bearer/requirements.js"
import { GateError } from "./errors.js"

/** The values of an `Authorization` header, as frameworks hand them over. */
export type Authorization = string | readonly string[] | null | undefined

export interface VerifyBearer<User> {
  /**
   * Who sent this `Authorization` header, or `null` when it holds no Bearer credentials, so that another authenticator
   * can have its turn; a bad token throws.
   *
   * @throws {GateError} `invalid_token` (with `reason`) when the token is not a valid access token for this application
   * @throws {GateError} `invalid_request` when the header is malformed or was sent twice
   * @throws {GateError} `keycloak_unavailable` when Keycloak is needed and can't be reached; never called a bad token
   * @throws {GateError} `keycloak_refused_us` when Keycloak does not accept this application's own credentials
   * @throws {GateError} `closed` after `close()`
   * @see RFC 6750
   * @example
   * const principal = await gate.verifyBearer(request.headers.authorization)
   */
  (authorization: Authorization): Promise<Principal<User> | null>
  /**
   * The same for a guard: absent credentials throw `credentials_missing`, so that a bare statement can't fail open.
   *
   * @throws {GateError} `credentials_missing` when there are no Bearer credentials
   * @throws {GateError} `insufficient_scope` when the principal lacks what is required; `kind` defaults to `"user"`
   * @throws {GateError} `config_invalid` when the requirements are wrong, an explicit `undefined` included
   */
  (authorization: Authorization, requirements: Requirements): Promise<Principal<User>>
}

export interface VerifyBearerSteps<User> {
  readonly realm: string
  readonly maxTokenBytes: number
  readonly verifyToken: (token: string) => Promise<Readonly<Record<string, unknown>>>
  readonly parseClaims: (payload: Readonly<Record<string, unknown>>) => Claims
  /** Throws for a session that Keycloak has ended, as far as that is known here; null: nobody looks. */
  readonly refuseEnded: ((claims: Claims, token: string) => void) | null
  readonly syncUser: (principal: Principal<null>) => Promise<User | null>
}

/** `Authorization` header in, principal out: five steps, each taking what the one before it made. */
export function createVerifyBearer<User>(steps: VerifyBearerSteps<User>): VerifyBearer<User> {
  async function principalOf(authorization: Authorization, requirements: [] | [unknown]) {
    const guard = requirements.length === 0 ? null : parseRequirements(requirements[0])
    const token = readBearer(authorization, steps.maxTokenBytes)
    if (token === null) return absent(guard !== null)
    const claims = steps.parseClaims(await steps.verifyToken(token))
    steps.refuseEnded?.(claims, token)
    const principal = toPrincipal(claims, token)
    if (guard !== null) assertAllowed(principal, guard)
    return withUser(principal, await steps.syncUser(principal))
  }

  return (async (authorization: Authorization, ...requirements: [] | [unknown]) => {
    try {
      return await principalOf(authorization, requirements)
    } catch (error) {
      throw withChallenge(error, steps.realm)
    }
  }) as VerifyBearer<User>
}

function absent(needed: boolean): null {
  if (needed) throw new GateError("credentials_missing", "Refused a request without Bearer credentials.")
  return null
}
