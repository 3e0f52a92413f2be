import type { DatabaseSync, SQLOutputValue } from "node:sqlite"
import type { UserProfile, UserStore } from "keycloak-gate"
import type { Row, SignUp } from "./row.ts"

/** The table of `postgres.sql` in SQLite's types; dates are milliseconds, so that they compare as numbers. */
export const sqliteTable = `
  CREATE TABLE IF NOT EXISTS app_user (
    id             INTEGER PRIMARY KEY,
    issuer         TEXT, -- null, as the subject is, for a row that waits for its account
    subject        TEXT,
    username       TEXT, -- not unique, nor is the e-mail: see postgres.sql
    email          TEXT,
    email_verified INTEGER NOT NULL DEFAULT 0,
    first_name     TEXT,
    last_name      TEXT,
    custom         TEXT NOT NULL DEFAULT '{}',
    custom_as_of   INTEGER,
    as_of          INTEGER,
    plan           TEXT,
    created_at     INTEGER NOT NULL DEFAULT (unixepoch() * 1000),
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL) AND (issuer IS NULL) = (as_of IS NULL))
  ) STRICT`

/** That table as a user store, on Node's own SQLite; the rows are those of the PostgreSQL store. */
export function createSqliteStore(database: DatabaseSync): UserStore<Row> {
  const find = database.prepare("SELECT * FROM app_user WHERE issuer = ? AND subject = ?")
  const save = database.prepare(upsert)
  const remove = database.prepare("DELETE FROM app_user WHERE issuer = ? AND subject = ?")
  const unlinked = database.prepare("SELECT * FROM app_user WHERE issuer IS NULL AND subject IS NULL")
  const link = database.prepare(linkRow)
  const list = database.prepare(
    "SELECT subject FROM app_user WHERE issuer = ? AND subject > ? ORDER BY subject LIMIT ?",
  )

  return {
    async findUser({ issuer, subject }) {
      const found = find.get(issuer, subject)
      return found === undefined ? null : toRow(found)
    },

    async saveUser(profile, extra) {
      const { plan = null } = (extra ?? {}) as SignUp
      const saved = save.get(...valuesOf(profile), plan)
      if (saved === undefined) throw new Error("SQLite returned no row for an upsert")
      return toRow(saved)
    },

    async removeUser({ issuer, subject }) {
      remove.run(issuer, subject)
    },

    async listSubjects({ issuer, after, limit }) {
      return list.all(issuer, after ?? "", limit).map(({ subject }) => String(subject))
    },

    // In JavaScript, because SQLite's own lower() knows ASCII alone.
    async findUnlinked(profile, { by }) {
      const wanted = profile[by]?.toLowerCase()
      const rows = unlinked.all().map(toRow)
      return rows.filter(row => row[by]?.toLowerCase() === wanted && wanted !== undefined).map(({ id }) => id)
    },

    async linkUser(key, profile) {
      const { issuer, subject } = profile
      const linked = link.get(...valuesOf(profile), key, issuer, subject)
      return linked === undefined ? null : toRow(linked)
    },
  }
}

function valuesOf(profile: UserProfile): (string | number | null)[] {
  const { issuer, subject, username, email, emailVerified, firstName, lastName, custom = {}, asOf } = profile
  const { customAsOf = asOf } = profile
  const names = [issuer, subject, username, email, Number(emailVerified), firstName, lastName]
  return [...names, JSON.stringify(custom), customAsOf.getTime(), asOf.getTime()]
}

/** A row as PostgreSQL would give it: SQLite has neither booleans nor dates. */
export function toRow(found: Record<string, SQLOutputValue>): Row {
  const { id, email_verified, custom, as_of, custom_as_of, created_at, ...texts } = found
  return {
    ...(texts as Pick<Row, "issuer" | "subject" | "username" | "email" | "first_name" | "last_name" | "plan">),
    id: String(id),
    email_verified: email_verified === 1,
    custom: JSON.parse(String(custom)),
    as_of: new Date(Number(as_of)),
    custom_as_of: custom_as_of === null ? null : new Date(Number(custom_as_of)),
    created_at: new Date(Number(created_at)),
  }
}

const linkRow = `
  UPDATE app_user SET issuer = ?, subject = ?, username = ?, email = ?, email_verified = ?, first_name = ?, last_name = ?,
    custom = ?, custom_as_of = ?, as_of = ?
  WHERE id = ? AND subject IS NULL AND NOT EXISTS (SELECT 1 FROM app_user WHERE issuer = ? AND subject = ?)
  RETURNING *`

const upsert = `
  INSERT INTO app_user AS old
    (issuer, subject, username, email, email_verified, first_name, last_name, custom, custom_as_of, as_of, plan)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (issuer, subject) DO UPDATE SET
    username       = CASE WHEN old.as_of > excluded.as_of THEN old.username       ELSE excluded.username       END,
    email          = CASE WHEN old.as_of > excluded.as_of THEN old.email          ELSE excluded.email          END,
    email_verified = CASE WHEN old.as_of > excluded.as_of THEN old.email_verified ELSE excluded.email_verified END,
    first_name     = CASE WHEN old.as_of > excluded.as_of THEN old.first_name     ELSE excluded.first_name     END,
    last_name      = CASE WHEN old.as_of > excluded.as_of THEN old.last_name      ELSE excluded.last_name      END,
    as_of          = max(old.as_of, excluded.as_of),
    custom         = CASE WHEN old.custom_as_of > excluded.custom_as_of THEN old.custom ELSE excluded.custom END,
    custom_as_of   = max(coalesce(old.custom_as_of, excluded.custom_as_of), excluded.custom_as_of),
    plan           = COALESCE(excluded.plan, old.plan)
  RETURNING *`
