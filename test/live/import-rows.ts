/** Imports the rows without subject whose username begins so, says what becomes of each, and ends; or is killed before. */
import { writeSync } from "node:fs"
import { createGate, importUsers } from "keycloak-gate"
import pg from "pg"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import { oldRows } from "../support/old-rows.ts"

const [prefix = ""] = process.argv.slice(2)
const { CONNECTION = "", PG_URL = "" } = process.env
const pool = new pg.Pool({ connectionString: PG_URL })
const gate = createGate({ ...JSON.parse(CONNECTION), userStore: createPostgresStore(pool) })

for await (const { key, outcome, code } of importUsers(gate, oldRows(pool, prefix))) {
  // Written at once: what is said has happened, even when the kill comes next.
  writeSync(1, `${JSON.stringify({ key, outcome, code })}\n`)
}
await gate.close()
await pool.end()
