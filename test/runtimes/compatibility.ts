/** `npm run compatibility`: runs the packed package everywhere, on older and newer versions too, and writes the table. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startTestRealm } from "keycloak-gate/testing"
import { installNode } from "../bench/install.ts"
import { compilers, type Program } from "./compilers.ts"
import { installPacked } from "./packed.ts"
import { onNode, type RunTime, runTimes, versionOf } from "./run-times.ts"

const page = join(import.meta.dirname, "../../docs/compatibility.md")
const folder = await mkdtemp(join(tmpdir(), "keycloak-gate-compatibility-"))
const realm = await startTestRealm()
let failures = 0
try {
  await installPacked(folder)
  const others = ["22", "26"].flatMap(major => onNode(installNode(major)))
  const rows = [...runTimes.slice(0, 2), ...others, ...runTimes.slice(2)]
  const ran: string[][] = []
  for (const [index, one] of rows.entries()) {
    ran.push([one.name, await versionOf(one.version), one.modules, await outcome(`run-${index}`, one)])
  }
  const compiled: string[][] = []
  for (const program of compilers) {
    compiled.push([program.version, program.modules, `\`${program.resolution}\``, await outcome(program.name, program)])
  }
  const runs = table(["run-time", "version", "modules", "outcome"], ran)
  await write(`${runs}\n\n${table(["TypeScript", "modules", "resolution", "outcome"], compiled)}`)
} finally {
  await realm.stop()
  await rm(folder, { recursive: true })
}
process.exitCode = failures > 0 ? 1 : 0

async function outcome(name: string, { run }: Pick<RunTime | Program, "run">): Promise<string> {
  try {
    await run(join(folder, name), realm.gateOptions)
    console.log(`${name} works`)
    return "works"
  } catch (error) {
    failures += 1
    console.error(`${name}: ${error}`)
    return "fails"
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map(cells => `| ${cells.join(" | ")} |`).join("\n")
}

async function write(text: string): Promise<void> {
  const before = await readFile(page, "utf8")
  const [begin, end] = [before.indexOf("\n", before.indexOf("<!-- made by")) + 1, before.indexOf("<!-- end -->")]
  await writeFile(page, `${before.slice(0, begin)}\n${text}\n${before.slice(end)}`)
}
