import { columnsTable } from "./columns-table.ts"
import { type FloodResult, floodCount } from "./flood.ts"
import { frameworks } from "./guard.ts"
import type { Measurements } from "./measure-all.ts"
import type { Spread } from "./median.ts"
import { formatTable } from "./table.ts"
import { targetsOf } from "./targets.ts"

/** What runs on one or more Node versions have shown, in Markdown: the tables are those of the first. */
export function report(runs: readonly [Measurements, ...Measurements[]], command: string): string {
  const [run] = runs
  return `Measured on ${run.date} with \`${command}\`: Node ${run.node}, ${run.machine}, everything on one machine. RS256, ES256 and EdDSA tokens of a Keycloak's shape (1.4 kB with RS256), keys in memory, each token a new string. Every contestant runs alone in its process and checks signature, issuer, audience, expiry and algorithm; that it refuses tokens in which one of them is wrong is tried first. Figures are medians of rounds in which all take turns, in microseconds of processor time of the main thread: what decides how many requests one Node process serves. The base is one synchronous \`crypto.verify\` with all about the token prepared.

**A token that nobody remembers.** Node's thread pool checks the signature, which takes work off the main thread when several requests are under way; one at a time it does not pay.

${columnsTable(run.cold)}
**A token that was verified before**, whose claims are checked again all the same:

${columnsTable(run.hits)}
**A guard over HTTP:** what it adds per request, all tokens seen before, 64 connections.

${guardTable(run)}
**Besides:**

${otherTable(run)}
**Targets:**

${targetTable(runs)}`
}

const titles = { express: "Express 5", fastify: "Fastify 5", koa: "Koa 3" }

function guardTable({ guards }: Measurements): string {
  const withoutGuard = frameworks.map(framework => {
    const ones = guards.filter(guard => guard.framework === framework).map(guard => guard.withoutGuard.median)
    return Math.min(...ones).toFixed(1)
  })
  const names = [...new Set(guards.map(({ name }) => name))]
  const rows = names.map(name => [
    name,
    ...frameworks.map(framework => {
      const result = guards.find(guard => guard.name === name && guard.framework === framework)
      return result === undefined ? "–" : `+${spread(result.added, 1)}`
    }),
  ])
  return formatTable(
    ["µs of the main thread per request", ...frameworks.map(framework => titles[framework])],
    [["without a guard", ...withoutGuard], ...rows],
  )
}

function otherTable({ memory, imports, floods }: Measurements): string {
  const names = [...new Set([...imports, ...memory, ...floods].map(({ name }) => name))]
  const rows = names.map(name => {
    const bytes = memory.find(one => one.name === name)?.bytesPerToken
    const ms = imports.find(one => one.name === name)?.ms
    const flood = floods.find(one => one.name === name)
    return [
      name,
      bytes === undefined ? "–" : bytes.toFixed(0),
      ms === undefined ? "–" : spread(ms, 0),
      flood === undefined ? "–" : floodCell(flood),
    ]
  })
  return formatTable(
    ["", "bytes per remembered token", "import, ms", `key fetches for ${floodCount} random key ids`],
    rows,
  )
}

function floodCell({ fetches, answered, seconds }: FloodResult): string {
  const unanswered = answered === floodCount ? "" : `, ${floodCount - answered} unanswered`
  return `${fetches} in ${seconds.toFixed(1)} s${unanswered}`
}

export function targetTable(runs: readonly Measurements[]): string {
  const targets = runs.map(targetsOf)
  const rows = (targets[0] ?? []).map(({ what }, index) => [
    what,
    ...targets.map(ones => `${ones[index]?.measured} ${ones[index]?.met ? "met" : "**missed**"}`),
  ])
  return formatTable(["target", ...runs.map(({ node }) => `Node ${node}`)], rows)
}

function spread({ median, lowest, highest }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`
}
