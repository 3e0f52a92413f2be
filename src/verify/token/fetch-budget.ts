/** How often tokens may have the realm's keys fetched: one budget, whatever they hold, whoever sends them. */
interface FetchBudget {
  /** How many fetches tokens have caused in the last cool-down. */
  readonly spent: () => number
  readonly spend: () => void
  readonly isUsedUp: () => boolean
  /** Whether a look-up for this key is left; `isNew`: nothing is published under its id. A refusal is remembered. */
  readonly hasOneFor: (wanted: string, isNew: boolean) => boolean
  /** Milliseconds until the next look-up: they spread, so that a key that comes a little later is found too. */
  readonly msToNext: () => number
  /** The keys are new: what was refused until now is not among them, or is known. */
  readonly renewed: () => void
  /** This key was looked for in vain. */
  readonly missed: (wanted: string) => void
}

interface FetchBudgetParts {
  readonly cooldownMs: number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

const fetchesPerCooldown = 5
// As many of them are kept for keys that are asked for again after they were refused unseen: in a flood of random ids
// that is the one that Keycloak signs with since a moment ago.
const keptForRepeated = 2
const maxRemembered = 10_000
const longestStepMs = 200

export function createFetchBudget({ cooldownMs, elapsed }: FetchBudgetParts): FetchBudget {
  const stepMs = Math.min(cooldownMs / 50, longestStepMs)
  let spentAt: number[] = []
  let renewals = 0
  /** By what was wanted: the renewal after which it was refused, or none for what was looked for in vain. */
  const refused = new Map<string, number | null>()

  function spent(): number {
    const now = elapsed()
    // What lies ahead was spent under a clock that a test has taken off.
    spentAt = spentAt.filter(at => at <= now && now - at < cooldownMs)
    return spentAt.length
  }

  function remember(wanted: string, renewal: number | null): void {
    if (refused.size >= maxRemembered) refused.clear()
    refused.set(wanted, renewal)
  }

  return {
    spent,
    spend() {
      spentAt.push(elapsed())
    },
    isUsedUp: () => spent() >= fetchesPerCooldown,
    hasOneFor(wanted, isNew) {
      const isRepeated = isNew && refused.get(wanted) === renewals
      if (spent() < (isRepeated ? fetchesPerCooldown : fetchesPerCooldown - keptForRepeated)) return true
      if (isNew && !refused.has(wanted)) remember(wanted, renewals)
      return false
    },
    msToNext() {
      const step = spent() * stepMs
      return step - (elapsed() - (spentAt.at(-1) ?? Number.NEGATIVE_INFINITY))
    },
    renewed() {
      renewals++
    },
    missed: wanted => remember(wanted, null),
  }
}
