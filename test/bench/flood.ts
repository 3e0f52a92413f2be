import { startOwnProcess } from "./own-process.ts"
import type { ServedRealm } from "./token-set.ts"

export interface FloodArgument {
  readonly module: string
  readonly setUp: string
  readonly count: number
  readonly maxSeconds: number
}

export interface FloodResult {
  readonly name: string
  readonly fetches: number
  /** How many of the tokens were refused in time. */
  readonly answered: number
  readonly seconds: number
}

export const floodCount = 5000
const maxSeconds = 15

/** How often a realm's keys are fetched for `floodCount` tokens with random key ids. */
export async function measureFlood(
  { name, ...contestant }: { readonly name: string; readonly module: string; readonly setUp: string },
  { fetches }: ServedRealm,
): Promise<FloodResult> {
  const child = await startOwnProcess("flood-process.ts", { ...contestant, count: floodCount, maxSeconds })
  try {
    const before = fetches()
    const { answered, seconds } = (await child.ask("flood")) as { answered: number; seconds: number }
    return { name, fetches: fetches() - before, answered, seconds }
  } finally {
    child.stop()
  }
}
