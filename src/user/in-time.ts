/**
 * What the user store's promise settles to, or a `TimeoutError`: a database pool may wait for ever, and a person who
 * registers would wait with it. What comes too late is handed to `late`.
 */
export function inTime<Value>(work: Promise<Value>, limitMs: number, what: string, late?: () => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(Object.assign(new Error(`${what} did not settle within ${limitMs} ms`), { name: "TimeoutError" }))
    }, limitMs)
    work.then(value => (isLate ? late?.() : resolve(value)), reject).finally(() => clearTimeout(timer))
  })
}
