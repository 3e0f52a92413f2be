import type { DatabaseSync, SQLOutputValue } from "node:sqlite"
import type { UserStore } from "keycloak-gate"
import type { Row, SignUp } from "./row.ts"

/** The table of `postgres.sql` in SQLite's types; dates are milliseconds, so that they compare as numbers. */
export const sqliteTable = `
  CREATE TABLE IF NOT EXISTS app_user (
    id             INTEGER PRIMARY KEY,
    issuer         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    username       TEXT, -- not unique, nor is the e-mail: see postgres.sql
    email          TEXT,
    email_verified INTEGER NOT NULL,
    first_name     TEXT,
    last_name      TEXT,
    as_of          INTEGER NOT NULL,
    plan           TEXT,
    created_at     INTEGER NOT NULL DEFAULT (unixepoch() * 1000),
    UNIQUE (issuer, subject)
  ) STRICT`

/** That table as a user store, on Node's own SQLite; the rows are those of the PostgreSQL store. */
export function createSqliteStore(database: DatabaseSync): UserStore<Row> {
  const find = database.prepare("SELECT * FROM app_user WHERE issuer = ? AND subject = ?")
  const save = database.prepare(upsert)
  const remove = database.prepare("DELETE FROM app_user WHERE issuer = ? AND subject = ?")
  const list = database.prepare(
    "SELECT subject FROM app_user WHERE issuer = ? AND subject > ? ORDER BY subject LIMIT ?",
  )

  return {
    async findUser({ issuer, subject }) {
      const found = find.get(issuer, subject)
      return found === undefined ? null : toRow(found)
    },

    async saveUser(profile, extra) {
      const { issuer, subject, username, email, emailVerified, firstName, lastName, asOf } = profile
      const { plan = null } = (extra ?? {}) as SignUp
      const saved = save.get(
        ...[issuer, subject, username, email, Number(emailVerified), firstName, lastName, asOf.getTime(), plan],
      )
      if (saved === undefined) throw new Error("SQLite returned no row for an upsert")
      return toRow(saved)
    },

    async removeUser({ issuer, subject }) {
      remove.run(issuer, subject)
    },

    async listSubjects({ issuer, after, limit }) {
      return list.all(issuer, after ?? "", limit).map(({ subject }) => String(subject))
    },
  }
}

/** A row as PostgreSQL would give it: SQLite has neither booleans nor dates. */
export function toRow(found: Record<string, SQLOutputValue>): Row {
  const { id, email_verified, as_of, created_at, ...texts } = found
  return {
    ...(texts as Omit<Row, "id" | "email_verified" | "as_of" | "created_at">),
    id: String(id),
    email_verified: email_verified === 1,
    as_of: new Date(Number(as_of)),
    created_at: new Date(Number(created_at)),
  }
}

const upsert = `
  INSERT INTO app_user AS old
    (issuer, subject, username, email, email_verified, first_name, last_name, as_of, plan)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (issuer, subject) DO UPDATE SET
    username       = CASE WHEN old.as_of > excluded.as_of THEN old.username       ELSE excluded.username       END,
    email          = CASE WHEN old.as_of > excluded.as_of THEN old.email          ELSE excluded.email          END,
    email_verified = CASE WHEN old.as_of > excluded.as_of THEN old.email_verified ELSE excluded.email_verified END,
    first_name     = CASE WHEN old.as_of > excluded.as_of THEN old.first_name     ELSE excluded.first_name     END,
    last_name      = CASE WHEN old.as_of > excluded.as_of THEN old.last_name      ELSE excluded.last_name      END,
    as_of          = max(old.as_of, excluded.as_of),
    plan           = COALESCE(excluded.plan, old.plan)
  RETURNING *`
