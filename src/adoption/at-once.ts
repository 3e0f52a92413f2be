/** Does work as soon as less than so much is under way; whoever came first is next. */
export type AtOnce = <Result>(work: () => Promise<Result>) => Promise<Result>

export function createAtOnce(limit: number): AtOnce {
  const line: (() => void)[] = []
  let underWay = 0
  return async work => {
    if (underWay < limit) underWay += 1
    else await new Promise<void>(enter => line.push(enter))
    try {
      return await work()
    } finally {
      const next = line.shift()
      if (next === undefined) underWay -= 1
      else next()
    }
  }
}
