/** Does work once at a time for each key: whoever comes while it is under way gets its outcome, a failure included. */
export type SharedWork<Value> = (key: string, work: () => Promise<Value>) => Promise<Value>

export function createShare<Value>(): SharedWork<Value> {
  const underWay = new Map<string, Promise<Value>>()
  return (key, work) => {
    const first = underWay.get(key)
    if (first !== undefined) return first
    const outcome = work().finally(() => underWay.delete(key))
    underWay.set(key, outcome)
    return outcome
  }
}
