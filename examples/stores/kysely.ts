import type { UserStore } from "keycloak-gate"
import { type Generated, type Kysely, sql } from "kysely"
import type { Row, SignUp } from "./row.ts"

/** The table of `postgres.sql`, for Kysely. */
export interface Database {
  app_user: Omit<Row, "id" | "created_at"> & { id: Generated<string>; created_at: Generated<Date> }
}

/** That table as a user store, for Kysely on PostgreSQL; why it compares column by column: see `postgres.ts`. */
export function createKyselyStore(db: Kysely<Database>): UserStore<Row> {
  return {
    async findUser({ issuer, subject }) {
      const query = db.selectFrom("app_user").selectAll().where("issuer", "=", issuer).where("subject", "=", subject)
      return (await query.executeTakeFirst()) ?? null
    },

    async saveUser({ issuer, subject, username, email, emailVerified, firstName, lastName, asOf }, extra) {
      const { plan = null } = (extra ?? {}) as SignUp
      const names = { username, email, email_verified: emailVerified, first_name: firstName, last_name: lastName }
      return db
        .insertInto("app_user")
        .values({ issuer, subject, ...names, as_of: asOf, plan })
        .onConflict(conflict =>
          conflict.columns(["issuer", "subject"]).doUpdateSet({
            username: later("username"),
            email: later("email"),
            email_verified: later("email_verified"),
            first_name: later("first_name"),
            last_name: later("last_name"),
            as_of: sql`GREATEST(app_user.as_of, excluded.as_of)`,
            plan: sql`COALESCE(excluded.plan, app_user.plan)`,
          }),
        )
        .returningAll()
        .executeTakeFirstOrThrow()
    },

    async removeUser({ issuer, subject }) {
      await db.deleteFrom("app_user").where("issuer", "=", issuer).where("subject", "=", subject).execute()
    },

    async listSubjects({ issuer, after, limit }) {
      const query = db.selectFrom("app_user").select("subject").where("issuer", "=", issuer)
      const rows = await query
        .where("subject", ">", after ?? "")
        .orderBy("subject")
        .limit(limit)
        .execute()
      return rows.map(({ subject }) => subject)
    },
  }
}

/** The column's value of whichever date is later, the row's or the profile's. */
function later<Column extends keyof Row>(column: Column) {
  const [old, told] = [sql.ref(`app_user.${column}`), sql.ref(`excluded.${column}`)]
  return sql<Row[Column]>`CASE WHEN app_user.as_of > excluded.as_of THEN ${old} ELSE ${told} END`
}
