import { createHmac, randomBytes } from "node:crypto"
import QuickLRU from "quick-lru"

/** Changes of passwords of which nobody knows whether Keycloak made them: the person will send them again. */
export interface UnclearChanges {
  readonly note: (change: WantedPassword) => void
  readonly has: (change: WantedPassword) => boolean
  readonly settle: (change: WantedPassword) => void
}

interface WantedPassword {
  readonly username: string
  readonly newPassword: string
}

const maxChanges = 1000
const longestMs = 600_000

/** Remembers no password: only a hash under a key that never leaves this process. */
export function createUnclearChanges(): UnclearChanges {
  const key = randomBytes(32)
  const noted = new QuickLRU<string, true>({ maxSize: maxChanges, maxAge: longestMs })
  const idOf = ({ username, newPassword }: WantedPassword) =>
    createHmac("sha256", key)
      .update(JSON.stringify([username.toLowerCase(), newPassword]))
      .digest("base64")
  return {
    note: change => void noted.set(idOf(change), true),
    has: change => noted.has(idOf(change)),
    settle: change => void noted.delete(idOf(change)),
  }
}
