import { availableParallelism, cpus } from "node:os"
import { createTestSchema } from "../examples/postgres.ts"
import { type FloodResult, measureFlood } from "./flood.ts"
import { type GuardResult, measureGuards } from "./guard.ts"
import { guards, rows } from "./guards/all.ts"
import { type ImportResult, measureImports } from "./import-time.ts"
import { mintTokens } from "./mint-tokens.ts"
import { startOwnProcess } from "./own-process.ts"
import type { Bounds } from "./rounds.ts"
import { serveRealm } from "./served-realm.ts"
import { type Column, measureCold, measureHits } from "./verification.ts"

/** All that one run on one Node has measured. */
export interface Measurements {
  readonly node: string
  readonly machine: string
  readonly date: string
  readonly cold: readonly Column[]
  readonly hits: readonly Column[]
  readonly guards: readonly GuardResult[]
  readonly rows: readonly GuardResult[]
  readonly memory: readonly MemoryResult[]
  readonly imports: readonly ImportResult[]
  readonly floods: readonly FloodResult[]
}

export interface MemoryResult {
  readonly name: string
  readonly bytesPerToken: number
}

/** How long the parts take, apart from starting and warming up; brief: to see that all of it runs, not how fast. */
const bounds = {
  whole: {
    turnMs: 250,
    cold: { rounds: 11, seconds: 25 },
    hits: { rounds: 15, seconds: 20 },
    guards: { rounds: 40, seconds: 110 },
    rows: { rounds: 40, seconds: 60 },
    imports: 11,
  },
  brief: {
    turnMs: 50,
    cold: { rounds: 3, seconds: 1 },
    hits: { rounds: 3, seconds: 1 },
    guards: { rounds: 3, seconds: 1 },
    rows: { rounds: 3, seconds: 1 },
    imports: 3,
  },
} as const

const ours = "./contestants/keycloak-gate.ts"
const rememberers = [
  { name: "keycloak-gate", module: ours, setUp: "withCache" },
  { name: "fast-jwt", module: "./peers/fast-jwt.ts", setUp: "withCache" },
]
const flooded = [
  { name: "keycloak-gate", module: ours, setUp: "withCache" },
  { name: "jose", module: "./contestants/jose.ts", setUp: "remote" },
  { name: "express-oauth2-jwt-bearer", module: "./peers/express-oauth2-jwt-bearer.ts", setUp: "bare" },
  { name: "express-jwt", module: "./peers/express-jwt.ts", setUp: "bare" },
  { name: "keycloak-connect", module: "./peers/keycloak-connect.ts", setUp: "bare" },
]

export async function measureAll(length: keyof typeof bounds, log: (line: string) => void): Promise<Measurements> {
  const { turnMs, ...within } = bounds[length]
  await mintTokens(log)
  const served = await serveRealm()
  try {
    log("Tokens that nobody remembers")
    const cold = await measureCold(within.cold, turnMs, { quick: false })
    log("Tokens that were verified before")
    const hits = await measureHits(within.hits, turnMs, { quick: false })
    log("Guards over HTTP")
    const overHttp = await measureGuards(guards, within.guards)
    log("Rows of a user table over HTTP")
    const withRows = await measureRows(within.rows)
    log("Memory, import, a flood of key ids that don't exist")
    const memory = []
    for (const one of rememberers) memory.push(await measureMemory(one))
    const imports = measureImports(within.imports)
    const floods = []
    for (const one of flooded) floods.push(await measureFlood(one, served))
    const [processor] = cpus()
    return {
      node: process.versions.node,
      machine: `${availableParallelism()} cores of ${processor?.model.trim() ?? "an unknown processor"}`,
      date: new Date().toISOString().slice(0, 10),
      cold,
      hits,
      guards: overHttp,
      rows: withRows,
      memory,
      imports,
      floods,
    }
  } finally {
    await served.close()
  }
}

async function measureRows(bounds: Bounds): Promise<GuardResult[]> {
  const schema = await createTestSchema()
  process.env.BENCH_PG_URL = schema.url
  try {
    return await measureGuards(rows, bounds)
  } finally {
    await schema.drop()
  }
}

async function measureMemory(contestant: { name: string; module: string; setUp: string }): Promise<MemoryResult> {
  const child = await startOwnProcess("memory-process.ts", contestant)
  child.stop()
  return { name: contestant.name, bytesPerToken: child.said as number }
}
