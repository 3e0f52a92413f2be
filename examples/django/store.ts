import type { UserProfile, UserStore } from "keycloak-gate"
import type { Pool } from "pg"

/** A row of Django's `auth_user`, without its password; null where Django keeps an empty text, or a name that is parked. */
export interface DjangoUser {
  readonly id: number
  readonly issuer: string
  readonly subject: string
  readonly username: string | null
  readonly email: string | null
  readonly email_verified: boolean
  readonly first_name: string | null
  readonly last_name: string | null
  readonly as_of: Date
  readonly is_active: boolean
  readonly is_staff: boolean
  readonly is_superuser: boolean
  readonly date_joined: Date
  readonly last_login: Date | null
}

/** Django's own table as a user store, for `pg`, once `keycloak.sql` has been there. */
export function createDjangoStore(pool: Pick<Pool, "query">): UserStore<DjangoUser> {
  async function rows(from: string, values: readonly unknown[]): Promise<readonly DjangoUser[]> {
    return (await pool.query<DjangoUser>(`SELECT ${columns} FROM ${from}`, [...values])).rows
  }
  return {
    async findUser({ issuer, subject }) {
      const [row] = await rows("auth_user WHERE issuer = $1 AND subject = $2", [issuer, subject])
      return row ?? null
    },

    async saveUser(profile) {
      const [row] = await rows("save_auth_user(json_populate_record(NULL::auth_user, $1))", [told(profile)])
      if (row === undefined) throw new Error("PostgreSQL returned no row for a save")
      return row
    },

    async removeUser({ issuer, subject }) {
      await pool.query("SELECT remove_auth_user($1, $2)", [issuer, subject])
    },

    async listSubjects({ issuer, after, limit }) {
      const range = "auth_user WHERE issuer = $1 AND subject > $2 ORDER BY subject LIMIT $3"
      return (await rows(range, [issuer, after ?? "", limit])).map(({ subject }) => subject)
    },

    async findUnlinked(profile, { by }) {
      const found = await pool.query<DjangoUser>(unlinked[by], [profile[by]])
      return found.rows.map(({ id }) => id)
    },

    async linkUser(key, profile) {
      const from = "link_auth_user($1, json_populate_record(NULL::auth_user, $2)) WHERE id IS NOT NULL"
      const [row] = await rows(from, [key, told(profile)])
      return row ?? null
    },
  }
}

function told({ issuer, subject, asOf, username, email, emailVerified, firstName, lastName }: UserProfile): string {
  const names = { told_username: username, email, first_name: firstName, last_name: lastName }
  return JSON.stringify({ issuer, subject, as_of: asOf, ...names, email_verified: emailVerified })
}

const columns = `
  id, issuer, subject, CASE WHEN username = told_username THEN username END AS username, NULLIF(email, '') AS email,
  email_verified, NULLIF(first_name, '') AS first_name, NULLIF(last_name, '') AS last_name, as_of,
  is_active, is_staff, is_superuser, date_joined, last_login`

const unlinked = {
  username: "SELECT id FROM auth_user WHERE subject IS NULL AND lower(username) = lower($1)",
  email: "SELECT id FROM auth_user WHERE subject IS NULL AND lower(email) = lower($1)",
}
