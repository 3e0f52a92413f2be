import type { GateError } from "../errors.js"

/** Calls into the application, each of which may take so long and no longer. */
export interface TimeLimit {
  /**
   * What the work settles to, or the error that says that it took too long; `late` hears when it has settled after all.
   */
  readonly run: <Value>(call: string, work: () => Value | PromiseLike<Value>, late?: () => void) => Promise<Value>
  /** Ends everything under way with this error, and leaves no timer. */
  readonly close: (error: (call: string) => GateError) => void
}

export interface TimeLimitParts {
  readonly limitMs: number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
  readonly expired: (call: string) => GateError
  readonly settledInTime: (call: string) => void
}

interface UnderWay {
  readonly call: string
  readonly since: number
  readonly reject: (error: GateError) => void
}

/** One timer for all calls: one for each would cost a request more than everything else here. */
export function createTimeLimit({ limitMs, elapsed, expired, settledInTime }: TimeLimitParts): TimeLimit {
  // In the order of their beginnings, which is that of their ends, since all have one limit.
  const underWay = new Set<UnderWay>()
  let timer: NodeJS.Timeout | null = null
  let timerDue = 0

  /** Overdue by so much, it never comes: a host has cut it with the request that set it. */
  const isTimed = () => timer !== null && elapsed() - timerDue <= limitMs

  /** No timer holds a process that has nothing else to do. */
  function endLater(since: number, delayMs: number): void {
    timerDue = elapsed() + delayMs
    timer = setTimeout(end, delayMs, since).unref()
  }

  /** Whoever the timer was set for is due, whatever the clock says: a test may turn one without the other. */
  function end(since: number): void {
    timer = null
    const due = Math.max(since, elapsed() - limitMs)
    for (const one of underWay) {
      if (one.since > due) {
        endLater(one.since, one.since - due)
        return
      }
      underWay.delete(one)
      one.reject(expired(one.call))
    }
  }

  return {
    run: (call, work, late) =>
      new Promise((resolve, reject) => {
        const one = { call, since: elapsed(), reject }
        const settled = () => (underWay.delete(one) ? settledInTime(call) : late?.())
        underWay.add(one)
        if (!isTimed()) endLater(one.since, limitMs)
        begun(work).then(
          value => {
            settled()
            resolve(value)
          },
          (error: unknown) => {
            settled()
            reject(error)
          },
        )
      }),
    close(error) {
      if (timer !== null) clearTimeout(timer)
      timer = null
      for (const { call, reject } of underWay) reject(error(call))
      underWay.clear()
    },
  }
}

/** A function that throws before it has made a promise fails like one that does so after it. */
function begun<Value>(work: () => Value | PromiseLike<Value>): Promise<Value> {
  try {
    return Promise.resolve(work())
  } catch (error) {
    return Promise.reject(error)
  }
}
