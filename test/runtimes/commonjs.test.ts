import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { openShop } from "../support/shop.ts"

const dist = join(import.meta.dirname, "../../dist")
const files = readdirSync(dist).filter(file => file.endsWith(".cjs"))
const textOf = (file: string) => readFileSync(join(dist, file), "utf8")

describe("the CommonJS build", () => {
  it("has no import(), which Jest knows only with a flag", () => {
    expect(files.length).toBeGreaterThan(5)
    expect(files.filter(file => /\bimport\s*\(/.test(textOf(file)))).toEqual([])
  })

  it("requires Node's modules, its own files and packages that are CommonJS", () => {
    const required = files.flatMap(file =>
      [...textOf(file).matchAll(/\brequire\(['"]([^'"]+)['"]\)/g)].map(([, to]) => to),
    )
    const packages = new Set(required.filter(to => !/^(node:|\.\/)/.test(to ?? "")))
    expect([...packages].sort()).toEqual(["@nestjs/common", "@nestjs/core", "@opentelemetry/api", "fastify-plugin"])
  })

  it("has the licence of each package that it holds beside it", () => {
    const licenses = textOf("licenses.txt").split("\n---\n")
    const named = licenses.map(text => text.trim().split("\n")[0])
    expect(named).toEqual(["jose", "oauth4webapi", "openid-client", "quick-lru"])
    for (const text of licenses) expect(text).toMatch(/Copyright[\s\S]*Permission is hereby granted/)
  })

  it("loads with a program that only verifies no verb of accounts, and with a registration one", async () => {
    const realm = await openShop()
    const program = `
      const { createGate, memoryUserStore } = require(${JSON.stringify(join(dist, "index.cjs"))})
      const gate = createGate({ ...JSON.parse(process.env.GATE_OPTIONS), userStore: memoryUserStore() })
      const verbs = () => Object.keys(require.cache).flatMap(file => file.match(/[a-z-]*(account|register|password)[a-z-]*(?=-)/g) ?? [])
      async function main() {
        await gate.verifyBearer("Bearer " + process.env.TOKEN, {})
        const verifying = verbs()
        await gate.registerUser({ username: "ada" }).catch(() => undefined)
        console.log(JSON.stringify({ verifying, registering: verbs().sort() }))
        await gate.close()
      }
      main()
    `
    const GATE_OPTIONS = JSON.stringify(realm.gateOptions)
    const env = { ...process.env, GATE_OPTIONS, TOKEN: await realm.issueToken("ada") }
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { env })
    expect(JSON.parse(stdout)).toEqual({ verifying: [], registering: ["account-context", "register-user"] })
  })
})
