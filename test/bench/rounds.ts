import { type Spread, spreadOf } from "./median.ts"
import { type OwnProcess, startOwnProcess } from "./own-process.ts"
import type { Algorithm } from "./token-set.ts"

/** What one process of its own measures. */
export interface Scenario {
  readonly name: string
  /** File and export of its `SetUp`. */
  readonly module: string
  readonly setUp: string
  readonly alg: Algorithm
  readonly tokenCount: number
  readonly inFlight: number
  /**
   * `"any tokens"` for who remembers none of them; `"new tokens"`: each is met for the first time; `"known tokens"`:
   * each was verified before.
   */
  readonly meets: "any tokens" | "new tokens" | "known tokens"
  readonly turnMs: number
}

/** Microseconds per token: of the main thread, of all threads, of the clock on the wall. */
export interface Turn {
  readonly main: number
  readonly all: number
  readonly wall: number
}

export interface Result {
  readonly name: string
  readonly main: Spread
  readonly all: Spread
  /** Main thread ÷ main thread of the first scenario, round by round. */
  readonly ratio: Spread
}

/** Ends after so many rounds, or after so many seconds, but not before the third round. */
export interface Bounds {
  readonly rounds: number
  readonly seconds: number
}

/**
 * Measures all of them in rounds, one after the other in each round; who goes first changes.
 *
 * The first one is the base of the ratios. A contestant that can't do its work fails the whole measurement.
 */
export async function measureInRounds(scenarios: readonly Scenario[], bounds: Bounds): Promise<Result[]> {
  const contestants: OwnProcess[] = []
  try {
    for (const scenario of scenarios) contestants.push(await startOwnProcess("contestant-process.ts", scenario))
    // Nobody's first turn counts.
    for (const contestant of contestants) await contestant.ask("turn")
    const measured: Turn[][] = []
    for (const round of roundsWithin(bounds)) {
      const turns: Turn[] = []
      for (let place = 0; place < contestants.length; place++) {
        const index = (place + round) % contestants.length
        turns[index] = (await contestants[index]?.ask("turn")) as Turn
      }
      measured.push(turns)
    }
    return scenarios.map(({ name }, index) => {
      const turns = measured.map(round => round[index] as Turn)
      const base = measured.map(round => round[0] as Turn)
      return {
        name,
        main: spreadOf(turns.map(({ main }) => main)),
        all: spreadOf(turns.map(({ all }) => all)),
        ratio: spreadOf(turns.map(({ main }, round) => main / (base[round] as Turn).main)),
      }
    })
  } finally {
    for (const { stop } of contestants) stop()
  }
}

/** Numbers of rounds for as long as there may be another one. */
export function* roundsWithin({ rounds, seconds }: Bounds): Generator<number> {
  const deadline = performance.now() + seconds * 1000
  for (let round = 0; round < rounds && (round < 3 || performance.now() < deadline); round++) yield round
}
