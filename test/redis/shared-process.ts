/** One process of an application: a gate that shares, and tokens that it verifies as often as it can. */
import { Redis } from "ioredis"
import { createClient } from "redis"
import { createGate, type Gate } from "../../src/index.js"
import { redisShared } from "../../src/redis/redis-shared.js"
import type { TestGateOptions } from "../../src/testing/index.js"

interface Start {
  readonly options: TestGateOptions
  readonly url: string
  readonly client: "ioredis" | "redis"
}

let gate: Gate<null>
const outcomeOf = (token: string): Promise<string> =>
  gate.verifyBearer(`Bearer ${token}`, {}).then(
    () => "passes",
    ({ reason, code }) => reason ?? code,
  )

const orders = {
  async start({ options, url, client }: Start): Promise<void> {
    const app = client === "redis" ? createClient({ url }) : new Redis(url)
    app.on("error", () => undefined)
    gate = createGate({ ...options, shared: redisShared(app), onEvent: () => undefined, timeoutMs: 60_000 })
  },
  state: async (): Promise<string | undefined> => gate.health().shared?.store,
  passing: async (tokens: readonly string[]): Promise<number> =>
    (await Promise.all(tokens.map(outcomeOf))).filter(outcome => outcome === "passes").length,
  /** When this token was refused first, in milliseconds since 1970. */
  async refusedAt(token: string): Promise<number> {
    while ((await outcomeOf(token)) !== "revoked") await new Promise(resolve => setTimeout(resolve, 1))
    return Date.now()
  },
  async revoke(session: string): Promise<number> {
    const at = Date.now()
    await gate.revoke({ session })
    return at
  },
  close: (): Promise<void> => gate.close(),
}

export type Orders = typeof orders

process.on("message", async ({ id, order, argument }: { id: number; order: keyof Orders; argument: never }) => {
  process.send?.({ id, result: await orders[order](argument) })
})
process.on("disconnect", () => process.exit())
