import type { Pool } from "pg"
import type { UserStore } from "../../src/index.js"
import type { Mistake } from "./user-store-contract.test.js"

interface Row {
  readonly id: string
  readonly subject: string
}

const columns = "issuer, subject, username, email, email_verified, first_name, last_name, as_of, plan"
const insert = `INSERT INTO app_user AS old (${columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
const later = (column: string) =>
  `${column} = CASE WHEN old.as_of > excluded.as_of THEN old.${column} ELSE excluded.${column} END`
const attributes = ["username", "email", "email_verified", "first_name", "last_name"]
const set = `${attributes.map(later).join(", ")}, as_of = GREATEST(old.as_of, excluded.as_of), plan = COALESCE(excluded.plan, old.plan)`
const overwrite = `${[...attributes, "as_of"].map(name => `${name} = excluded.${name}`).join(", ")}, plan = COALESCE(excluded.plan, old.plan)`

interface Differences {
  /** The columns of a table of its own, after those that all of them have. */
  readonly table?: string
  readonly key?: string
  /** The column of the application's own data. */
  readonly plan?: string
  readonly find?: string
  readonly save?: string
  readonly saveUser?: (pool: Pool, values: readonly unknown[]) => Promise<Row | undefined>
}

/** A store that is right but for these differences, on a table of its own. */
export async function createStoreOn(pool: Pool, differences: Differences = {}): Promise<UserStore<Row>> {
  const {
    key = "text NOT NULL",
    plan = "text",
    table = "UNIQUE (issuer, subject)",
    find = "SELECT * FROM app_user WHERE issuer = $1 AND subject = $2",
    save = `${insert} ON CONFLICT (issuer, subject) DO UPDATE SET ${set} RETURNING *`,
    saveUser = async (_, values) => (await pool.query<Row>(save, [...values])).rows[0],
  } = differences
  await pool.query("DROP TABLE IF EXISTS app_user")
  await pool.query(`CREATE TABLE app_user (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, issuer ${key}, subject ${key},
    username text, email text, email_verified boolean NOT NULL, first_name text, last_name text, as_of timestamptz NOT NULL,
    plan ${plan}${table === "" ? "" : `, ${table}`})`)
  return {
    async findUser({ issuer, subject }) {
      return (await pool.query<Row>(find, [issuer, subject])).rows[0] ?? null
    },
    async saveUser(profile, extra) {
      const { issuer, subject, username, email, emailVerified, firstName, lastName, asOf } = profile
      const { plan = null } = (extra ?? {}) as { plan?: string }
      const values = [issuer, subject, username, email, emailVerified, firstName, lastName, asOf, plan]
      return (await saveUser(pool, values)) as Row
    },
    async removeUser({ issuer, subject }) {
      await pool.query("DELETE FROM app_user WHERE issuer = $1 AND subject = $2", [issuer, subject])
    },
  }
}

const findThenInsert: Differences["saveUser"] = async (pool, values) => {
  const { rows } = await pool.query<Row>(
    "SELECT * FROM app_user WHERE issuer = $1 AND subject = $2",
    values.slice(0, 2),
  )
  const statement = rows.length === 0 ? insert : `${insert} ON CONFLICT (issuer, subject) DO UPDATE SET ${set}`
  return (await pool.query<Row>(`${statement} RETURNING *`, [...values])).rows[0]
}

const mistakes: readonly (Omit<Mistake, "createStore"> & Differences)[] = [
  { mistake: "finds and then inserts", says: /at once threw .*find-then-insert is a race/, saveUser: findThenInsert },
  {
    mistake: "finds and then inserts into a table without a unique key",
    says: /rows of one person: find-then-insert is a race/,
    table: "",
    saveUser: async (pool, values) => {
      const identity = values.slice(0, 2)
      const found = await pool.query<Row>("SELECT * FROM app_user WHERE issuer = $1 AND subject = $2", identity)
      if (found.rows.length === 0) return (await pool.query<Row>(`${insert} RETURNING *`, [...values])).rows[0]
      const update = `UPDATE app_user SET username = $3, email = $4, email_verified = $5, first_name = $6, last_name = $7,
        as_of = $8, plan = COALESCE($9, plan) WHERE issuer = $1 AND subject = $2 RETURNING *`
      return (await pool.query<Row>(update, [...values])).rows[0]
    },
  },
  {
    mistake: "does nothing on a conflict, and returns",
    says: /returned undefined .*`ON CONFLICT DO NOTHING RETURNING`.* returns nothing/,
    save: `${insert} ON CONFLICT DO NOTHING RETURNING *`,
  },
  {
    mistake: "updates under a condition, and returns nothing for a stale profile",
    says: /returned undefined .*a stale profile was refused\. `DO UPDATE … WHERE`/,
    save: `${insert} ON CONFLICT (issuer, subject) DO UPDATE SET ${overwrite} WHERE old.as_of <= excluded.as_of RETURNING *`,
  },
  {
    mistake: "ignores asOf",
    says: /saveUser ignores `asOf`/,
    save: `${insert} ON CONFLICT (issuer, subject) DO UPDATE SET ${overwrite} RETURNING *`,
  },
  {
    mistake: "is keyed on the username",
    says: /keyed on the username/,
    table: "UNIQUE (issuer, username)",
    save: `${insert} ON CONFLICT (issuer, username) DO UPDATE SET ${set} RETURNING *`,
  },
  {
    mistake: "keeps e-mails unique",
    says: /a unique index on the e-mail locks people out/,
    table: "UNIQUE (issuer, subject), UNIQUE (issuer, email)",
  },
  {
    mistake: "lets nobody in without sign-up data",
    says: /saveUser threw .*"plan".* for a person without sign-up data, .*allow NULL or have a default/,
    plan: "text NOT NULL",
  },
  {
    mistake: "keeps usernames unique over all issuers",
    says: /saveUser threw .* for a namesake of another issuer.*UNIQUE \(issuer, username\)/,
    table: "UNIQUE (issuer, subject), UNIQUE (username)",
  },
  { mistake: "lets keys be NULL", says: /NULL key: .*NOT NULL/, key: "text" },
  {
    mistake: "has keys of a type that trims blanks",
    says: /trims or pads blanks/,
    key: "char(255) NOT NULL",
  },
  {
    mistake: "folds case by a collation",
    says: /the column folds case/,
    key: "text COLLATE folded NOT NULL",
  },
  {
    mistake: "looks rows up with LIKE",
    says: /LIKE, or a statement that is glued together/,
    find: "SELECT * FROM app_user WHERE issuer = $1 AND subject LIKE $2 ORDER BY id",
  },
  {
    mistake: "keeps whole seconds",
    says: /column of whole seconds/,
    save: `${insert.replace("$8", "date_trunc('second', $8::timestamptz)")} ON CONFLICT (issuer, subject) DO UPDATE SET ${set} RETURNING *`,
  },
]

export const mistakesOnPostgres: readonly (Omit<Mistake, "createStore"> & {
  createStore(pool: Pool): Promise<UserStore<Row>>
})[] = mistakes.map(({ mistake, says, ...differences }) => ({
  mistake,
  says,
  createStore: pool => createStoreOn(pool, differences),
}))
