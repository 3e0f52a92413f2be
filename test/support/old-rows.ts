import { type ImportPerson, parseDjangoHash } from "keycloak-gate"
import type pg from "pg"
import { djangoHashers } from "./old-hashes.ts"

/** Of everybody in a table of old. */
export const oldPassword = "old-Passw0rd"
const hashes = Object.values(djangoHashers).map(hasher => parseDjangoHash(hasher(oldPassword)))

/** Rows of people who have no account yet, whose names begin so; returns the names. */
export async function makeOldRows(pool: pg.Pool, prefix: string, count: number): Promise<readonly string[]> {
  const { rows } = await pool.query<{ username: string }>(
    `INSERT INTO app_user (username, email, plan)
     SELECT $1 || n, $1 || n || '@example.test', 'old' FROM generate_series(1, $2::int) AS n RETURNING username`,
    [prefix, count],
  )
  return rows.map(({ username }) => username)
}

/** The rows without subject, as an application hands them in. */
export async function* oldRows(pool: pg.Pool, prefix: string): AsyncGenerator<ImportPerson> {
  const { rows } = await pool.query<{ id: string; username: string; email: string }>(
    "SELECT id, username, email FROM app_user WHERE username LIKE $1 AND subject IS NULL ORDER BY id",
    [`${prefix}%`],
  )
  for (const { id, username, email } of rows) {
    const password = hashes[Number(id) % hashes.length]
    yield { key: id, username, email, firstName: "Ada", lastName: "Lovelace", password }
  }
}
