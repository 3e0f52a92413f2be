import type { UserIdentity } from "./user-store.js"

/** Rows of a moment ago. */
export interface RecentRows<User> {
  /** The row, if it may still be used at this moment. */
  readonly find: (identity: UserIdentity, now: number) => User | undefined
  readonly set: (identity: UserIdentity, row: User, until: number) => void
  readonly delete: (identity: UserIdentity) => void
}

interface RecentRow<User> extends UserIdentity {
  row: User
  until: number
  /** Where in the clock's round. */
  place: number
  wasUsed: boolean
}

/**
 * A bounded number of rows. By issuer and then by subject, because a principal's own texts are hashed already, and a key put
 * together on each request is not.
 *
 * When it is full, the hand of a clock goes round and takes the first row that was not used since it last came by.
 */
export function createRecentRows<User>(maxUsers: number): RecentRows<User> {
  const byIssuer = new Map<string, Map<string, RecentRow<User>>>()
  const round: RecentRow<User>[] = []
  let hand = 0

  function remove(entry: RecentRow<User>): void {
    const { issuer, subject, place } = entry
    const ofIssuer = byIssuer.get(issuer)
    ofIssuer?.delete(subject)
    if (ofIssuer?.size === 0) byIssuer.delete(issuer)
    const last = round.pop()
    if (last === undefined || last === entry) return
    last.place = place
    round[place] = last
  }

  function makeRoom(): void {
    while (round.length >= maxUsers) {
      if (hand >= round.length) hand = 0
      const entry = round[hand] as RecentRow<User>
      if (!entry.wasUsed) remove(entry)
      entry.wasUsed = false
      hand += 1
    }
  }

  return {
    find({ issuer, subject }, now) {
      const entry = byIssuer.get(issuer)?.get(subject)
      if (entry === undefined || now >= entry.until) return undefined
      entry.wasUsed = true
      return entry.row
    },
    set({ issuer, subject }, row, until) {
      const before = byIssuer.get(issuer)?.get(subject)
      if (before !== undefined) {
        // Of two reads at once, the one that began later.
        if (until < before.until) return
        before.row = row
        before.until = until
        return
      }
      makeRoom()
      const ofIssuer = byIssuer.get(issuer) ?? new Map<string, RecentRow<User>>()
      const entry = { issuer, subject, row, until, place: round.length, wasUsed: false }
      byIssuer.set(issuer, ofIssuer.set(subject, entry))
      round.push(entry)
    },
    delete({ issuer, subject }) {
      const entry = byIssuer.get(issuer)?.get(subject)
      if (entry !== undefined) remove(entry)
    },
  }
}
