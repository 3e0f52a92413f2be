import type { UserStore } from "keycloak-gate"
import type { Pool } from "pg"
import type { Row, SignUp } from "./row.ts"

/** A row of `postgres-unique.sql`: `username` and `email` are null while another row holds them. */
export interface UniqueRow extends Row {
  readonly told_username: string | null
  readonly told_email: string | null
}

/** The table of `postgres-unique.sql` as a user store, for `pg`: what may collide is settled in the database. */
export function createUniquePostgresStore(pool: Pick<Pool, "query">): UserStore<UniqueRow> {
  return {
    async findUser({ issuer, subject }) {
      const { rows } = await pool.query<UniqueRow>("SELECT * FROM app_user WHERE issuer = $1 AND subject = $2", [
        issuer,
        subject,
      ])
      return rows[0] ?? null
    },

    async saveUser(profile, extra) {
      const { issuer, subject, username, email, emailVerified, firstName, lastName, asOf } = profile
      const { plan = null } = (extra ?? {}) as SignUp
      const names = { told_username: username, told_email: email, first_name: firstName, last_name: lastName }
      const row = { issuer, subject, ...names, email_verified: emailVerified, as_of: asOf, plan }
      const { rows } = await pool.query<UniqueRow>(save, [JSON.stringify(row)])
      const [saved] = rows
      if (saved === undefined) throw new Error("PostgreSQL returned no row for a save")
      return saved
    },

    async removeUser({ issuer, subject }) {
      await pool.query("SELECT remove_app_user($1, $2)", [issuer, subject])
    },

    async listSubjects({ issuer, after, limit }) {
      const { rows } = await pool.query<UniqueRow>(list, [issuer, after ?? "", limit])
      return rows.map(({ subject }) => subject)
    },
  }
}

const save = "SELECT * FROM save_app_user(json_populate_record(NULL::app_user, $1))"
const list = "SELECT subject FROM app_user WHERE issuer = $1 AND subject > $2 ORDER BY subject LIMIT $3"
