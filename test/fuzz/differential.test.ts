import { expect, it } from "vitest"
import { compareWithJose } from "./differential.ts"
import { stricterRules } from "./stricter-rules.ts"

const cases = 20_000
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))

it(`${cases} changed tokens get jose's verdict or break a named stricter rule`, { timeout: 900_000 }, async () => {
  console.log(`FUZZ_SEED=${seed}`)
  const { accepted, signedMutants, byRule, ...outcome } = await compareWithJose(cases, seed)
  expect(outcome.cases).toBe(cases)
  expect(signedMutants).toBeGreaterThan(cases / 10)
  expect(accepted).toBeGreaterThan(cases / 50)
  // A rule that never decided anything would prove nothing.
  expect(stricterRules.map(({ name }) => name).filter(name => !byRule.has(name))).toEqual([])
})
