/** What is in force under some id, and until when: at most `max`, of which those go first that have ended. */
export interface InForce<Value> {
  readonly size: () => number
  readonly get: (id: string) => Value | undefined
  /** Puts it behind all others. */
  readonly set: (id: string, value: Value) => void
  readonly delete: (id: string) => void
  readonly changeAll: (change: (value: Value) => Value) => void
  readonly all: () => Iterable<readonly [id: string, value: Value]>
}

export interface InForceParts<Value> {
  readonly max: number
  /** Seconds since 1970. */
  readonly untilOf: (value: Value) => number
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** One had to go although it was still in force. */
  readonly dropped: () => void
}

/** A Map whose values are numbers takes some 75 bytes an id of Keycloak's. */
export function createInForce<Value>({ max, untilOf, now, dropped }: InForceParts<Value>): InForce<Value> {
  // About in the order of their ends.
  const values = new Map<string, Value>()
  /** No one of them ends earlier. */
  let firstEnd = Number.POSITIVE_INFINITY

  function makeRoom(): void {
    const seconds = now() / 1000
    for (const [oldest, value] of values) {
      if (untilOf(value) > seconds) break
      values.delete(oldest)
    }
    if (values.size < max) return
    if (firstEnd <= seconds) dropEnded(seconds)
    for (const oldest of values.keys()) {
      if (values.size < max) return
      values.delete(oldest)
      dropped()
    }
  }

  function dropEnded(seconds: number): void {
    firstEnd = Number.POSITIVE_INFINITY
    for (const [id, value] of values) {
      if (untilOf(value) <= seconds) values.delete(id)
      else firstEnd = Math.min(firstEnd, untilOf(value))
    }
  }

  return {
    size: () => values.size,
    get: id => values.get(id),
    set(id, value) {
      firstEnd = Math.min(firstEnd, untilOf(value))
      if (!values.delete(id)) makeRoom()
      values.set(ownMemory(id), value)
    },
    delete: id => void values.delete(id),
    changeAll(change) {
      for (const [id, value] of values) values.set(id, change(value))
    },
    *all() {
      for (const one of values) if (untilOf(one[1]) * 1000 > now()) yield one
    },
  }
}

/** A piece of a longer text keeps all of that text in memory. */
function ownMemory(id: string): string {
  return Buffer.from(id, "utf8").toString("utf8")
}
