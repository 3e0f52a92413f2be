/**
 * One of several processes that a person's first requests reach: `node first-requests.ts <table> <count>`, with the
 * gate's options in `GATE`, the database in `PG_URL` and the header in `AUTHORIZATION`. Waits for a message, sends the ids
 * of the rows.
 */
import { once } from "node:events"
import { createGate, type UserStore } from "keycloak-gate"
import pg from "pg"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import { createUniquePostgresStore } from "../../examples/stores/postgres-unique.ts"
import type { TestClient } from "./realms.ts"

const [table, count] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString: process.env.PG_URL })
const createStore = table === "postgres.sql" ? createPostgresStore : createUniquePostgresStore
const userStore: UserStore<{ readonly id: string }> = createStore(pool)
const client: TestClient = JSON.parse(process.env.GATE ?? "{}")
const gate = createGate({ ...client, userStore, timeoutMs: 30_000 })

process.send?.("ready")
await once(process, "message")
const requests = Array.from({ length: Number(count) }, () => gate.verifyBearer(process.env.AUTHORIZATION, {}))
process.send?.((await Promise.all(requests)).map(({ user }) => user?.id))
gate.close()
await pool.end()
process.disconnect()
