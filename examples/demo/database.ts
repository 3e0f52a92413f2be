import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { UserStore } from "keycloak-gate"
import pg from "pg"
import { createPostgresStore } from "../stores/postgres.ts"
import type { Row } from "../stores/row.ts"
import { createSqliteStore } from "../stores/sqlite.ts"

export interface Database {
  readonly name: string
  readonly store: UserStore<Row>
  /** Where a second process finds the same rows, or null where it can't. */
  readonly url: string | null
  rowsOf(username: string): Promise<readonly Pick<Row, "id" | "username" | "plan">[]>
  close(): Promise<void>
}

/** PostgreSQL in a schema of its own, dropped at the end; where there is none, SQLite in memory. */
export async function openDatabase(): Promise<Database> {
  const url = new URL(process.env.PG_URL ?? "postgres://postgres@127.0.0.1:5432/test")
  const schema = `gate_demo_${process.pid}`
  url.searchParams.set("options", `-c search_path=${schema}`)
  const pool = new pg.Pool({ connectionString: url.href, connectionTimeoutMillis: 3000 })
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
  } catch (error) {
    await pool.end()
    return openSqlite((error as Error).message)
  }
  await pool.query(readFileSync(join(import.meta.dirname, "../stores/postgres.sql"), "utf8"))
  const { rows } = await pool.query<{ server_version: string }>("SHOW server_version")
  return {
    name: `PostgreSQL ${rows[0]?.server_version.split(" ")[0]} at ${url.host}`,
    store: createPostgresStore(pool),
    url: url.href,
    rowsOf: async username =>
      (await pool.query("SELECT id, username, plan FROM app_user WHERE username = $1", [username])).rows,
    async close() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

function openSqlite(why: string): Database {
  const database = new DatabaseSync(":memory:")
  return {
    name: `SQLite in memory (no PostgreSQL: ${why || "not reachable"})`,
    store: createSqliteStore(database),
    url: null,
    async rowsOf(username) {
      const rows = database.prepare("SELECT id, username, plan FROM app_user WHERE username = ?").all(username)
      return rows as unknown as Pick<Row, "id" | "username" | "plan">[]
    },
    async close() {
      database.close()
    },
  }
}
