import { startOwnProcess } from "./own-process.ts"
import type { ServedRealm } from "./served-realm.ts"

export interface FloodArgument {
  readonly module: string
  readonly setUp: string
  readonly count: number
  readonly maxSeconds: number
}

export interface FloodAnswer {
  /** How many of the tokens were refused in time. */
  readonly answered: number
  readonly seconds: number
  /** From the middle of the flood, when the realm rotated its key; null: not in time. */
  readonly honouredAfterSeconds: number | null
  /** Both together: the time in which the fetches are counted. */
  readonly allSeconds: number
}

export interface FloodResult extends FloodAnswer {
  readonly name: string
  readonly fetches: number
}

export const floodCount = 5000
export const maxSeconds = 15

/** How often a realm's keys are fetched for `floodCount` tokens with random key ids, and whether a new key is found. */
export async function measureFlood(
  { name, ...contestant }: { readonly name: string; readonly module: string; readonly setUp: string },
  { fetches, setRotated }: ServedRealm,
): Promise<FloodResult> {
  setRotated(false)
  const child = await startOwnProcess("flood-process.ts", { ...contestant, count: floodCount, maxSeconds })
  try {
    const before = fetches()
    const answer = (await child.ask("flood")) as FloodAnswer
    return { name, fetches: fetches() - before, ...answer }
  } finally {
    child.stop()
  }
}
