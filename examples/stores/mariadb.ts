import type { UserProfile, UserStore } from "keycloak-gate"
import { createPool, type Pool, type ResultSetHeader, type RowDataPacket } from "mysql2/promise"
import type { Row, SignUp } from "./row.ts"

/**
 * A pool for `createMariaDbStore`. In UTC, because mysql2 otherwise writes dates as this process's own clock shows them.
 *
 * Its limits are far below the gate's `storeTimeoutMs` (30 s), so that the database says what is wrong before the gate gives
 * up. MySQL has `max_execution_time` in place of `max_statement_time`: in milliseconds, and for SELECT alone.
 */
export function createMariaDbPool(uri: string): Pool {
  const pool = createPool({ uri, timezone: "Z", connectTimeout: 5000 })
  pool.on("connection", connection => void connection.query("SET SESSION max_statement_time = 5"))
  return pool
}

/** The table of `mariadb.sql` as a user store, for `mysql2`. It reads rows back, because MySQL has no RETURNING. */
export function createMariaDbStore(pool: Pick<Pool, "execute">): UserStore<Row> {
  const findUser: UserStore<Row>["findUser"] = async ({ issuer, subject }) => {
    const [rows] = await pool.execute<RowDataPacket[]>(find, [issuer, subject])
    return rows[0] === undefined ? null : toRow(rows[0])
  }

  return {
    findUser,

    async saveUser(profile, extra) {
      const { plan = null } = (extra ?? {}) as SignUp
      await pool.execute(upsert, [...valuesOf(profile), plan])
      const row = await findUser(profile)
      if (row === null) throw new Error("MariaDB has no row after an upsert: somebody removed it at the same moment")
      return row
    },

    async removeUser({ issuer, subject }) {
      await pool.execute("DELETE FROM app_user WHERE issuer = ? AND subject = ?", [issuer, subject])
    },

    async listSubjects({ issuer, after, limit }) {
      // As text: a prepared LIMIT takes no number with a fraction, which is how mysql2 sends every number.
      const [rows] = await pool.execute<RowDataPacket[]>(list, [issuer, after ?? "", String(limit)])
      return rows.map(({ subject }) => subject)
    },

    async findUnlinked(profile, { by }) {
      const [rows] = await pool.execute<RowDataPacket[]>(unlinked[by], [profile[by]])
      return rows.map(({ id }) => String(id))
    },

    async linkUser(key, profile) {
      try {
        const [{ affectedRows }] = await pool.execute<ResultSetHeader>(link, [...valuesOf(profile), String(key)])
        return affectedRows === 1 ? await findUser(profile) : null
      } catch (error) {
        // The unique key: this person has a row.
        if ((error as { code?: unknown }).code === "ER_DUP_ENTRY") return null
        throw error
      }
    },
  }
}

function valuesOf(profile: UserProfile): (string | boolean | Date | null)[] {
  const { issuer, subject, username, email, emailVerified, firstName, lastName, custom = {}, asOf } = profile
  const { customAsOf = asOf } = profile
  return [
    issuer,
    subject,
    username,
    email,
    emailVerified,
    firstName,
    lastName,
    JSON.stringify(custom),
    customAsOf,
    asOf,
  ]
}

/** A row as PostgreSQL would give it: MariaDB's booleans are numbers, and its JSON is text, which MySQL's is not. */
function toRow(found: RowDataPacket): Row {
  const custom = typeof found.custom === "string" ? JSON.parse(found.custom) : found.custom
  return { ...(found as Row), id: String(found.id), email_verified: found.email_verified === 1, custom }
}

const find = "SELECT * FROM app_user WHERE issuer = ? AND subject = ?"

const list = "SELECT subject FROM app_user WHERE issuer = ? AND subject > ? ORDER BY subject LIMIT ?"

// To the letter but for case, which Keycloak folds; a default collation would take é for e.
const unlinked = {
  username: `SELECT id FROM app_user WHERE issuer IS NULL AND ${isAlike("username")}`,
  email: `SELECT id FROM app_user WHERE issuer IS NULL AND ${isAlike("email")}`,
}

function isAlike(column: string): string {
  return `LOWER(${column}) COLLATE utf8mb4_nopad_bin = LOWER(?)`
}

const link = `
  UPDATE app_user SET issuer = ?, subject = ?, username = ?, email = ?, email_verified = ?, first_name = ?, last_name = ?,
    custom = ?, custom_as_of = ?, as_of = ?
  WHERE id = ? AND subject IS NULL`

// MariaDB assigns from the first to the last, so `as_of` has to be the last: the others look at the old one.
const upsert = `
  INSERT INTO app_user
    (issuer, subject, username, email, email_verified, first_name, last_name, custom, custom_as_of, as_of, plan)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON DUPLICATE KEY UPDATE
    username       = IF(as_of > VALUES(as_of), username,       VALUES(username)),
    email          = IF(as_of > VALUES(as_of), email,          VALUES(email)),
    email_verified = IF(as_of > VALUES(as_of), email_verified, VALUES(email_verified)),
    first_name     = IF(as_of > VALUES(as_of), first_name,     VALUES(first_name)),
    last_name      = IF(as_of > VALUES(as_of), last_name,      VALUES(last_name)),
    custom         = IF(custom_as_of > VALUES(custom_as_of), custom, VALUES(custom)),
    custom_as_of   = GREATEST(COALESCE(custom_as_of, VALUES(custom_as_of)), VALUES(custom_as_of)),
    plan           = COALESCE(VALUES(plan), plan),
    as_of          = GREATEST(as_of, VALUES(as_of))`
