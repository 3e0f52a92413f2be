import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Pool } from "pg"
import { afterAll, beforeAll, describe } from "vitest"
import type { UserStore } from "../../src/index.js"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"
import { blocksOf, pages, root } from "../docs/pages.ts"
import { createTestSchema, type TestSchema } from "./postgres.ts"

const folder = join(root, ".cache/readme-store")
const blocks = pages()
  .filter(({ path }) => path === "README.md")
  .flatMap(blocksOf)

function blockOf(language: string, holds: string): string {
  const block = blocks.find(one => one.language === language && one.code.includes(holds))
  if (block === undefined) throw new Error(`The README has no ${language} block with ${holds}`)
  return block.code
}

describe("the README's user store on the README's table, both as pasted", () => {
  let schema: TestSchema
  let store: UserStore<unknown>

  beforeAll(async () => {
    schema = await createTestSchema()
    await schema.pool.query("DROP TABLE app_user")
    await schema.pool.query(blockOf("sql", "CREATE TABLE"))
    mkdirSync(folder, { recursive: true })
    const file = join(folder, "store.ts")
    writeFileSync(file, blockOf("ts", "UserStore<Row>"))
    const pasted: { readonly userStore: (pool: Pool) => UserStore<unknown> } = await import(file)
    store = pasted.userStore(schema.pool)
  })
  afterAll(async () => {
    await schema.drop()
    rmSync(folder, { recursive: true })
  })

  // Its table has no column for what `extra` brings.
  itKeepsTheStoreContract(() => store, { extra: null })
})
