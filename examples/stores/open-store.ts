import { readFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import type { UserStore } from "keycloak-gate"
import { createMariaDbPool, createMariaDbStore } from "./mariadb.ts"
import { createPostgresPool, createPostgresStore } from "./postgres.ts"
import type { Row } from "./row.ts"
import { createSqliteStore, sqliteTable } from "./sqlite.ts"

export interface OpenStore {
  readonly name: string
  readonly userStore: UserStore<Row>
  close(): Promise<void>
}

/** The table that the environment names: at `PG_URL`, else at `MARIADB_URL`, else in `SQLITE_FILE`, else in memory. */
export async function openStore({ PG_URL, MARIADB_URL, SQLITE_FILE }: NodeJS.ProcessEnv): Promise<OpenStore> {
  if (PG_URL) return openPostgres(PG_URL)
  return MARIADB_URL ? openMariaDb(MARIADB_URL) : openSqlite(SQLITE_FILE || ":memory:")
}

async function openPostgres(connectionString: string): Promise<OpenStore> {
  const pool = createPostgresPool(connectionString)
  await pool.query(tableIn("postgres.sql"))
  return { name: "PostgreSQL", userStore: createPostgresStore(pool), close: () => pool.end() }
}

async function openMariaDb(url: string): Promise<OpenStore> {
  const pool = createMariaDbPool(url)
  await pool.query(tableIn("mariadb.sql"))
  return { name: "MariaDB", userStore: createMariaDbStore(pool), close: () => pool.end() }
}

function openSqlite(file: string): OpenStore {
  // Several processes may write one file: each waits for the other.
  const database = new DatabaseSync(file, { timeout: 5000 })
  database.exec(sqliteTable)
  const name = file === ":memory:" ? "this process's memory" : file
  return { name, userStore: createSqliteStore(database), close: async () => database.close() }
}

function tableIn(file: string): string {
  return readFileSync(new URL(file, import.meta.url), "utf8")
}
