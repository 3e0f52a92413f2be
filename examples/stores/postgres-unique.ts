import type { UserProfile, UserStore } from "keycloak-gate"
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
      const { plan = null } = (extra ?? {}) as SignUp
      const { rows } = await pool.query<UniqueRow>(save, [JSON.stringify({ ...rowOf(profile), plan })])
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

    async findUnlinked(profile, { by }) {
      const { rows } = await pool.query<UniqueRow>(unlinked[by], [profile[by]])
      return rows.map(({ id }) => id)
    },

    async linkUser(key, profile) {
      const { rows } = await pool.query<UniqueRow>(link, [key, JSON.stringify(rowOf(profile))])
      return rows[0] ?? null
    },
  }
}

function rowOf(profile: UserProfile): Partial<UniqueRow> {
  const { issuer, subject, username, email, emailVerified, firstName, lastName, custom = {}, asOf } = profile
  const { customAsOf = asOf } = profile
  const names = { told_username: username, told_email: email, first_name: firstName, last_name: lastName }
  return { issuer, subject, ...names, email_verified: emailVerified, custom, custom_as_of: customAsOf, as_of: asOf }
}

const save = "SELECT * FROM save_app_user(json_populate_record(NULL::app_user, $1))"
const link = "SELECT * FROM link_app_user($1, json_populate_record(NULL::app_user, $2)) WHERE id IS NOT NULL"
const unlinked = {
  username: "SELECT id FROM app_user WHERE subject IS NULL AND lower(username) = lower($1)",
  email: "SELECT id FROM app_user WHERE subject IS NULL AND lower(email) = lower($1)",
}
const list = "SELECT subject FROM app_user WHERE issuer = $1 AND subject > $2 ORDER BY subject LIMIT $3"
