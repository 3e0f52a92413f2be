import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { UserStore } from "../../src/index.js"

export interface OpenedStore {
  readonly userStore: UserStore<{ readonly id: unknown }>
  close(): Promise<void>
}

/** Every store of the examples, opened on the table that the environment names; its packages are imported only then. */
export const storeKinds = {
  pg: openFromEnvironment,
  mysql2: openFromEnvironment,
  "node:sqlite": openFromEnvironment,
  async kysely({ PG_URL }: NodeJS.ProcessEnv): Promise<OpenedStore> {
    const { Kysely, PostgresDialect } = await import("kysely")
    const { createKyselyStore } = await import("../../examples/stores/kysely.ts")
    const dialect = new PostgresDialect({ pool: await poolOf(PG_URL) })
    const db = new Kysely<import("../../examples/stores/kysely.ts").Database>({ dialect })
    return { userStore: createKyselyStore(db), close: () => db.destroy() }
  },
  async drizzle({ PG_URL }: NodeJS.ProcessEnv): Promise<OpenedStore> {
    const { drizzle } = await import("drizzle-orm/node-postgres")
    const { createDrizzleStore } = await import("../../examples/stores/drizzle.ts")
    const pool = await poolOf(PG_URL)
    return { userStore: createDrizzleStore(drizzle({ client: pool })), close: () => pool.end() }
  },
  /** In the folder that `installPrisma` makes. */
  async prisma({ PG_URL = "", PRISMA_FOLDER = "" }: NodeJS.ProcessEnv): Promise<OpenedStore> {
    const { openPrismaStore } = await import(pathToFileURL(join(PRISMA_FOLDER, "open-store.ts")).href)
    const [, schema] = new URL(PG_URL).searchParams.get("options")?.split("search_path=") ?? []
    return openPrismaStore(PG_URL, schema)
  },
} as const

export type StoreKind = keyof typeof storeKinds

async function openFromEnvironment(env: NodeJS.ProcessEnv): Promise<OpenedStore> {
  const { openStore } = await import("../../examples/stores/open-store.ts")
  return openStore(env)
}

async function poolOf(connectionString = "") {
  const { Pool } = (await import("pg")).default
  return new Pool({ connectionString })
}
