import type { UserProfile, UserStore } from "keycloak-gate"
import { type ColumnType, type Generated, type Kysely, sql } from "kysely"
import type { Row, SignUp } from "./row.ts"

/** The table of `postgres.sql`, for Kysely. */
export interface Database {
  app_user: Omit<Row, "id" | "custom" | "created_at"> & {
    id: Generated<string>
    custom: ColumnType<Row["custom"], string, string | Row["custom"]>
    created_at: Generated<Date>
  }
}

/** That table as a user store, for Kysely on PostgreSQL; why it compares column by column: see `postgres.ts`. */
export function createKyselyStore(db: Kysely<Database>): UserStore<Row> {
  return {
    async findUser({ issuer, subject }) {
      const query = db.selectFrom("app_user").selectAll().where("issuer", "=", issuer).where("subject", "=", subject)
      return (await query.executeTakeFirst()) ?? null
    },

    async saveUser(profile, extra) {
      const { plan = null } = (extra ?? {}) as SignUp
      return db
        .insertInto("app_user")
        .values({ ...columnsOf(profile), plan })
        .onConflict(conflict =>
          conflict.columns(["issuer", "subject"]).doUpdateSet({
            username: later("username"),
            email: later("email"),
            email_verified: later("email_verified"),
            first_name: later("first_name"),
            last_name: later("last_name"),
            as_of: sql`GREATEST(app_user.as_of, excluded.as_of)`,
            custom: later("custom", "custom_as_of"),
            custom_as_of: sql`GREATEST(app_user.custom_as_of, excluded.custom_as_of)`,
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

    async findUnlinked(profile, { by }) {
      const isAlike = sql<boolean>`lower(${sql.ref(by)}) = lower(${profile[by]})`
      const rows = await db.selectFrom("app_user").select("id").where("subject", "is", null).where(isAlike).execute()
      return rows.map(({ id }) => id)
    },

    async linkUser(key, profile) {
      const update = db.updateTable("app_user").set(columnsOf(profile)).where("id", "=", String(key))
      try {
        return (await update.where("subject", "is", null).returningAll().executeTakeFirst()) ?? null
      } catch (error) {
        // The unique key: this person has a row.
        if ((error as { code?: unknown }).code === "23505") return null
        throw error
      }
    },
  }
}

function columnsOf({ issuer, subject, username, email, emailVerified, firstName, lastName, ...told }: UserProfile) {
  const { custom = {}, asOf, customAsOf = asOf } = told
  const names = { username, email, email_verified: emailVerified, first_name: firstName, last_name: lastName }
  return { issuer, subject, ...names, custom: JSON.stringify(custom), custom_as_of: customAsOf, as_of: asOf }
}

/** The column's value of whichever date is later, the row's or the profile's. */
function later<Column extends keyof Row>(column: Column, date: "as_of" | "custom_as_of" = "as_of") {
  const [old, told] = [sql.ref(`app_user.${column}`), sql.ref(`excluded.${column}`)]
  const isOld = sql`${sql.ref(`app_user.${date}`)} > ${sql.ref(`excluded.${date}`)}`
  return sql<Row[Column]>`CASE WHEN ${isOld} THEN ${old} ELSE ${told} END`
}
