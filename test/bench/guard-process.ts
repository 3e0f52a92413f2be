/** Two applications of one framework in one process, without a guard and with one, so that all the rest is the same. */
import { createServer } from "node:http"
import { cpuTime } from "./cpu-time.ts"
import type { GuardScenario } from "./guard.ts"
import type { MakeApplication } from "./guards/guard.ts"
import { listen } from "./listen.ts"
import { answerParent, argumentOf } from "./own-process.ts"
import { openTokens } from "./token-set.ts"

const { framework, module, makes } = argumentOf<GuardScenario>()
const tokens = openTokens("RS256", 1)
const ports = [await serve(`./guards/${framework}.ts`, "open"), await serve(module, makes)]

answerParent(ports, question => {
  if (question === "collect garbage") globalThis.gc?.()
  return cpuTime()
})

async function serve(from: string, name: string): Promise<number> {
  const make: MakeApplication = (await import(from))[name]
  return (await listen(createServer(await make(tokens)))).port
}
