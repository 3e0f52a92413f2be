/**
 * What is known of single sessions beside their tokens, to tell a session that began in the second of a logout from one that
 * ended then. By session, or by token where it has none.
 */
export interface SettledSessions {
  /** It lived when there were so many revocations. */
  readonly alive: (name: string, number: number) => void
  readonly ended: (name: string) => void
  /** How many revocations there were when it was last known to live; -1: it has ended; undefined: nothing is known. */
  readonly of: (name: string) => number | undefined
}

// Keycloak is asked again about what is forgotten.
const maxSettled = 10_000

export function createSettledSessions(): SettledSessions {
  const settled = new Map<string, number>()

  function settle(name: string, state: number): void {
    settled.delete(name)
    for (const oldest of settled.keys()) {
      if (settled.size < maxSettled) break
      settled.delete(oldest)
    }
    settled.set(name, state)
  }

  return {
    alive: settle,
    ended: name => settle(name, -1),
    of: name => settled.get(name),
  }
}
