import { floodCount } from "./flood.ts"
import { frameworks } from "./guard.ts"
import { gateGuard, gateWithRememberedRow, gateWithRow, rowAlone } from "./guards/all.ts"
import type { Measurements } from "./measure-all.ts"
import type { Algorithm } from "./token-set.ts"
import {
  type Column,
  gateAtFirstSight,
  gateHit,
  gateWithoutCache,
  headerAlone,
  raw,
  rawInThreadPool,
} from "./verification.ts"

/** Something that this library wants to be true, and what one run says about it. */
export interface Target {
  readonly what: string
  readonly measured: string
  readonly met: boolean
}

/** The same ones in the same order for every run. */
export function targetsOf(measurements: Measurements): Target[] {
  const { cold, hits, guards, rows, memory, imports, floods } = measurements
  const bytes = memory.find(({ name }) => name === "keycloak-gate")?.bytesPerToken ?? Number.NaN
  const importMs = imports.find(({ name }) => name === "keycloak-gate")?.ms.median ?? Number.NaN
  const flood = floods.find(({ name }) => name === "keycloak-gate")
  // Ten seconds each, by default.
  const coolDowns = Math.floor((flood?.allSeconds ?? 0) / 10) + 1
  const behind = columnsBehind(measurements)
  return [
    ...[gateWithoutCache, gateAtFirstSight].flatMap(name => [
      coldRatio(cold, name, "RS256", 0.5),
      coldRatio(cold, name, "ES256", 0.2),
    ]),
    ...hits.map((column, index) => {
      const ratio = resultIn(column, gateHit)?.ratio.median ?? Number.NaN
      return atMost(`hit ${column.title} ÷ ${raw}`, ratio, [0.08, 0.14][index] ?? 0, 3)
    }),
    ...guards
      .filter(({ name }) => name === gateGuard)
      .map(({ framework, added }) => atMost(`µs added by the guard on a hit, ${framework}`, added.median, 1, 2)),
    atMost(
      "µs added by the guard with the row, beyond the row alone",
      addedBy(rows, gateWithRow) - addedBy(rows, rowAlone),
      6,
      2,
    ),
    atMost("µs added by the guard with a remembered row", addedBy(rows, gateWithRememberedRow), 4, 2),
    atMost("bytes per remembered token", bytes, 3000, 0),
    atMost("ms to import the package", importMs, 30, 1),
    atMost(
      `key fetches per cool-down in a flood of ${floodCount} random key ids`,
      (flood?.fetches ?? Number.NaN) / coolDowns,
      5,
      0,
    ),
    atMost(
      "seconds until a key is honoured that was rotated in the middle of that flood",
      flood?.honouredAfterSeconds ?? Number.POSITIVE_INFINITY,
      1,
      1,
    ),
    ...cold
      .filter(({ inFlight }) => inFlight === 64)
      .map(column => {
        const lead = leadIn(column, gateWithoutCache)
        return { what: `best peer ÷ keycloak-gate, ${column.title} ≥ 2`, measured: lead.toFixed(2), met: lead >= 2 }
      }),
    {
      what: "ahead of every peer in every column",
      measured: behind.length === 0 ? "yes" : `not in: ${behind.join("; ")}`,
      met: behind.length === 0,
    },
  ]
}

function addedBy(rows: Measurements["rows"], wanted: string): number {
  return rows.find(({ name }) => name === wanted)?.added.median ?? Number.NaN
}

function coldRatio(cold: readonly Column[], name: string, alg: Algorithm, limit: number): Target {
  const column = cold.find(one => one.alg === alg && one.inFlight === 64)
  const ratio = (column && resultIn(column, name)?.ratio.median) ?? Number.NaN
  return atMost(`${name}, ${alg}, 64 in flight ÷ ${raw}`, ratio, limit, 2)
}

function atMost(what: string, value: number, limit: number, digits: number): Target {
  return { what: `${what} ≤ ${limit}`, measured: value.toFixed(digits), met: value <= limit }
}

function resultIn({ results }: Column, wanted: string) {
  return results.find(({ name }) => name === wanted)
}

/** How many times as much of the main thread the best peer takes. */
function leadIn(column: Column, our: string): number {
  const ours = resultIn(column, our)?.main.median ?? Number.NaN
  const peers = column.results.filter(
    ({ name }) => ![raw, rawInThreadPool, headerAlone].includes(name) && !name.startsWith("keycloak-gate"),
  )
  return Math.min(...peers.map(({ main }) => main.median)) / ours
}

/** Compared are like with like: tokens that nobody remembers, tokens that were verified before. */
function columnsBehind({ cold, hits, guards }: Measurements): string[] {
  const columns = [
    ...cold.map(column => ({ title: column.title, isAhead: leadIn(column, gateWithoutCache) > 1 })),
    ...hits.map(column => ({ title: column.title, isAhead: leadIn(column, gateHit) > 1 })),
    ...frameworks.map(framework => {
      const ones = guards.filter(one => one.framework === framework)
      const ours = ones.find(({ name }) => name === gateGuard)?.added.median ?? Number.NaN
      const peers = ones.filter(({ name }) => !name.startsWith(gateGuard))
      return { title: `guard on ${framework}`, isAhead: peers.every(({ added }) => ours < added.median) }
    }),
  ]
  return columns.filter(({ isAhead }) => !isAhead).map(({ title }) => title)
}
