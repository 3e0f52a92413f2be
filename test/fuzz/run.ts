/** `npm run fuzz -- --cases 1000000 --seed 1`: the comparison with jose for as long as wanted. */
import { parseArgs } from "node:util"
import { compareWithJose } from "./differential.ts"

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
})
const [cases, firstSeed] = [Number(values.cases), Number(values.seed)]
const atOnce = 20_000
const total = { cases: 0, accepted: 0, signedMutants: 0 }
const byRule = new Map<string, number>()
console.log(`--cases ${cases} --seed ${firstSeed}`)

// In rounds, each with a seed and keys of its own, so that memory stays small and a failure is quick to repeat.
for (let round = 0; total.cases < cases; round++) {
  const seed = (firstSeed + round) % 2 ** 31
  const outcome = await compareWithJose(Math.min(atOnce, cases - total.cases), seed).catch((error: unknown) => {
    console.log(`Fails with --cases ${atOnce} --seed ${seed}`)
    throw error
  })
  total.cases += outcome.cases
  total.accepted += outcome.accepted
  total.signedMutants += outcome.signedMutants
  for (const [name, count] of outcome.byRule) byRule.set(name, (byRule.get(name) ?? 0) + count)
  if (process.stdout.isTTY) process.stdout.write(`\r${total.cases} cases`)
}

const share = (count: number) => `${((100 * count) / total.cases).toFixed(1)} %`
console.log(`\n${total.cases} cases, no difference from jose but by these rules:`)
for (const [name, count] of [...byRule].sort(([, a], [, b]) => b - a))
  console.log(`${String(count).padStart(8)}  ${name}`)
console.log(`${share(total.signedMutants)} were changed and rightly signed; ${share(total.accepted)} were accepted`)
if (total.signedMutants * 10 < total.cases) throw new Error("Too few of the changed tokens pass the signature step")
