/** Places, and the line of those who wait for one: whoever came first gets the next. */
export interface Line<Waiting> {
  /** Takes a free place, if there is one. */
  readonly take: () => boolean
  /** Resolves with a place; rejects with the signal's reason. */
  readonly wait: (waiting: Waiting, signal: AbortSignal) => Promise<void>
  /** Gives a place back. */
  readonly leave: () => void
  /** Sends everybody away for whom this makes an error. */
  readonly sendAway: (why: (waiting: Waiting) => Error | null) => void
  /** How many wait. */
  readonly length: () => number
}

interface Waiter<Waiting> {
  readonly waiting: Waiting
  readonly enter: () => void
  readonly refuse: (why: unknown) => void
}

export function createLine<Waiting>(places: number): Line<Waiting> {
  let taken = 0
  const line = new Set<Waiter<Waiting>>()

  return {
    take() {
      if (taken >= places) return false
      taken += 1
      return true
    },
    wait: (waiting, signal) =>
      new Promise((resolve, reject) => {
        const giveUp = () => waiter.refuse(signal.reason)
        const stepOut = () => {
          line.delete(waiter)
          signal.removeEventListener("abort", giveUp)
        }
        const waiter: Waiter<Waiting> = {
          waiting,
          enter() {
            stepOut()
            resolve()
          },
          refuse(why) {
            stepOut()
            reject(why)
          },
        }
        line.add(waiter)
        signal.addEventListener("abort", giveUp)
      }),
    leave() {
      for (const first of line) return first.enter()
      taken -= 1
    },
    sendAway(why) {
      for (const waiter of line) {
        const error = why(waiter.waiting)
        if (error !== null) waiter.refuse(error)
      }
    },
    length: () => line.size,
  }
}
