import type { Pool, RowDataPacket } from "mysql2/promise"
import type { UserStore } from "../../src/index.js"
import type { Mistake } from "./user-store-contract.test.js"

const right = {
  key: "varchar(255) COLLATE utf8mb4_nopad_bin NOT NULL",
  text: "varchar(255)",
  date: "datetime(3)",
  plan: "varchar(255)",
  unique: "",
  insert: "INSERT INTO",
}

/** A store that is right but for these differences, on a table of its own. */
export async function createStoreOn(
  pool: Pool,
  differences: Partial<typeof right> = {},
): Promise<UserStore<RowDataPacket>> {
  const { key, text, date, plan, unique, insert } = { ...right, ...differences }
  await pool.query("DROP TABLE IF EXISTS app_user")
  await pool.query(`CREATE TABLE app_user (id bigint AUTO_INCREMENT PRIMARY KEY, issuer ${key}, subject ${key},
    username ${text}, email ${text}, email_verified boolean NOT NULL, first_name ${text}, last_name ${text},
    as_of ${date} NOT NULL, plan ${plan}, UNIQUE (issuer, subject)${unique}) CHARACTER SET utf8mb4`)
  const attributes = ["username", "email", "email_verified", "first_name", "last_name"]
  const later = attributes.map(name => `${name} = IF(as_of > VALUES(as_of), ${name}, VALUES(${name}))`).join(", ")
  const update = `ON DUPLICATE KEY UPDATE ${later}, plan = COALESCE(VALUES(plan), plan), as_of = GREATEST(as_of, VALUES(as_of))`
  const columns = "issuer, subject, username, email, email_verified, first_name, last_name, as_of, plan"
  const save = `${insert} app_user (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ${insert === "INSERT INTO" ? update : ""}`
  const findUser: UserStore<RowDataPacket>["findUser"] = async ({ issuer, subject }) => {
    const find = "SELECT * FROM app_user WHERE issuer = ? AND subject = ?"
    const [rows] = await pool.execute<RowDataPacket[]>(find, [issuer, subject])
    return rows[0] ?? null
  }
  return {
    findUser,
    async saveUser(profile, extra) {
      const { issuer, subject, username, email, emailVerified, firstName, lastName, asOf } = profile
      const { plan = null } = (extra ?? {}) as { plan?: string }
      await pool.execute(save, [issuer, subject, username, email, emailVerified, firstName, lastName, asOf, plan])
      return (await findUser(profile)) as RowDataPacket
    },
    async removeUser({ issuer, subject }) {
      await pool.execute("DELETE FROM app_user WHERE issuer = ? AND subject = ?", [issuer, subject])
    },
  }
}

const mistakes: readonly (Omit<Mistake, "createStore"> & Partial<typeof right>)[] = [
  {
    mistake: "keeps e-mails unique, and so takes over the row of another person",
    says: /took over the first person's row: .*`ON DUPLICATE KEY UPDATE`/,
    unique: ", UNIQUE (issuer, email)",
  },
  {
    mistake: "keeps usernames unique, and so takes over the row of another person",
    says: /took over the first person's row: the row is keyed on the username/,
    unique: ", UNIQUE (issuer, username)",
  },
  {
    mistake: "lets nobody in without sign-up data",
    says: /saveUser threw .*'plan'.* for a person without sign-up data, .*allow NULL or have a default/,
    plan: "varchar(255) NOT NULL",
  },
  { mistake: "has keys in the default collation", says: /the column folds case/, key: "varchar(255) NOT NULL" },
  {
    mistake: "has binary keys that pad blanks",
    says: /trims or pads blanks/,
    key: "varchar(255) COLLATE utf8mb4_bin NOT NULL",
  },
  { mistake: "has three bytes for a letter", says: /Use utf8mb4/, text: "varchar(255) CHARACTER SET utf8mb3" },
  { mistake: "keeps whole seconds", says: /whole seconds \(MariaDB's DATETIME\)/, date: "datetime" },
  { mistake: "replaces rows", says: /`REPLACE INTO`.* delete the row and make a new one/, insert: "REPLACE INTO" },
  { mistake: "ignores a duplicate", says: /`DO NOTHING` leaves the row as it was/, insert: "INSERT IGNORE INTO" },
]

export const mistakesOnMariaDb: readonly (Omit<Mistake, "createStore"> & {
  createStore(pool: Pool): Promise<UserStore<RowDataPacket>>
})[] = mistakes.map(({ mistake, says, ...differences }) => ({
  mistake,
  says,
  createStore: pool => createStoreOn(pool, differences),
}))
