import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { parseEnv, promisify } from "node:util"
import { afterAll, describe, expect, inject, it } from "vitest"
import { adminFetch, shopRealm } from "./realms.ts"

const root = join(import.meta.dirname, "../..")
const readme = readFileSync(join(root, "README.md"), "utf8")
const blocksOf = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, code = ""]) => code)
const programs = blocksOf("ts")
const folder = join(root, ".cache/readme")

function write(files: Record<string, string>): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
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

describe("the README", () => {
  it("starts with a program of at most 20 lines that does what the lines below it show", {
    timeout: 180_000,
  }, async () => {
    const [first = ""] = programs
    expect(first.trimEnd().split("\n").length).toBeLessThanOrEqual(20)
    const port = await freePort()
    const { url, adminUsername, adminPassword } = inject("keycloak")
    const [, importRealm = ""] = /^node (examples\/\S+) http:\/\/localhost:8080$/m.exec(readme) ?? []
    const admin = { KEYCLOAK_ADMIN: adminUsername, KEYCLOAK_ADMIN_PASSWORD: adminPassword }
    const options = { cwd: root, env: { ...process.env, ...admin } }
    const { stdout } = await promisify(execFile)(process.execPath, [importRealm, url], options)
    const { KEYCLOAK_CLIENT_SECRET } = parseEnv(stdout)
    const program = first
      .replace('"http://localhost:8080"', JSON.stringify(url))
      .replace("app.listen(3000)", `app.listen(${port}, "127.0.0.1")`)
    expect(program).not.toContain("localhost:8080")
    write({ "first.ts": program })
    const child = spawn(process.execPath, [join(folder, "first.ts")], {
      cwd: root,
      env: { ...process.env, KEYCLOAK_CLIENT_SECRET },
    })
    children.push(child)
    let output = ""
    child.stderr.on("data", chunk => {
      output += chunk
    })

    const base = `http://127.0.0.1:${port}`
    await expect
      .poll(
        () =>
          fetch(base).then(
            () => true,
            () => output,
          ),
        { timeout: 60_000 },
      )
      .toBe(true)
    const [lines = ""] = blocksOf("console")
    const calls = lines.split(/^\$ curl -si? /m).slice(1)
    expect(calls).toHaveLength(3)
    for (const call of calls) {
      const [command = "", ...expected] = call.trimEnd().split("\n")
      const [, path = "", body] = /^localhost:3000(\S+)(?: --json '(.*)')?$/.exec(command) ?? []
      const request =
        body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body }
      let answer = await fetch(`${base}${path}`, request)
      // On a busy machine Keycloak needs longer than the program's default limit.
      while (answer.status === 503) answer = await fetch(`${base}${path}`, request)
      const shown = JSON.parse(expected.at(-1)?.replace(/"[^"]*…"/g, '"…"') ?? "{}")
      const given = (await answer.json()) as Record<string, unknown>
      expect(Object.keys(given).sort()).toEqual(Object.keys(shown).sort())
      for (const [name, value] of Object.entries(shown)) {
        if (value !== "…" && name !== "scope") expect(given[name]).toBe(value) // Keycloak sends scopes in no fixed order
      }
      if (expected.length > 1) {
        expect(`HTTP/1.1 ${answer.status} ${answer.statusText}`).toBe(expected[0])
        expect(`WWW-Authenticate: ${answer.headers.get("www-authenticate")}`).toBe(expected[1])
      }
    }
  })

  it("shows no secret of the realm file", () => {
    expect(readme).not.toContain(shopRealm().secret)
  })
})
