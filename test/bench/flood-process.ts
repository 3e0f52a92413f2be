/** Brings tokens of this realm's issuer with random key ids, 64 at a time, for as long as it takes, but not for ever. */
import { randomBytes } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import type { SetUp } from "./contestants/contestant.ts"
import type { FloodArgument } from "./flood.ts"
import { answerParent, argumentOf } from "./own-process.ts"
import { openTokens } from "./token-set.ts"

const { module, setUp: name, count, maxSeconds } = argumentOf<FloodArgument>()
const setUp: SetUp = (await import(module))[name]
const tokens = openTokens("RS256", 1)
const good = tokens.authorization(0)
const { verify } = await setUp(tokens)
await verify(good)
answerParent("ready", async () => {
  const startedAt = performance.now()
  let left = count
  let answered = 0
  async function worker(): Promise<void> {
    while (left-- > 0) {
      const accepted = await Promise.resolve(forged())
        .then(verify)
        .catch(() => false)
      if (accepted !== false) throw new Error("accepts a token with an unknown key id")
      answered += 1
    }
  }
  await Promise.race([Promise.all(Array.from({ length: 64 }, worker)), delay(maxSeconds * 1000, null, { ref: false })])
  return { answered, seconds: (performance.now() - startedAt) / 1000 }
})

function forged(): string {
  const header = { alg: tokens.alg, typ: "JWT", kid: randomBytes(32).toString("base64url") }
  return `Bearer ${Buffer.from(JSON.stringify(header)).toString("base64url")}${good.slice(good.indexOf("."))}`
}
