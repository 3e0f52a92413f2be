import { type GateError, invalidToken, warnable } from "../errors.js"
import { createShare } from "../keycloak/share.js"
import type { Check, Proven } from "../verify/check.js"
import type { AskAlive } from "../verify/session/account-alive.js"
import { nameOf, type Revocations } from "./revocations.js"
import type { SharedStore } from "./shared.js"

export interface RefuseRevokedParts {
  readonly revocations: Revocations
  readonly askAlive: AskAlive
  /** Null: this process is alone. */
  readonly store: SharedStore | null
}

/**
 * Refuses what is revoked. Whoever was let pass since the last revocation costs the comparison of two numbers.
 *
 * A token of the very second of a logout may be of the session that ended, or of one that began after it. Keycloak is asked
 * once for each such session.
 */
export function createRefuseRevoked({ revocations, askAlive, store }: RefuseRevokedParts): Check {
  const shareAnswer = createShare<boolean>()

  function letPass(proven: Proven, count: number): void {
    proven.lookedAt = count
  }

  function refuse({ claims }: Proven): never {
    revocations.refused(claims)
    throw revoked()
  }

  async function settle(proven: Proven): Promise<void> {
    const name = nameOf(proven.claims)
    for (;;) {
      const count = revocations.count()
      const lives = await shareAnswer(`${count} ${name ?? proven.principal.token}`, () => ask(proven, name, count))
      if (!lives) refuse(proven)
      // More may have been revoked while Keycloak was asked.
      const verdict = count === revocations.count() ? "passed" : revocations.verdictOn(proven.claims, count)
      if (verdict === "revoked") refuse(proven)
      if (verdict === "passed") return
    }
  }

  async function ask({ principal }: Proven, name: string | null, count: number): Promise<boolean> {
    const lives = (await askAlive(principal)) === "alive"
    if (name !== null && lives) revocations.settled.alive(name, count)
    if (name !== null && !lives) revocations.settled.ended(name)
    return lives
  }

  return {
    passes(proven) {
      if (store !== null && !store.isUsable()) return false
      const count = revocations.count()
      if (proven.lookedAt === count) return true
      if (proven.lookedAt < 0 || revocations.verdictOn(proven.claims, proven.lookedAt) !== "passed") return false
      letPass(proven, count)
      return true
    },
    assert(proven): Promise<void> | undefined {
      if (store !== null && !store.isUsable()) throw store.whyUnusable()
      const count = revocations.count()
      if (proven.lookedAt === count) return undefined
      const { claims, lookedAt } = proven
      if (lookedAt < 0) revocations.sawToken(claims)
      const verdict = revocations.verdictOn(claims, lookedAt)
      if (verdict === "revoked") refuse(proven)
      if (verdict === "doubtful") return settle(proven)
      letPass(proven, count)
      return undefined
    },
  }
}

function revoked(): GateError {
  return warnable(
    invalidToken("revoked", "Refused a token that was revoked here: its session has ended, as far as is known."),
  )
}
