/** Work that may end although everything else is stopped. */
export interface Drain {
  readonly hold: <Result>(work: Promise<Result>) => Promise<Result>
  /** Waits until all of it has ended, but no longer than that; until then it holds the process. */
  readonly ended: (limitMs: number) => Promise<void>
}

export function createDrain(): Drain {
  const underWay = new Set<Promise<unknown>>()

  return {
    hold(work) {
      const nothing = () => undefined
      const ended = work.then(nothing, nothing).finally(() => underWay.delete(ended))
      underWay.add(ended)
      return work
    },
    async ended(limitMs) {
      if (underWay.size === 0) return
      let timer: NodeJS.Timeout | undefined
      const limit = new Promise(resolve => {
        timer = setTimeout(resolve, limitMs)
      })
      await Promise.race([Promise.all(underWay), limit]).finally(() => clearTimeout(timer))
    },
  }
}
