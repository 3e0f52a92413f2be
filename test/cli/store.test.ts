import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCommand } from "../../src/cli/cli.js"

const root = join(import.meta.dirname, "../..")
// Below the repository, so that the packages are found.
const folder = join(root, ".cache/printed-stores")
const example = (file: string) => readFileSync(join(root, "examples", file), "utf8")

async function run(...args: string[]): Promise<{ code: number; printed: string; errors: string }> {
  let [printed, errors] = ["", ""]
  const code = await runCommand(["store", ...args], {
    env: {},
    print: text => {
      printed += `${text}\n`
    },
    printError: text => {
      errors += `${text}\n`
    },
    paint: (_, text) => text,
  })
  return { code, printed, errors }
}

const stores = [
  ["postgres", "stores/postgres.ts", "stores/postgres.sql"],
  ["postgres-unique", "stores/postgres-unique.ts", "stores/postgres-unique.sql"],
  ["kysely", "stores/kysely.ts", "stores/postgres.sql"],
  ["drizzle", "stores/drizzle.ts", "stores/postgres.sql"],
  ["mariadb", "stores/mariadb.ts", "stores/mariadb.sql"],
  ["sqlite", "stores/sqlite.ts", null],
  ["prisma", "prisma/store.ts", "prisma/schema.prisma"],
] as const

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("keycloak-gate store", () => {
  it.each(stores)(
    "%s prints the file that the contract is run with, its table, and what it needs",
    async (name, file, table) => {
      const { code, printed, errors } = await run(name)
      expect([code, errors]).toEqual([0, ""])
      const [, ...lines] = example(file).split('./row.ts"\n')
      expect(printed).toContain(lines.length > 0 ? lines.join("") : example(file).trimEnd())
      if (table !== null) expect(printed).toContain(example(table))
      expect(printed).not.toContain("./row.ts")
    },
  )

  it("prints files that compile as they stand", { timeout: 120_000 }, async () => {
    // What Prisma generates is not here; its live test compiles the same file.
    for (const [name] of stores.filter(([name]) => name !== "prisma")) {
      writeFileSync(join(folder, `${name}.ts`), (await run(name)).printed)
    }
    const config = {
      extends: "../../tsconfig.json",
      compilerOptions: { isolatedDeclarations: false },
      include: ["*.ts"],
    }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
    const compiled = await promisify(execFile)("npx", ["tsc", "-p", folder], { cwd: root }).catch(error => error)
    expect(compiled.stdout).toBe("")
  })

  it("prints a store that works with the table beside it", async () => {
    writeFileSync(join(folder, "works.ts"), (await run("sqlite")).printed)
    const { createSqliteStore, sqliteTable } = await import(join(folder, "works.ts"))
    const database = new DatabaseSync(":memory:")
    database.exec(sqliteTable)
    const store = createSqliteStore(database)
    const identity = { issuer: "https://sso.example.test/realms/shop", subject: "1" }
    const names = { username: "ada", email: null, emailVerified: false, firstName: null, lastName: null }
    await store.saveUser({ ...identity, ...names, asOf: new Date(0) })
    expect(await store.findUser(identity)).toMatchObject({ subject: "1", username: "ada" })
    database.close()
  })

  it("names the stores that there are for any other argument", async () => {
    for (const args of [[], ["mysql"], ["toString"], ["postgres", "sqlite"]]) {
      const { code, printed, errors } = await run(...args)
      expect([code, printed]).toEqual([2, ""])
      expect(errors).toContain("postgres-unique")
    }
  })
})
