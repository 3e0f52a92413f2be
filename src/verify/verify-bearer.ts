import { GateError, warnable } from "../errors.js"
import { withChallenge } from "../refusal.js"
import { type Check, newlyProven, type Proven } from "./check.js"
import type { Claims } from "./claims.js"
import { byItself, type Credentials, inHeader, whyRefused } from "./credentials.js"
import { type Principal, toPrincipal, withUser } from "./principal.js"
import type { PrincipalCache } from "./principal-cache.js"
import { assertAllowed, parseRequirements, type Requirements } from "./requirements.js"

/** The values of an `Authorization` header, as frameworks hand them over. */
export type Authorization = string | readonly string[] | null | undefined

/** Who sent a request, for everybody or for a guard. */
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

/** Who a bare token belongs to, for sockets and queues. */
export interface VerifyBareToken<User> {
  /**
   * Who this access token belongs to, where it comes in no header: in a socket's first message, or out of a queue. A
   * token that is absent or empty throws.
   *
   * @throws {GateError} `credentials_missing` for null, undefined and `""`
   * @throws {GateError} `invalid_token` (with `reason`) when it is not a valid access token for this application
   * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us` and `closed`, as `verifyBearer` does
   * @example
   * const principal = await gate.verifyToken(message.token, { realmRoles: ["editor"] })
   */
  (token: string | null | undefined): Promise<Principal<User>>
  /**
   * The same with requirements, as of a guard.
   *
   * @throws {GateError} `insufficient_scope` when the principal lacks what is required; `kind` defaults to `"user"`
   * @throws {GateError} `config_invalid` when the requirements are wrong, an explicit `undefined` included
   */
  (token: string | null | undefined, requirements: Requirements): Promise<Principal<User>>
}

/**
 * What `verifyBearer` would answer, at once: the principal of a header whose token was verified before; null for all
 * others, which `verifyBearer` is to look at.
 *
 * @throws {GateError} `closed` after `close()`
 */
export type Recall<User> = (authorization: unknown) => Principal<User> | null

/** What a token says, and the published key that proved it; null where Keycloak itself was asked. */
export interface VerifiedToken {
  readonly payload: Readonly<Record<string, unknown>>
  readonly key: object | null
}

/** How the tokens of one issuer are verified. */
export interface IssuerVerification {
  readonly issuer: string
  readonly verifyToken: (token: string) => Promise<VerifiedToken>
  readonly parseClaims: (payload: Readonly<Record<string, unknown>>) => Claims
  /** Principals of tokens that were verified before, by the header that brought them. */
  readonly verified: PrincipalCache
  /** One after the other, for remembered tokens too. */
  readonly checks: readonly Check[]
}

export interface VerifyBearerSteps<User> {
  readonly realm: string
  readonly maxTokenBytes: number
  /** @throws {GateError} `closed` after `close()` */
  readonly assertOpen: () => void
  readonly verification: IssuerVerification
  /** null: the application keeps no users, and its principals stay as they are. */
  readonly syncUser: ((principal: Principal<null>) => Promise<User | null>) | null
  /** The row at once, undefined where `syncUser` has to be asked; null: it always has to. */
  readonly peekUser: ((proven: Proven) => User | null | undefined) | null
  /** Hears of every token that is in date; on the path of every request. */
  readonly accepted: () => void
  /** Hears of every refusal, with the token if there was a new one. */
  readonly report: (error: unknown, token: string | null) => void
}

export interface BearerVerification<User> {
  readonly verifyBearer: VerifyBearer<User>
  readonly verifyToken: VerifyBareToken<User>
  readonly recall: Recall<User>
}

/**
 * `Authorization` header in, principal out: five steps, each taking what the one before it made. Credentials that brought
 * a verified token before skip three of them.
 */
export function createVerifyBearer<User>(steps: VerifyBearerSteps<User>): BearerVerification<User | null> {
  const { realm, maxTokenBytes, verification, syncUser, peekUser } = steps
  const { verifyToken, parseClaims, verified, checks } = verification

  const verifying = ({ scheme, textOf, tokenIn }: Credentials) =>
    async function verify(given: unknown, ...requirements: [] | [unknown]) {
      let token: string | null = null
      let isProven = false
      try {
        steps.assertOpen()
        const required = requirements.length === 0 ? null : parseRequirements(requirements[0])
        const text = textOf(given)
        if (text === null) return absent(required !== null || scheme === null)
        let proven = verified.find(text)
        if (proven === null) {
          token = tokenIn(text, maxTokenBytes)
          if (token === null) return absent(required !== null || scheme === null)
          const { payload, key } = await verifyToken(token)
          isProven = true
          const claims = parseClaims(payload)
          const principal = toPrincipal(claims, token)
          proven = key === null ? newlyProven(principal, claims) : verified.add(text, principal, claims, key)
        }
        isProven = true
        steps.accepted()
        const { principal } = proven
        // By index: this is the path of every request, and `for of` is slower in an async function.
        for (let at = 0; at < checks.length; at++) {
          if (checks[at]?.passes(proven)) continue
          const waiting = checks[at]?.assert(proven, { scheme, token: principal.token })
          if (waiting !== undefined) await waiting
        }
        if (required !== null) assertAllowed(principal, required)
        return syncUser === null ? principal : withUser(principal, await syncUser(principal))
      } catch (thrown) {
        const error = isProven ? warnable(thrown) : token === null ? thrown : whyRefused({ scheme, token }, thrown)
        steps.report(error, token)
        throw withChallenge(error, realm)
      }
    }

  function recall(authorization: unknown): Principal<User | null> | null {
    steps.assertOpen()
    // Without a store that peeks, the row is nothing that is there at once.
    if ((syncUser !== null && peekUser === null) || typeof authorization !== "string") return null
    const proven = verified.find(authorization)
    if (proven === null) return null
    for (let at = 0; at < checks.length; at++) if (checks[at]?.passes(proven) === false) return null
    const user = peekUser === null ? null : peekUser(proven)
    if (user === undefined) return null
    steps.accepted()
    return user === null ? proven.principal : recalled(proven, user)
  }

  /** One principal for as long as the row is the same object: to make one takes longer than all the rest. */
  function recalled(proven: Proven, user: User): Principal<User> {
    if (proven.withRow?.user !== user) proven.withRow = withUser(proven.principal, user)
    return proven.withRow as Principal<User>
  }

  return {
    verifyBearer: verifying(inHeader) as VerifyBearer<User | null>,
    verifyToken: verifying(byItself) as VerifyBareToken<User | null>,
    recall,
  }
}

function absent(needed: boolean): null {
  if (needed) throw new GateError("credentials_missing", "Refused a request without Bearer credentials.")
  return null
}
