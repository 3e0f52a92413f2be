/** Waits that end in bounded time, or all at once. */
export interface Waits {
  /** What the work settles to, or an error after so long. `isHeld`: the process does not end meanwhile. */
  readonly within: <Value>(ms: number, work: Promise<Value>, isHeld?: boolean) => Promise<Value>
  /** Resolves after so long. */
  readonly pause: (ms: number) => Promise<void>
  /** Ends all that wait, and all who come later. */
  readonly endAll: (error: unknown) => void
}

/** For one connection each: what waits for nothing any more must not be kept by what goes on. */
export function createWaits(): Waits {
  const waiting = new Set<(error: unknown) => void>()
  let over: { readonly error: unknown } | null = null

  function wait<Value>(begin: (resolve: (value: Value) => void, reject: (error: unknown) => void) => NodeJS.Timeout) {
    return new Promise<Value>((resolve, reject) => {
      if (over !== null) {
        reject(over.error)
        return
      }
      function end(error: unknown): void {
        settled()
        reject(error)
      }
      function settled(): void {
        waiting.delete(end)
        clearTimeout(timer)
      }
      waiting.add(end)
      const timer = begin(value => {
        settled()
        resolve(value)
      }, end)
    })
  }

  return {
    within: (ms, work, isHeld = false) => {
      work.catch(() => undefined) // it may fail when nobody waits any more
      return wait((resolve, reject) => {
        work.then(resolve, reject)
        // What has come meanwhile is read first, should this process have been busy for so long.
        const timer = setTimeout(() => setImmediate(() => reject(new Error(`no answer within ${ms} ms`))), ms)
        return isHeld ? timer : timer.unref()
      })
    },
    pause: ms => wait<void>(resolve => setTimeout(resolve, ms).unref()),
    endAll(error) {
      over ??= { error }
      for (const end of waiting) end(error)
    },
  }
}
