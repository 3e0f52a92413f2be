import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { startTestRealm, type TestRealm } from "../../src/testing/index.js"
import { blocksOf, pages, root } from "./pages.ts"

// Below the repository, so that `keycloak-gate` is this repository's own build.
const folder = join(root, ".cache/docs")
const blocks = pages()
  .flatMap(blocksOf)
  .filter(({ language }) => language === "ts")
const named = blocks.map((block, index) => ({ ...block, name: `block-${index + 1}` }))
const declares = (code: string) => code.includes("declare global")

let realm: TestRealm
beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const { name, code } of named) writeFileSync(join(folder, `${name}.ts`), code)
})
beforeEach(async () => {
  realm = await startTestRealm()
})
afterEach(() => realm.stop())
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The types of one program's row must not reach the others: each that declares one is compiled alone. */
function projects(): readonly (readonly string[])[] {
  const plain = named.filter(({ code }) => !declares(code)).map(({ name }) => name)
  return [plain, ...named.filter(({ code }) => declares(code)).map(({ name }) => [name])]
}

describe("the programs of the documentation", () => {
  it("compile", { timeout: 180_000 }, async () => {
    for (const [index, names] of projects().entries()) {
      const config = {
        extends: "../../tsconfig.json",
        compilerOptions: { isolatedDeclarations: false, declaration: false },
        include: names.map(name => `${name}.ts`),
      }
      const file = join(folder, `tsconfig.${index}.json`)
      writeFileSync(file, JSON.stringify(config))
      const { stdout } = await promisify(execFile)("npx", ["tsc", "-p", file], { cwd: root }).catch(error => error)
      const places = named.reduce((text, { name, place }) => text.replaceAll(`${name}.ts`, place), String(stdout))
      expect(places).toBe("")
    }
  })

  it.each(named)("$place runs, to its end or until it listens", async ({ name, code }) => {
    if (!code.includes("registerUser(")) realm.addUser({ username: "ada", password: "Ada-2026!" })
    const child = spawn(process.execPath, [join(folder, `${name}.ts`)], { cwd: root, env: environment() })
    let output = ""
    child.stderr.on("data", chunk => {
      output += chunk
    })
    const ended = once(child, "close").then(([code]) => code)
    const listening = code.includes(".listen(") ? delay(2000, "listens") : new Promise(() => undefined)
    const outcome = await Promise.race([ended, listening])
    child.kill()
    await ended
    expect(output).toBe("")
    expect(outcome === "listens" ? 0 : outcome).toBe(0)
  })
})

/** What `optionsFromEnv` reads, of the test realm. */
function environment(): NodeJS.ProcessEnv {
  const { serverUrl, realm: name, clientId, clientSecret } = realm.gateOptions
  return {
    ...process.env,
    KEYCLOAK_URL: serverUrl,
    KEYCLOAK_REALM: name,
    KEYCLOAK_CLIENT_ID: clientId,
    KEYCLOAK_CLIENT_SECRET: clientSecret,
  }
}
