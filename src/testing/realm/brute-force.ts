import type { Account } from "./accounts.js"

export interface BruteForceSettings {
  readonly isOn: boolean
  readonly isPermanent: boolean
  readonly maxTemporaryLockouts: number
  readonly failureFactor: number
  readonly strategy: string
  readonly waitIncrementSeconds: number
  readonly quickLoginCheckMilliSeconds: number
  readonly minimumQuickLoginWaitSeconds: number
  readonly maxFailureWaitSeconds: number
  readonly maxDeltaTimeSeconds: number
}

interface Failures {
  count: number
  temporaryLockouts: number
  lastFailure: number
  lockedUntilSeconds: number
}

/** Locks accounts after too many wrong logins; unlike the real server it does so before it answers, not soon after. */
export interface BruteForce {
  readonly isLocked: (account: Account) => boolean
  readonly failed: (account: Account) => void
  readonly succeeded: (account: Account) => void
  readonly forget: (account: Account) => void
  /** In the form of the Admin API. */
  readonly statusOf: (account: Account) => Readonly<Record<string, unknown>>
}

export function createBruteForce(settings: BruteForceSettings): BruteForce {
  const failures = new Map<string, Failures>()
  const seconds = () => Math.floor(Date.now() / 1000)

  function isLocked(account: Account): boolean {
    if (!settings.isOn) return false
    if (account.attributes.disabledReason?.[0] === "permanentLockout") return true
    return (failures.get(account.id)?.lockedUntilSeconds ?? 0) > seconds()
  }

  function lockForever(account: Account): void {
    account.enabled = false
    account.attributes = { ...account.attributes, disabledReason: ["permanentLockout"] }
  }

  function waitSeconds({ count }: Failures): number {
    const { failureFactor, strategy, waitIncrementSeconds } = settings
    if (count < failureFactor) return 0
    const steps = strategy === "LINEAR" ? 1 + count - failureFactor : Math.floor(count / failureFactor)
    return waitIncrementSeconds * steps
  }

  function failed(account: Account): void {
    if (!settings.isOn || isLocked(account)) return
    const now = Date.now()
    const entry = failures.get(account.id) ?? { count: 0, temporaryLockouts: 0, lastFailure: 0, lockedUntilSeconds: 0 }
    failures.set(account.id, entry)
    const isFirst = entry.lastFailure === 0
    const delta = now - entry.lastFailure
    entry.lastFailure = now
    if (settings.isPermanent && settings.maxTemporaryLockouts === 0) {
      entry.count += 1
      if (entry.count >= settings.failureFactor) lockForever(account)
      return
    }
    if (!isFirst && delta > settings.maxDeltaTimeSeconds * 1000) entry.count = 0
    entry.count += 1
    let wait = waitSeconds(entry)
    if (wait > 0) {
      entry.temporaryLockouts += 1
      if (settings.isPermanent && entry.temporaryLockouts > settings.maxTemporaryLockouts) {
        lockForever(account)
        return
      }
    } else if (!isFirst && delta < settings.quickLoginCheckMilliSeconds) {
      wait = settings.minimumQuickLoginWaitSeconds
    }
    if (wait > 0) entry.lockedUntilSeconds = seconds() + Math.min(wait, settings.maxFailureWaitSeconds)
  }

  return {
    isLocked,
    failed,
    succeeded: account => void failures.delete(account.id),
    forget: account => void failures.delete(account.id),
    statusOf(account) {
      const entry = failures.get(account.id)
      return {
        failedLoginNotBefore: entry?.lockedUntilSeconds ?? 0,
        numFailures: entry?.count ?? 0,
        numTemporaryLockouts: entry?.temporaryLockouts ?? 0,
        disabled: isLocked(account),
        numSecondaryAuthFailures: 0,
        lastIPFailure: entry === undefined ? "n/a" : "127.0.0.1",
        lastFailure: entry?.lastFailure ?? 0,
      }
    },
  }
}
