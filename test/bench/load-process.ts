/** Sends requests with tokens to whatever port it is told, away from the process that answers them. */
import { batchesOf, load, type Order, requestWith } from "./load.ts"
import { answerParent, argumentOf } from "./own-process.ts"
import { openTokens } from "./token-set.ts"

const { tokenCount } = argumentOf<{ tokenCount: number }>()
const { authorization } = openTokens("RS256", tokenCount)
const batches = batchesOf(Array.from({ length: tokenCount }, (_, index) => requestWith(authorization(index))))

answerParent("ready", async question => {
  const { port, count } = question as Order
  await load(port, batches, count)
  return "done"
})
