/** Hands work that outlives its request to the host, so that it is not cut when that request has answered. */
export type Background = (work: Promise<unknown>) => void

export interface Sharing {
  readonly background: Background
  /** How long work that others wait for takes at most, wherever it ends at all. */
  readonly timeoutMs: number
}

/** Does work once at a time for each key: whoever comes while it is under way gets its outcome, a failure included. */
export type SharedWork<Value> = (key: string, work: () => Promise<Value>) => Promise<Value>

export function createShare<Value>({ background, timeoutMs }: Sharing): SharedWork<Value> {
  const underWay = new Map<string, Promise<Value>>()

  function begin(key: string, work: () => Promise<Value>): Promise<Value> {
    const outcome = work().finally(() => {
      if (underWay.get(key) === outcome) underWay.delete(key)
    })
    underWay.set(key, outcome)
    background(outcome)
    return outcome
  }

  return (key, work) => {
    const first = underWay.get(key)
    if (first === undefined) return begin(key, work)
    return orAnew(first, timeoutMs, () => {
      const current = underWay.get(key)
      return current === undefined || current === first ? begin(key, work) : current
    })
  }
}

// Work that ends by itself has its own limit. On a busy machine that is met late, and is no work that was lost.
const patience = 1.25

/**
 * What others have begun, or anew where it is lost: Workers cut what a request has begun once that has answered. Whoever
 * waits for it hears nothing, or an error of the host's. Elsewhere the work itself ends in time.
 */
export function orAnew<Value>(shared: Promise<Value>, limitMs: number, begin: () => Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const anew = () => resolve(begin())
    const timer = setTimeout(anew, limitMs * patience)
    shared
      .then(resolve, (error: unknown) => (isOfHost(error) ? anew() : reject(error)))
      .finally(() => clearTimeout(timer))
  })
}

/** workerd 2026-11: "This promise was created by a request that has since ended, so it can never settle." */
function isOfHost(error: unknown): boolean {
  return error instanceof Error && error.message.includes("created by a request that has since ended")
}
