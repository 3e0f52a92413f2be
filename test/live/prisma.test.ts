import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"
import { installPrisma } from "../examples/installed-example.ts"
import { addUnowned, createTestSchema, type TestSchema } from "../examples/postgres.ts"
import { type OpenedStore, storeKinds } from "../examples/store-kinds.ts"
import { saveInTwoProcesses } from "../examples/two-processes.ts"
import { runCommand } from "./keycloak/run-command.ts"

let folder: string
let schema: TestSchema
let store: OpenedStore
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  folder = await installPrisma()
  schema = await createTestSchema()
  env = { PG_URL: schema.url, PRISMA_FOLDER: folder }
  store = await storeKinds.prisma(env)
}, 400_000)
afterAll(async () => {
  await store?.close()
  await schema?.drop()
})

describe("the Prisma store, on the real PostgreSQL", () => {
  itKeepsTheStoreContract(() => store.userStore, { unownedRow: (_, names) => addUnowned(schema.pool, names) })

  it("makes one row of 50 first requests at once over two processes", async () => {
    const issuer = "https://sso.example/realms/first"
    const ids = await saveInTwoProcesses("prisma", issuer, env)
    const { rows } = await schema.pool.query<{ id: string }>("SELECT id FROM app_user WHERE issuer = $1", [issuer])
    expect(rows).toHaveLength(1)
    expect(ids).toEqual(Array(50).fill(rows[0]?.id))
  })

  it("compiles", { timeout: 310_000 }, async () => {
    const compilerOptions = { isolatedDeclarations: false, declaration: false }
    const config = { extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"], exclude: [] }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
    expect(await runCommand("npx", ["tsc", "-p", folder], 300)).toMatchObject({ code: 0 })
  })
})
