/**
 * Brings tokens of this realm's issuer with random key ids, 64 at a time; when half of them are answered, the realm rotates
 * its key, and a token that it signs with the new one joins in.
 */
import { randomBytes } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import type { SetUp } from "./contestants/contestant.ts"
import type { FloodAnswer, FloodArgument } from "./flood.ts"
import { answerParent, argumentOf } from "./own-process.ts"
import { openTokens } from "./token-set.ts"

const { module, setUp: name, count, maxSeconds } = argumentOf<FloodArgument>()
const setUp: SetUp = (await import(module))[name]
const tokens = openTokens("RS256", 1)
const { alg, rotated, serverUrl } = tokens
const good = tokens.authorization(0)
const { verify } = await setUp(tokens)
await verify(good)
answerParent("ready", flood)

async function flood(): Promise<FloodAnswer> {
  const startedAt = performance.now()
  let left = count
  let answered = 0
  let honoured: Promise<number | null> | null = null
  async function worker(): Promise<void> {
    while (left-- > 0) {
      if (await accepts(forged())) throw new Error("accepts a token with an unknown key id")
      answered += 1
      if (answered >= count / 2) honoured ??= secondsUntilRotatedIsHonoured()
    }
  }
  const all = Promise.all(Array.from({ length: 64 }, worker))
  await Promise.race([all, delay(maxSeconds * 1000)])
  const seconds = (performance.now() - startedAt) / 1000
  const honouredAfterSeconds = await honoured
  return { answered, seconds, honouredAfterSeconds, allSeconds: (performance.now() - startedAt) / 1000 }
}

async function secondsUntilRotatedIsHonoured(): Promise<number | null> {
  await (await fetch(`${serverUrl}/rotate`, { method: "POST" })).arrayBuffer()
  const startedAt = performance.now()
  const elapsed = () => (performance.now() - startedAt) / 1000
  while (elapsed() < maxSeconds) {
    if (await Promise.race([accepts(rotated), delay(1000, false)])) return elapsed()
    await delay(50)
  }
  return null
}

async function accepts(header: string): Promise<boolean> {
  try {
    return (await verify(header)) !== false
  } catch {
    return false
  }
}

function forged(): string {
  const header = { alg, typ: "JWT", kid: randomBytes(32).toString("base64url") }
  return `Bearer ${Buffer.from(JSON.stringify(header)).toString("base64url")}${good.slice(good.indexOf("."))}`
}
