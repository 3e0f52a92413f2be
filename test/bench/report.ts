import { columnsTable } from "./columns-table.ts"
import { type FloodResult, floodCount, maxSeconds } from "./flood.ts"
import { frameworks } from "./guard.ts"
import type { Measurements } from "./measure-all.ts"
import type { Spread } from "./median.ts"
import { formatTable } from "./table.ts"
import { targetsOf } from "./targets.ts"
import { raw } from "./verification.ts"

/** In Markdown: the tables of one run. */
export function report(run: Measurements, command: string): string {
  return `Measured on ${run.date} by \`${command}\`: Node ${run.node}, ${run.machine}, everything on one machine.

- Microseconds are processor time of the main thread. That decides how many requests one Node process serves.
- They are medians of rounds. Everybody takes turns, each in a process of its own. The lowest and the highest round stand in brackets.
- Tokens have Keycloak's shape (1.3 kB with RS256). Each comes as a new string, as from a request.
- Who is measured holds the keys, and checks signature, algorithm, issuer, audience and expiry.
- Before that, each has to refuse tokens in which one of them is wrong.
- The base is ${raw}, with everything about the token prepared.

**A token that nobody remembers.** Node's thread pool checks our signatures. That takes work off the main thread when several requests are under way. The second row is what that alone takes, and nobody who uses it can take less. An RSA signature that comes alone is cheaper to check at once. We do so, but for one in 64.

${columnsTable(run.cold, run.cold[0])}
**A token that was verified before:**

${columnsTable(run.hits)}
**A guard over HTTP,** what it adds to a request: RS256, tokens that were seen before, eight requests at once on each of eight connections. Half of the rounds were between the figures in brackets.

${guardTable(run)}
**The application's own row on each request:** Express 5, PostgreSQL on the same machine. The last one asks the database once for each person.

${rowTable(run)}
**And the rest.** A key id that the realm does not publish makes a verifier look at the keys again. In a flood of such tokens it must not do so for each. Yet it must honour the key that the realm rotates to in the middle of it. The last column says after how long it does.

${otherTable(run)}`
}

/** In Markdown: how the targets fared on each Node. */
export function targetsReport(runs: readonly Measurements[], command: string): string {
  return `# Targets

What this library wants to be true of its speed, and what the last run of \`${command}\` says. That run was on ${runs[0]?.date}, on ${runs[0]?.machine}.

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
      return result === undefined
        ? "–"
        : `${result.added.median.toFixed(1)} (${result.added.quartiles.map(one => one.toFixed(1)).join("–")})`
    }),
  ])
  return formatTable(
    ["µs of the main thread that it adds", ...frameworks.map(framework => titles[framework])],
    [["(the server without it)", ...withoutGuard], ...rows],
  )
}

function rowTable({ rows }: Measurements): string {
  const withoutRow = Math.min(...rows.map(({ withoutGuard }) => withoutGuard.median))
  const lines = rows.map(({ name, added }) => [
    name,
    `${added.median.toFixed(1)} (${added.quartiles.map(one => one.toFixed(1)).join("–")})`,
  ])
  return formatTable(
    ["µs of the main thread that it adds", "Express 5"],
    [["(the server without it)", withoutRow.toFixed(1)], ...lines],
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
      flood === undefined ? "–" : rotationCell(flood),
    ]
  })
  return formatTable(
    [
      "",
      "bytes per remembered token",
      "import, ms",
      `key fetches for ${floodCount} random key ids`,
      "key rotated meanwhile",
    ],
    rows,
  )
}

function floodCell({ fetches, answered, allSeconds }: FloodResult): string {
  const unanswered = answered === floodCount ? "" : `, ${floodCount - answered} unanswered`
  return `${fetches} in ${allSeconds.toFixed(1)} s${unanswered}`
}

function rotationCell({ honouredAfterSeconds: seconds }: FloodResult): string {
  return seconds === null ? `not within ${maxSeconds} s` : `${seconds.toFixed(1)} s`
}

function targetTable(runs: readonly Measurements[]): string {
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
