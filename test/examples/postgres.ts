import { readFile } from "node:fs/promises"
import pg, { type Pool } from "pg"

export interface TestSchema {
  readonly pool: pg.Pool
  /** For another process: its search path is the schema. */
  readonly url: string
  drop(): Promise<void>
}

/** One of the examples' tables in a schema of its own, on the real server. */
export async function createTestSchema(table = "postgres.sql"): Promise<TestSchema> {
  const url = new URL(process.env.PG_URL ?? "postgres://postgres@127.0.0.1:5432/test")
  const schema = `gate_examples_${process.pid}_${Date.now()}`
  const { host, pathname } = url
  url.searchParams.set("options", `-c search_path=${schema}`)
  const pool = new pg.Pool({ connectionString: url.href, connectionTimeoutMillis: 5000 })
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
  } catch (error) {
    throw new Error(
      `NO POSTGRESQL at ${host}${pathname} (${(error as Error).message}): these tests run against a real one. Start it` +
        " there, or set PG_URL to another database, for example postgres://user@host:5432/test.",
    )
  }
  await pool.query(await readFile(new URL(`../../examples/stores/${table}`, import.meta.url), "utf8"))
  return {
    pool,
    url: url.href,
    async drop() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

/** A row from before Keycloak, in the table of the examples; its key. */
export async function addUnowned(pool: Pool, names: { username: string; email: string }): Promise<string> {
  const insert = "INSERT INTO app_user (username, email) VALUES ($1, $2) RETURNING id"
  const { rows } = await pool.query<{ id: string }>(insert, [names.username, names.email])
  return rows[0]?.id ?? ""
}
