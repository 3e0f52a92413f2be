import { readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openShop } from "../support/shop.ts"
import { compilers } from "./compilers.ts"
import { installPacked } from "./packed.ts"
import { runTimes } from "./run-times.ts"

let folder: string
let realm: Awaited<ReturnType<typeof openShop>>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keycloak-gate-run-times-"))
  await installPacked(folder)
  realm = await openShop()
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

describe("the packed package", () => {
  it.concurrent.for(runTimes)(
    "registers, logs in, verifies and refuses on $name, as $modules",
    { timeout: 120_000 },
    async ({ name, modules, run }) => run(join(folder, `${name}-${modules}`.replace(/\W+/g, "-")), realm.gateOptions),
  )
})

describe("the page on compatibility", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/compatibility.md"), "utf8")
  const rows = [...page.matchAll(/^\| (.+) \|$/gm)].map(([, cells = ""]) => cells.split(" | "))
  const works = rows.filter(cells => cells[3] === "works")

  it("says of every run-time and compiler that it works, and of nothing else", () => {
    const ran = works.map(([name, , modules]) => `${name}: ${modules}`)
    const compiled = works.map(([version, modules, resolution]) => `${version}: ${modules}, ${resolution}`)
    expect(ran).toEqual(expect.arrayContaining(runTimes.map(({ name, modules }) => `${name}: ${modules}`)))
    expect(compiled).toEqual(
      expect.arrayContaining(compilers.map(one => `${one.version}: ${one.modules}, \`${one.resolution}\``)),
    )
    const otherNodes = 4
    expect(works).toHaveLength(runTimes.length + otherNodes + compilers.length)
    expect(rows.filter(cells => !works.includes(cells)).map(([first]) => first)).toEqual([
      "run-time",
      "---",
      "TypeScript",
      "---",
    ])
  })
})
