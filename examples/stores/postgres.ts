import type { UserProfile, UserStore } from "keycloak-gate"
import pg, { type Pool } from "pg"
import type { Row, SignUp } from "./row.ts"

/**
 * A pool for `createPostgresStore`. Its limits are far below the gate's `storeTimeoutMs` (30 s), so that the database says
 * what is wrong before the gate gives up. The last one is for a network that swallows everything.
 */
export function createPostgresPool(connectionString: string): Pool {
  const limits = { connectionTimeoutMillis: 5000, statement_timeout: 5000, query_timeout: 10_000 }
  const pool = new pg.Pool({ connectionString, ...limits })
  // Without a listener, a connection that the server closes would end this process; the pool opens another one.
  pool.on("error", error => console.error(`PostgreSQL closed a connection: ${error.message}`))
  return pool
}

/**
 * The table of `postgres.sql` as a user store, for `pg`.
 *
 * One statement inserts or updates, so any number of processes may save one person at once. It compares dates column by
 * column: with `DO UPDATE … WHERE`, a profile older than the row would update nothing and so return no row at all.
 */
export function createPostgresStore(pool: Pick<Pool, "query">): UserStore<Row> {
  return {
    async findUser({ issuer, subject }) {
      const { rows } = await pool.query<Row>("SELECT * FROM app_user WHERE issuer = $1 AND subject = $2", [
        issuer,
        subject,
      ])
      return rows[0] ?? null
    },

    async saveUser(profile, extra) {
      const { plan = null } = (extra ?? {}) as SignUp
      const { rows } = await pool.query<Row>(upsert, [...valuesOf(profile), plan])
      const [row] = rows
      if (row === undefined) throw new Error("PostgreSQL returned no row for an upsert")
      return row
    },

    async removeUser({ issuer, subject }) {
      await pool.query("DELETE FROM app_user WHERE issuer = $1 AND subject = $2", [issuer, subject])
    },

    // Only for syncUsers, to find rows whose account is gone.
    async listSubjects({ issuer, after, limit }) {
      const { rows } = await pool.query<Row>(list, [issuer, after ?? "", limit])
      return rows.map(({ subject }) => subject)
    },

    // Only for linkUsers.
    async findUnlinked(profile, { by }) {
      const { rows } = await pool.query<Row>(unlinked[by], [profile[by]])
      return rows.map(({ id }) => id)
    },

    // Only for importUsers, linkUsers and legacyLogin.
    async linkUser(key, profile) {
      try {
        const { rows } = await pool.query<Row>(link, [...valuesOf(profile), key])
        return rows[0] ?? null
      } catch (error) {
        // The unique key: this person has a row.
        if ((error as { code?: unknown }).code === "23505") return null
        throw error
      }
    },
  }
}

function valuesOf(profile: UserProfile): unknown[] {
  const { issuer, subject, username, email, emailVerified, firstName, lastName, custom = {}, asOf } = profile
  const { customAsOf = asOf } = profile
  return [issuer, subject, username, email, emailVerified, firstName, lastName, custom, customAsOf, asOf]
}

const list = "SELECT subject FROM app_user WHERE issuer = $1 AND subject > $2 ORDER BY subject LIMIT $3"

// To the letter but for case, which Keycloak folds.
const unlinked = {
  username: "SELECT id FROM app_user WHERE subject IS NULL AND lower(username) = lower($1)",
  email: "SELECT id FROM app_user WHERE subject IS NULL AND lower(email) = lower($1)",
}

const link = `
  UPDATE app_user SET issuer = $1, subject = $2, username = $3, email = $4, email_verified = $5, first_name = $6,
    last_name = $7, custom = $8, custom_as_of = $9, as_of = $10
  WHERE id = $11 AND subject IS NULL
  RETURNING *`

// `plan` comes with a registration only; every later save has none and leaves it alone.
const upsert = `
  INSERT INTO app_user AS old
    (issuer, subject, username, email, email_verified, first_name, last_name, custom, custom_as_of, as_of, plan)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (issuer, subject) DO UPDATE SET
    username       = CASE WHEN old.as_of > excluded.as_of THEN old.username       ELSE excluded.username       END,
    email          = CASE WHEN old.as_of > excluded.as_of THEN old.email          ELSE excluded.email          END,
    email_verified = CASE WHEN old.as_of > excluded.as_of THEN old.email_verified ELSE excluded.email_verified END,
    first_name     = CASE WHEN old.as_of > excluded.as_of THEN old.first_name     ELSE excluded.first_name     END,
    last_name      = CASE WHEN old.as_of > excluded.as_of THEN old.last_name      ELSE excluded.last_name      END,
    as_of          = GREATEST(old.as_of, excluded.as_of),
    custom         = CASE WHEN old.custom_as_of > excluded.custom_as_of THEN old.custom ELSE excluded.custom END,
    custom_as_of   = GREATEST(old.custom_as_of, excluded.custom_as_of),
    plan           = COALESCE(excluded.plan, old.plan)
  RETURNING *`
