/** One contestant, alone in its process, so that nobody's garbage or compiled code is another's: takes its turn when told to. */
import type { Contestant, SetUp } from "./contestants/contestant.ts"
import { cpuTime } from "./cpu-time.ts"
import { answerParent, argumentOf } from "./own-process.ts"
import { prove } from "./prove.ts"
import type { Scenario, Turn } from "./rounds.ts"
import { shuffled } from "./shuffle.ts"
import { openTokens } from "./token-set.ts"

const { module, setUp: name, alg, tokenCount, inFlight, meets, turnMs } = argumentOf<Scenario>()
const setUp: SetUp = (await import(module))[name]
const tokens = openTokens(alg, tokenCount)
const order = shuffled(tokenCount)
let position = 0
let contestant = await setUp(tokens)
await prove(contestant, tokens)
const perTurn = await warmUp()

answerParent("ready", async () => {
  if (meets === "new tokens") await startAnew()
  return turn(perTurn)
})

/** Ends with the number of tokens that fill a turn. */
async function warmUp(): Promise<number> {
  // Known tokens have all been met before anything is measured.
  let count = meets === "known tokens" ? tokenCount : 500
  let { wall } = await turn(count)
  const deadline = performance.now() + 3 * turnMs
  do {
    if (meets === "new tokens") await startAnew()
    count = Math.ceil((turnMs * 1000) / wall)
    if (meets === "new tokens") count = Math.min(count, tokenCount - 1)
    wall = (await turn(count)).wall
  } while (performance.now() < deadline)
  return count
}

/** Forgets all tokens, but not the keys. */
async function startAnew(): Promise<void> {
  contestant = await setUp(tokens)
  position = 0
  await contestant.verify(tokens.authorization(order[tokenCount - 1] as number))
}

/** Times are microseconds per token. */
async function turn(count: number): Promise<Turn> {
  globalThis.gc?.()
  const [wallBefore, before] = [performance.now(), cpuTime()]
  await verifyMany(contestant, count)
  const [after, wallAfter] = [cpuTime(), performance.now()]
  return {
    main: (after.main - before.main) / count,
    all: (after.all - before.all) / count,
    wall: ((wallAfter - wallBefore) * 1000) / count,
  }
}

async function verifyMany({ verify, verifyAt }: Contestant, count: number): Promise<void> {
  const verifyNumber = verifyAt ?? (index => verify(tokens.authorization(index)))
  let left = count
  async function worker(): Promise<void> {
    while (left-- > 0) {
      const answer = verifyNumber(order[position++ % tokenCount] as number)
      if (answer instanceof Promise) await answer
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}
