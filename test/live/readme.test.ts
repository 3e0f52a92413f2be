import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, describe, expect, inject, it } from "vitest"
import { adminFetch, shopRealm } from "./realms.ts"

const root = join(import.meta.dirname, "../..")
const readme = readFileSync(join(root, "README.md"), "utf8")
const blocksOf = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, code = ""]) => code)

/** Outside of the repository, so that nothing of it is found by accident. */
const folder = mkdtempSync(join(tmpdir(), "keycloak-gate-newcomer-"))

async function run(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)("sh", ["-c", command], { cwd: folder, env: { ...process.env, ...env } })
  return stdout
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

const children: ChildProcess[] = []
afterAll(async () => {
  for (const child of children) child.kill()
  await adminFetch("DELETE", "/realms/shop")
  rmSync(folder, { recursive: true, force: true })
})

/** What a newcomer types, and nothing else. */
async function walkThrough(port: number, took: (step: string) => void): Promise<void> {
  const [commands = ""] = blocksOf("sh")
  const [install = "", init = ""] = commands.trimEnd().split("\n")
  const { url, adminUsername, adminPassword } = inject("keycloak")
  await adminFetch("DELETE", "/realms/shop")
  const tarball = (await run(`npm pack --ignore-scripts --silent --pack-destination . ${root}`)).trim()
  took("npm pack")
  await run(install.replace("keycloak-gate", `./${tarball}`), {
    npm_config_prefer_offline: "true",
    npm_config_audit: "false",
  })
  took("npm install")
  // What it asks for is in the environment; nobody is here to say yes.
  await run(init.replace(" init", " init --yes"), {
    KEYCLOAK_URL: url,
    KEYCLOAK_REALM: "shop",
    KEYCLOAK_CLIENT_ID: "shop-api",
    KEYCLOAK_ADMIN: adminUsername,
    KEYCLOAK_ADMIN_PASSWORD: adminPassword,
  })
  took("npx keycloak-gate init")
  const [program = ""] = blocksOf("ts")
  writeFileSync(join(folder, "app.js"), program.replace("3000", String(port)))
  const [, start = ""] = /Begin it with `node ([^`]+)`/.exec(readme) ?? []
  const child = spawn(process.execPath, start.split(" "), { cwd: folder })
  children.push(child)
  let output = ""
  child.stderr.on("data", chunk => {
    output += chunk
  })
  const answers = () =>
    fetch(`http://localhost:${port}`).then(
      () => "listens",
      () => output,
    )
  await expect.poll(answers).toBe("listens")
  took("node app.js")
}

describe("the README", () => {
  it("leads from an empty folder and an empty Keycloak to a guarded route, as its lines show", {
    timeout: 300_000,
  }, async () => {
    const times: string[] = []
    let last = performance.now()
    const took = (step: string) => {
      times.push(`${step} ${((performance.now() - last) / 1000).toFixed(1)} s`)
      last = performance.now()
    }
    const begun = last
    const port = await freePort()
    await walkThrough(port, took)

    const [lines = ""] = blocksOf("console")
    const calls = lines.split(/^\$ /m).slice(1)
    expect(calls.map(call => /^curl .*?localhost:3000\S+/.exec(call)?.[0])).toHaveLength(4)
    let token = ""
    for (const call of calls) {
      const [command = "", ...expected] = call.trimEnd().split("\n")
      const said = await run(
        command.replace("localhost:3000", `localhost:${port}`).replace("Bearer …", `Bearer ${token}`),
      )
      for (const header of expected.slice(0, -1)) expect(said.toLowerCase()).toContain(`${header.toLowerCase()}\r\n`)
      const given = JSON.parse(said.split("\r\n").at(-1) ?? "")
      const shown = JSON.parse(expected.at(-1)?.replace(/"[^"]*…"/g, '"…"') ?? "{}")
      expect(Object.keys(given).sort()).toEqual(Object.keys(shown).sort())
      for (const [name, value] of Object.entries(shown)) {
        if (value !== "…" && name !== "scope") expect(given[name]).toEqual(value) // Keycloak sends scopes in no fixed order
      }
      token = given.access_token ?? token
    }
    took("four times curl")
    console.log(`The newcomer: ${((last - begun) / 1000).toFixed(1)} s (${times.join(", ")})`)
    expect(token.split(".")).toHaveLength(3)
  })

  it("begins with the program that init prints, of at most 20 lines", () => {
    const [, ...lines] = readFileSync(join(root, "examples/first-program.ts"), "utf8").split("\n")
    expect(blocksOf("ts")[0]).toBe(lines.join("\n"))
    expect(lines.length).toBeLessThanOrEqual(20)
  })

  it("shows no secret of the realm file", () => {
    expect(readme).not.toContain(shopRealm().secret)
  })
})
