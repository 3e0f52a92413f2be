import type { Pool as MariaDbPool, ResultSetHeader, RowDataPacket } from "mysql2/promise"
import type { Pool } from "pg"
import { createMariaDbStore } from "../../examples/stores/mariadb.ts"
import { createPostgresStore } from "../../examples/stores/postgres.ts"
import type { Row } from "../../examples/stores/row.ts"
import type { UserProfile, UserStore } from "../../src/index.js"

interface DatabaseMistake<Database> {
  readonly mistake: string
  readonly says: RegExp
  /** Other functions in the place of those of the right store. */
  readonly functions: (pool: Database, right: Required<Omit<UserStore<Row>, "peekUser">>) => Partial<UserStore<Row>>
}

const link = `UPDATE app_user SET issuer = $2, subject = $3, username = $4, email = $5, email_verified = $6, first_name = $7,
  last_name = $8, as_of = $9 WHERE id = $1`
const valuesOf = ({ issuer, subject, username, email, emailVerified, firstName, lastName, asOf }: UserProfile) =>
  [issuer, subject, username, email, emailVerified, firstName, lastName, asOf] as const

export const unownedMistakesOnPostgres: readonly DatabaseMistake<Pool>[] = [
  {
    mistake: "takes over an old row by username before it saves",
    says: /saveUser took over a row without subject by its username/,
    functions: (pool, right) => ({
      async saveUser(profile, extra) {
        const adopt = `UPDATE app_user SET issuer = $1, subject = $2, as_of = $3
          WHERE subject IS NULL AND lower(username) = lower($4)
          AND NOT EXISTS (SELECT FROM app_user WHERE issuer = $1 AND subject = $2)`
        const { issuer, subject, asOf, username } = profile
        await pool.query(adopt, [issuer, subject, asOf, username])
        return right.saveUser(profile, extra)
      },
    }),
  },
  {
    mistake: "looks old rows up with ILIKE",
    says: /LIKE and ILIKE take _ and % for wildcards/,
    functions: pool => ({
      async findUnlinked(profile, { by }) {
        const find = `SELECT id FROM app_user WHERE subject IS NULL AND ${by} ILIKE $1`
        return (await pool.query<Row>(find, [profile[by]])).rows.map(({ id }) => id)
      },
    }),
  },
  {
    mistake: "finds rows that have a subject",
    says: /a row that has a subject is somebody's own/,
    functions: pool => ({
      async findUnlinked(profile, { by }) {
        const find = `SELECT id FROM app_user WHERE lower(${by}) = lower($1)`
        return (await pool.query<Row>(find, [profile[by]])).rows.map(({ id }) => id)
      },
    }),
  },
  {
    mistake: "ties a row that has a subject",
    says: /linkUser tied (the same row again|somebody's row to somebody else)/,
    functions: pool => ({
      async linkUser(key, profile) {
        return (await pool.query<Row>(`${link} RETURNING *`, [key, ...valuesOf(profile)])).rows[0] ?? null
      },
    }),
  },
  {
    mistake: "throws what the unique key says",
    says: /linkUser threw .*unique.*Where the unique key on \(issuer, subject\) refuses the update/,
    functions: pool => ({
      async linkUser(key, profile) {
        const free = `${link} AND subject IS NULL RETURNING *`
        return (await pool.query<Row>(free, [key, ...valuesOf(profile)])).rows[0] ?? null
      },
    }),
  },
  {
    mistake: "looks whether the row is free, and writes in another statement",
    says: /when 20 people were tried at once/,
    functions: (pool, right) => ({
      async linkUser(key, profile) {
        const { rows } = await pool.query("SELECT FROM app_user WHERE id = $1 AND subject IS NULL", [key])
        if (rows.length === 0 || (await right.findUser(profile)) !== null) return null
        return (await pool.query<Row>(`${link} RETURNING *`, [key, ...valuesOf(profile)])).rows[0] ?? null
      },
    }),
  },
]

export const unownedMistakesOnMariaDb: readonly DatabaseMistake<Pick<MariaDbPool, "execute">>[] = [
  {
    mistake: "compares names in the default collation",
    says: /may take é for e, as MariaDB's and MySQL's default ones do/,
    functions: pool => ({
      async findUnlinked(profile, { by }) {
        const find = `SELECT id FROM app_user WHERE subject IS NULL AND ${by} = ?`
        const [rows] = await pool.execute<RowDataPacket[]>(find, [profile[by]])
        return rows.map(({ id }) => String(id))
      },
    }),
  },
  {
    mistake: "takes a row for tied that it has only matched",
    says: /linkUser (tied|returned)/,
    functions: (pool, right) => ({
      async linkUser(key, profile) {
        const update = "UPDATE app_user SET first_name = COALESCE(first_name, first_name) WHERE id = ?"
        const [{ affectedRows }] = await pool.execute<ResultSetHeader>(update, [String(key)])
        await right.linkUser(key, profile)
        return affectedRows === 1 ? ((await right.findUser(profile)) ?? ({ id: String(key) } as Row)) : null
      },
    }),
  },
]

export function postgresStoreWith(pool: Pool, { functions }: DatabaseMistake<Pool>): UserStore<Row> {
  const right = createPostgresStore(pool) as Required<UserStore<Row>>
  return { ...right, ...functions(pool, right) }
}

export function mariaDbStoreWith(
  pool: MariaDbPool,
  { functions }: DatabaseMistake<Pick<MariaDbPool, "execute">>,
): UserStore<Row> {
  const right = createMariaDbStore(pool) as Required<UserStore<Row>>
  return { ...right, ...functions(pool, right) }
}
