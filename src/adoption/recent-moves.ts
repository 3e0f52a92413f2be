import { createHmac, randomBytes } from "node:crypto"
import QuickLRU from "quick-lru"
import type { LegacyCredentials } from "./legacy-login.js"

/**
 * Whom this process has just moved, for logins of the same person that were sent before: Keycloak refused them since it did
 * not know the account yet, or since it looks at one login of a person at a time.
 */
export interface RecentMoves {
  /** These credentials are right from now on, for the account of that name. */
  readonly note: (credentials: LegacyCredentials, account: MovedAccount) => void
  /** The account of a login that was sent before these credentials became right; null: there is none. */
  readonly sentBefore: (login: LegacyCredentials & { readonly sentAt: number }) => MovedAccount | null
  /** Whether this process had moved the account before a login was sent. */
  readonly areBefore: (login: { readonly sentAt: number }, accountId: string) => boolean
  /** What tells one pair of texts from all others, and neither of them. */
  readonly markOf: (name: string, password: string) => string
}

export interface MovedAccount {
  readonly id: string
  readonly username: string
}

const maxMoves = 1000
// Longer than any login takes.
const longestMs = 600_000

/** Remembers no password: only a hash under a key that never leaves this process. `elapsed` is never set back. */
export function createRecentMoves(elapsed: () => number): RecentMoves {
  const key = randomBytes(32)
  const kept = { maxSize: maxMoves, maxAge: longestMs }
  const moves = new QuickLRU<string, { readonly account: MovedAccount; readonly at: number }>(kept)
  const accounts = new QuickLRU<string, number>(kept)
  const markOf = (name: string, password: string) =>
    createHmac("sha256", key)
      .update(JSON.stringify([name, password]))
      .digest("base64")
  return {
    note({ username, password }, account) {
      moves.set(markOf(username, password), { account, at: elapsed() })
      accounts.set(account.id, elapsed())
    },
    sentBefore({ username, password, sentAt }) {
      const move = moves.get(markOf(username, password))
      return move !== undefined && sentAt <= move.at ? move.account : null
    },
    areBefore({ sentAt }, accountId) {
      const at = accounts.get(accountId)
      return at !== undefined && at < sentAt
    },
    markOf,
  }
}
