import { createGate, importUsers, optionsFromEnv, parseDjangoHash } from "keycloak-gate"
import pg from "pg"
import { createDjangoStore } from "./store.ts"

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const gate = createGate({ ...optionsFromEnv(process.env), userStore: createDjangoStore(pool) })

const { rows } = await pool.query("SELECT * FROM auth_user WHERE subject IS NULL ORDER BY id")
const people = rows.map(({ id, username, email, first_name, last_name, is_active, password }) => {
  const names = { key: id, username, email, firstName: first_name, lastName: last_name }
  return { ...names, enabled: is_active, password: parseDjangoHash(password) }
})
for await (const { key, outcome, code } of importUsers(gate, people)) console.log(key, outcome, code)

const { ADA = "ada", ADAS_OLD_PASSWORD = "" } = process.env
const { accessToken } = await gate.loginWithPassword({ username: ADA, password: ADAS_OLD_PASSWORD })
console.log(JSON.stringify((await gate.verifyBearer(`Bearer ${accessToken}`, {})).user))
await Promise.all([gate.close(), pool.end()])
