import { GateError } from "../errors.js"

/** Does one account's work after all that was asked for before it, and before all that is asked for later. */
export type InTurn = <Result>(id: string, work: () => Promise<Result>) => Promise<Result>

const longestLine = 1000

/**
 * One at a time for one account. Whoever waits longer than `waitMs` is refused and leaves the line, so that ten calls that
 * meet a silent Keycloak wait for it once, and not ten times one after the other.
 */
export function createTurns(waitMs: number): InTurn {
  // Of accounts whose turn somebody has: who waits for it.
  const lines = new Map<string, (() => void)[]>()

  async function waitForTurn(id: string): Promise<void> {
    const line = lines.get(id)
    if (line === undefined) {
      lines.set(id, [])
      return
    }
    if (line.length >= longestLine) throw tooLate(`${longestLine} calls wait for the same account already`)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        line.splice(line.indexOf(begin), 1)
        reject(tooLate(`the calls before it took longer than ${waitMs} ms`))
      }, waitMs)
      const begin = () => {
        clearTimeout(timer)
        resolve()
      }
      line.push(begin)
    })
  }

  function passOn(id: string): void {
    const next = lines.get(id)?.shift()
    if (next === undefined) lines.delete(id)
    else next()
  }

  return async (id, work) => {
    await waitForTurn(id)
    try {
      return await work()
    } finally {
      passOn(id)
    }
  }
}

function tooLate(why: string): GateError {
  return new GateError(
    "keycloak_unavailable",
    `Changes of one account are made one after the other, and this one did not get its turn: ${why}. Nothing was done for it.`,
    { reason: "overload" },
  )
}
