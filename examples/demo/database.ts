import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { UserStore } from "keycloak-gate"
import pg from "pg"
import { createPostgresStore } from "../stores/postgres.ts"
import type { Row } from "../stores/row.ts"
import { createSqliteStore, sqliteTable, toRow } from "../stores/sqlite.ts"

export interface DemoDatabase {
  readonly name: string
  readonly userStore: UserStore<Row>
  /** What another process needs to see the same rows. */
  readonly env: Readonly<Record<string, string>>
  /** Every row, not only those that the library would find. */
  rows(): Promise<readonly Row[]>
  /** Leaves nothing behind. */
  remove(): Promise<void>
}

/** A table of its own in PostgreSQL, at `PG_URL`; where there is none, in SQLite. */
export async function openPostgres(): Promise<DemoDatabase> {
  const url = new URL(process.env.PG_URL ?? "postgres://postgres@127.0.0.1:5432/test")
  const place = `${url.host}${url.pathname}`
  const schema = `gate_demo_${process.pid}`
  url.searchParams.set("options", `-c search_path=${schema}`)
  const pool = new pg.Pool({ connectionString: url.href, connectionTimeoutMillis: 3000, statement_timeout: 5000 })
  pool.on("error", error => console.error(`PostgreSQL closed a connection: ${error.message}`))
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
  } catch (error) {
    await pool.end()
    const { code, message } = error as { code?: string; message: string }
    return openSqlite(`, for there is no PostgreSQL at ${place}: ${code ?? message}`)
  }
  await pool.query(readFileSync(new URL("../stores/postgres.sql", import.meta.url), "utf8"))
  return {
    name: `PostgreSQL at ${place}, schema ${schema}`,
    userStore: createPostgresStore(pool),
    env: { PG_URL: url.href },
    rows: async () => (await pool.query<Row>("SELECT * FROM app_user ORDER BY id")).rows,
    async remove() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

/** A table in a file of its own, which needs nothing but Node. */
export function openSqlite(why = ""): DemoDatabase {
  const folder = mkdtempSync(join(tmpdir(), "gate-demo-"))
  const file = join(folder, "demo.sqlite")
  const database = new DatabaseSync(file, { timeout: 5000 })
  database.exec(sqliteTable)
  return {
    name: `SQLite in a temporary file${why}`,
    userStore: createSqliteStore(database),
    env: { PG_URL: "", MARIADB_URL: "", SQLITE_FILE: file },
    rows: async () => database.prepare("SELECT * FROM app_user ORDER BY id").all().map(toRow),
    async remove() {
      database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
