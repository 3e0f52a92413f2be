import { readFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import type { UserStore } from "keycloak-gate"
import pg from "pg"
import { createPostgresStore } from "./postgres.ts"
import type { Row } from "./row.ts"
import { createSqliteStore, sqliteTable } from "./sqlite.ts"

export interface OpenStore {
  readonly name: string
  readonly userStore: UserStore<Row>
  close(): Promise<void>
}

/** The table that the environment names: in PostgreSQL at `PG_URL`, else in `SQLITE_FILE`, else in memory. */
export async function openStore({ PG_URL, SQLITE_FILE }: NodeJS.ProcessEnv): Promise<OpenStore> {
  return PG_URL ? openPostgres(PG_URL) : openSqlite(SQLITE_FILE || ":memory:")
}

async function openPostgres(connectionString: string): Promise<OpenStore> {
  const pool = new pg.Pool({ connectionString })
  // Without a listener, a connection that the server closes would end this process; the pool opens another one.
  pool.on("error", error => console.error(`PostgreSQL closed a connection: ${error.message}`))
  await pool.query(readFileSync(new URL("postgres.sql", import.meta.url), "utf8"))
  return { name: "PostgreSQL", userStore: createPostgresStore(pool), close: () => pool.end() }
}

function openSqlite(file: string): OpenStore {
  // Several processes may write one file: each waits for the other.
  const database = new DatabaseSync(file, { timeout: 5000 })
  database.exec(sqliteTable)
  const name = file === ":memory:" ? "this process's memory" : file
  return { name, userStore: createSqliteStore(database), close: async () => database.close() }
}
