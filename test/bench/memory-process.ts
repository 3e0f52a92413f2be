/** What one remembered token costs: the heap and what is outside of it, garbage collected, before and after many. */
import type { SetUp } from "./contestants/contestant.ts"
import { answerParent, argumentOf } from "./own-process.ts"
import { openTokens } from "./token-set.ts"

const { module, setUp: name } = argumentOf<{ module: string; setUp: string }>()
const setUp: SetUp = (await import(module))[name]
// The first ones bring code, keys and connections into memory.
const first = 1000
const tokens = openTokens("RS256", 21_000)
const { verify } = await setUp(tokens)
await verifyFrom(0, first)
const before = bytesInUse()
await verifyFrom(first, tokens.count)
answerParent((bytesInUse() - before) / (tokens.count - first), () => null)

async function verifyFrom(start: number, end: number): Promise<void> {
  for (let index = start; index < end; index++) await verify(tokens.authorization(index))
}

function bytesInUse(): number {
  for (let time = 0; time < 3; time++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
