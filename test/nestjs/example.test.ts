import { execFile } from "node:child_process"
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import { ownEnvironment } from "../runtimes/run-times.ts"
import { openShop } from "../support/shop.ts"
import { openNest } from "./nest.ts"

const root = join(import.meta.dirname, "../..")
const example = join(root, "examples/nestjs/app.module.ts")

const spec = `
  import "reflect-metadata"
  import { Test } from "@nestjs/testing"
  import { AppModule } from "./app.module"
  declare const it: any, expect: any

  it("greets, guards and lets in", async () => {
    const app = (await Test.createTestingModule({ imports: [AppModule] }).compile()).createNestApplication()
    await app.listen(0, "127.0.0.1")
    const url = await app.getUrl()
    const ask = async (path: string, token?: string) => {
      const answer = await fetch(url + path, token === undefined ? {} : { headers: { authorization: "Bearer " + token } })
      return [answer.status, ((await answer.json()) as { error?: string }).error ?? "fine"]
    }
    const { TOKEN, EDITOR } = process.env
    expect(await ask("/")).toEqual([200, "fine"])
    expect(await ask("/me")).toEqual([401, "credentials_missing"])
    expect(await ask("/me", TOKEN)).toEqual([200, "fine"])
    expect(await ask("/editor", TOKEN)).toEqual([403, "insufficient_scope"])
    expect(await ask("/editor", EDITOR)).toEqual([200, "fine"])
    await app.close()
  })
`
const compilerOptions = {
  target: "ES2023",
  esModuleInterop: true,
  experimentalDecorators: true,
  skipLibCheck: true,
  strict: true,
  types: ["node"],
}

/** What `nest new` of each version sets up. */
const runners = {
  11: {
    type: "commonjs",
    files: {
      "jest.config.json": {
        testRegex: ".e2e-spec.ts$",
        transform: { "^.+\\.(t|j)s$": "ts-jest" },
        testEnvironment: "node",
      },
      "tsconfig.json": {
        compilerOptions: {
          ...compilerOptions,
          module: "nodenext",
          moduleResolution: "nodenext",
          emitDecoratorMetadata: true,
        },
      },
    },
    command: [join(root, "node_modules/jest/bin/jest.js"), "--runInBand"],
  },
  12: {
    type: "module",
    files: {
      "vitest.config.mjs": `export default { test: { globals: true, include: ["**/*.e2e-spec.ts"] } }`,
      "tsconfig.json": { compilerOptions: { ...compilerOptions, module: "nodenext", moduleResolution: "nodenext" } },
    },
    command: [join(root, "node_modules/vitest/vitest.mjs"), "run"],
  },
} as const

it.each([11, 12] as const)(
  "the example runs on NestJS %i, in the test runner that `nest new` sets up",
  async version => {
    const [{ folder }, realm] = [await openNest(version), await openShop()]
    const { type, files, command } = runners[version]
    copyFileSync(example, join(folder, "app.module.ts"))
    writeFileSync(join(folder, "app.e2e-spec.ts"), spec)
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type }))
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content))
    }
    const { serverUrl, realm: name, clientId, clientSecret } = realm.gateOptions
    const env = {
      ...ownEnvironment(),
      KEYCLOAK_URL: serverUrl,
      KEYCLOAK_REALM: name,
      KEYCLOAK_CLIENT_ID: clientId,
      KEYCLOAK_CLIENT_SECRET: clientSecret,
      TOKEN: await realm.issueToken("ada"),
      EDITOR: await realm.issueToken("ada", { resource_access: { "shop-api": { roles: ["editor"] } } }),
    }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...command], { cwd: folder, env }).catch(
      error => error,
    )
    expect(`${stdout}${stderr}`).toMatch(/1 passed/)
  },
)

it("has at most six lines of its own for this library", () => {
  const own = readFileSync(example, "utf8")
    .split("\n")
    .filter(line => /keycloak-gate|\bgate\b/.test(line))
  expect(own.length).toBeLessThanOrEqual(6)
})
