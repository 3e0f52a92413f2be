import { setTimeout as delay } from "node:timers/promises"
import { GateError } from "../errors.js"

/** The time that one call of a verb has for all its requests to Keycloak, however many they are. */
export interface Deadline {
  /** Whether a request may still begin, after this many milliseconds from now. */
  readonly hasTime: (inMs?: number) => boolean
  /** @throws {GateError} `keycloak_unavailable` when no request may begin any more */
  readonly assertTime: () => void
  /** What this promise settles to, or `keycloak_unavailable` at the end of the time. */
  readonly within: <Value>(work: Promise<Value>) => Promise<Value>
  /** Waits before a request is made once more. */
  readonly pause: (ms: number) => Promise<void>
}

/**
 * Three times `timeoutMs` from now. A request may take all of `timeoutMs`, so none begins in the last third: each has its
 * full time, and no write is given up before its own time-out.
 */
export function startDeadline(
  timeoutMs: number,
  elapsed: () => number,
  pause: Deadline["pause"] = ms => delay(ms),
): Deadline {
  const startedAt = elapsed()
  const leftMs = () => startedAt + 3 * timeoutMs - elapsed()
  const hasTime = (inMs = 0) => leftMs() - inMs > timeoutMs
  const used = () =>
    new GateError(
      "keycloak_unavailable",
      `Keycloak answers too slowly: one call has ${3 * timeoutMs} ms for all its requests, and no more of them began. What ` +
        "was asked for may be done in part; calling again finishes it.",
    )
  return {
    hasTime,
    pause,
    assertTime() {
      if (!hasTime()) throw used()
    },
    async within(work) {
      let timer: NodeJS.Timeout | undefined
      const end = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(used()), Math.max(0, leftMs()))
      })
      return Promise.race([work, end]).finally(() => clearTimeout(timer))
    },
  }
}
