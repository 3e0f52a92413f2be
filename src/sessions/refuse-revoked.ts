import { type GateError, invalidToken, warnable } from "../errors.js"
import { createShare, type Sharing } from "../keycloak/share.js"
import type { Check } from "../verify/check.js"
import type { Claims } from "../verify/claims.js"
import type { Principal } from "../verify/principal.js"
import type { AskAlive } from "../verify/session/account-alive.js"
import { nameOf, type Revocations } from "./revocations.js"
import type { SharedStore } from "./shared.js"

export interface RefuseRevokedParts {
  readonly revocations: Revocations
  readonly askAlive: AskAlive
  readonly sharing: Sharing
  /** Null: this process is alone. */
  readonly store: SharedStore | null
}

export interface RefuseRevoked extends Check {
  /**
   * Has Keycloak decide about a token that may be older or newer than what was revoked.
   *
   * @throws {GateError} `invalid_token` with reason `revoked`; `keycloak_unavailable`, `keycloak_refused_us`
   */
  readonly settle: (principal: Principal<unknown>) => Promise<void>
}

/**
 * Refuses what is revoked. Whoever was let pass since the last revocation costs the comparison of two numbers.
 *
 * A token of the very second of a logout may be of the session that ended, or of one that began after it. Keycloak is asked
 * once for each such session.
 */
export function createRefuseRevoked({ revocations, askAlive, sharing, store }: RefuseRevokedParts): RefuseRevoked {
  const shareAnswer = createShare<boolean>(sharing)

  function refuse(claims: Claims): never {
    revocations.refused(claims)
    throw revoked()
  }

  async function settle(principal: Principal<unknown>): Promise<void> {
    const { claims, token } = principal
    const name = nameOf(claims)
    for (;;) {
      const count = revocations.count()
      const lives = await shareAnswer(`${count} ${name ?? token}`, () => ask(principal, name, count))
      if (!lives) refuse(claims)
      // More may have been revoked while Keycloak was asked.
      const verdict = count === revocations.count() ? "passed" : revocations.verdictOn(claims, count)
      if (verdict === "revoked") refuse(claims)
      if (verdict === "passed") return
    }
  }

  async function ask(principal: Principal<unknown>, name: string | null, count: number): Promise<boolean> {
    const lives = (await askAlive(principal)) === "alive"
    if (name !== null && lives) revocations.settled.alive(name, count)
    if (name !== null && !lives) revocations.settled.ended(name)
    return lives
  }

  return {
    settle,
    passes(proven) {
      if (store !== null && !store.isUsable()) return false
      const count = revocations.count()
      if (proven.lookedAt === count) return true
      if (proven.lookedAt < 0) return false
      if (revocations.mayConcern(proven) && revocations.verdictOn(proven.claims, proven.lookedAt) !== "passed")
        return false
      proven.lookedAt = count
      return true
    },
    assert(proven): Promise<void> | undefined {
      if (store !== null && !store.isUsable()) throw store.whyUnusable()
      const count = revocations.count()
      if (proven.lookedAt === count) return undefined
      const { claims, lookedAt } = proven
      if (lookedAt < 0) revocations.sawToken(claims)
      const verdict = revocations.mayConcern(proven) ? revocations.verdictOn(claims, lookedAt) : "passed"
      if (verdict === "revoked") refuse(claims)
      if (verdict === "doubtful") return settle(proven.principal)
      proven.lookedAt = count
      return undefined
    },
  }
}

function revoked(): GateError {
  return warnable(
    invalidToken("revoked", "Refused a token that was revoked here: its session has ended, as far as is known."),
  )
}
