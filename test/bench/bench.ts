/**
 * `npm run bench`: what verification costs, side by side with what else there is, printed and written into docs/performance.md,
 * with the targets in TARGETS.md beside this file.
 * Takes less than ten minutes, and a minute more the first time, when it mints its tokens.
 *
 *     npm run bench -- --check             ends with 1 when a target is missed
 *     npm run bench -- --nodes 22,24,26    on each of these Node versions; the tables are those of the Node that runs this
 *     npm run bench -- --no-write          leaves that page alone
 *     npm run bench -- --brief             too few rounds to believe, for whoever works on the benchmark; implies --no-write
 *     npm run bench -- --accounts          registration and login on a real Keycloak instead
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { installNode, installPeers } from "./install.ts"
import { type Measurements, measureAll } from "./measure-all.ts"
import { writePageSection } from "./page-section.ts"
import { report, targetsReport } from "./report.ts"
import { targetsOf } from "./targets.ts"

const { values: wanted } = parseArgs({
  options: {
    accounts: { type: "boolean" },
    brief: { type: "boolean" },
    check: { type: "boolean" },
    "no-write": { type: "boolean" },
    nodes: { type: "string" },
    // For the run on each Node: where its measurements go.
    into: { type: "string" },
  },
})

if (wanted.accounts) await import("./accounts.ts")
else if (wanted.into !== undefined) await measureInto(wanted.into)
else await measureAndReport()

async function measureInto(file: string): Promise<void> {
  const measurements = await measureAll(wanted.brief ? "brief" : "whole", line =>
    console.log(`${process.version}  ${line}`),
  )
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(measurements))
}

async function measureAndReport(): Promise<void> {
  installPeers()
  const ownMajor = process.versions.node.split(".")[0] as string
  const majors = wanted.nodes?.split(",") ?? [ownMajor]
  const runs = majors.map(major => measureOn(major === ownMajor ? process.execPath : installNode(major), major))
  const shown = runs.find(({ node }) => node === process.versions.node) ?? runs[0]
  if (shown === undefined) throw new Error("--nodes names no Node version")
  const command = `npm run bench${wanted.nodes === undefined ? "" : ` -- --nodes ${wanted.nodes}`}`
  const [text, targets] = [report(shown, command), targetsReport(runs, command)]
  console.log(`\n${text}\n${targets}`)
  if (!wanted["no-write"] && !wanted.brief) {
    writePageSection(text)
    writeFileSync(join(import.meta.dirname, "TARGETS.md"), `${targets.trim()}\n`)
  }
  if (wanted.check && !runs.flatMap(targetsOf).every(({ met }) => met)) process.exitCode = 1
}

/** In a process of that Node, so that all of its children are of it too. */
function measureOn(program: string, major: string): Measurements {
  const file = join(import.meta.dirname, `../../.cache/bench-${major}.json`)
  const arguments_ = [
    "--disable-warning=ExperimentalWarning",
    import.meta.filename,
    "--into",
    file,
    ...(wanted.brief ? ["--brief"] : []),
  ]
  execFileSync(program, arguments_, { stdio: "inherit" })
  return JSON.parse(readFileSync(file, "utf8"))
}
