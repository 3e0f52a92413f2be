import { median, type Spread, spreadOf } from "./median.ts"

/** Two ways to do one thing, measured in turn in the same rounds. */
export interface Comparison {
  readonly rounds: number
  /** Medians per second. */
  readonly bare: number
  readonly library: number
  /** Of what the single rounds gave, library : bare. */
  readonly ratio: Spread
}

interface Contestants {
  readonly bare: () => Promise<unknown>
  readonly withLibrary: () => Promise<unknown>
}

interface Bounds {
  readonly seconds: number
  readonly maxRounds: number
}

export const inFlight = 8
const leastRounds = 3
const secondsPerTurn = 1.5

/**
 * Warms both up, then measures rounds of both until the time is used up; who goes first changes each round.
 *
 * Throws when fewer rounds fit than a median needs.
 */
export async function compare({ bare, withLibrary }: Contestants, bounds: Bounds): Promise<Comparison> {
  const deadline = performance.now() + bounds.seconds * 1000
  await perSecond(bare, 2 * inFlight)
  const roughly = await perSecond(withLibrary, 2 * inFlight)
  const perTurn = inFlight * Math.max(2, Math.round((roughly * secondsPerTurn) / inFlight))

  const measured: { bare: number; library: number }[] = []
  while (measured.length < bounds.maxRounds && performance.now() < deadline) {
    const bareFirst = measured.length % 2 === 0
    const first = await perSecond(bareFirst ? bare : withLibrary, perTurn)
    const second = await perSecond(bareFirst ? withLibrary : bare, perTurn)
    measured.push(bareFirst ? { bare: first, library: second } : { bare: second, library: first })
  }
  if (measured.length < leastRounds) {
    throw new Error(
      `Only ${measured.length} rounds in ${bounds.seconds.toFixed(0)} s: this machine is too busy to measure`,
    )
  }
  return {
    rounds: measured.length,
    bare: median(measured.map(round => round.bare)),
    library: median(measured.map(round => round.library)),
    ratio: spreadOf(measured.map(round => round.library / round.bare)),
  }
}

async function perSecond(work: () => Promise<unknown>, count: number): Promise<number> {
  let left = count
  async function worker(): Promise<void> {
    while (left-- > 0) await work()
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: inFlight }, worker))
  return (count * 1000) / (performance.now() - started)
}
