import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import { type Spread, spreadOf } from "./median.ts"
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

/**
 * Measures all of them in rounds, one after the other in each round; who goes first changes.
 *
 * The first one is the base of the ratios. A contestant that can't do its work fails the whole measurement.
 */
export async function measureInRounds(scenarios: readonly Scenario[], rounds: number): Promise<Result[]> {
  const contestants: Running[] = []
  try {
    for (const scenario of scenarios) contestants.push(await start(scenario))
    const measured: Turn[][] = []
    for (let round = 0; round < rounds; round++) {
      const turns: Turn[] = []
      for (let place = 0; place < contestants.length; place++) {
        const index = (place + round) % contestants.length
        turns[index] = await (contestants[index] as Running).turn()
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

interface Running {
  readonly turn: () => Promise<Turn>
  readonly stop: () => void
}

async function start(scenario: Scenario): Promise<Running> {
  const child = fork(join(import.meta.dirname, "contestant-process.ts"), [JSON.stringify(scenario)], {
    execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
    // A session of its own: see `askForPrecedence`. It ends when this process does, by its channel.
    detached: true,
  })
  await answerOf(child, scenario.name)
  return {
    async turn() {
      child.send("turn")
      return (await answerOf(child, scenario.name)) as Turn
    },
    stop: () => child.disconnect(),
  }
}

function answerOf(child: ChildProcess, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`${name} ended with ${code ?? "a signal"}`))
    child.once("exit", ended)
    child.once("message", answer => {
      child.off("exit", ended)
      resolve(answer)
    })
  })
}
