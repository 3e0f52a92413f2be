import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keycloak-gate-peers-"))
})
afterAll(() => rm(folder, { recursive: true }))

/** What npm finds wrong with the frameworks of an application, as it does when it installs them. */
async function conflicts(frameworks: Readonly<Record<string, string>>): Promise<string> {
  const application = join(folder, Object.values(frameworks).join("-"))
  const names = ["keycloak-gate", ...Object.keys(frameworks)]
  // Copied: npm asks nothing of a linked package.
  await mkdir(join(application, "node_modules/keycloak-gate"), { recursive: true })
  await cp(join(root, "package.json"), join(application, "node_modules/keycloak-gate/package.json"))
  for (const [name, from] of Object.entries(frameworks)) {
    await symlink(join(root, "node_modules", from), join(application, "node_modules", name))
  }
  const dependencies = Object.fromEntries(names.map(name => [name, "*"]))
  await writeFile(join(application, "package.json"), JSON.stringify({ private: true, dependencies }))
  return new Promise(resolve => {
    const command = ["ls", ...names, "--json"]
    execFile("npm", command, { cwd: application }, (_, stdout) => {
      const problems: readonly string[] = JSON.parse(stdout).problems ?? []
      resolve(problems.filter(problem => problem.startsWith("invalid: ")).join("\n"))
    })
  })
}

it.each([
  { express: "express", koa: "koa" },
  { express: "express4", koa: "koa2" },
])("npm takes $express and $koa beside the package", async frameworks => {
  expect(await conflicts(frameworks)).toBe("")
})
