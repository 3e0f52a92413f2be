import { and, eq, gt, isNull, type SQL, sql } from "drizzle-orm"
import type { NodePgDatabase } from "drizzle-orm/node-postgres"
import { bigint, boolean, check, jsonb, pgTable, text, timestamp, unique } from "drizzle-orm/pg-core"
import type { UserIdentity, UserProfile, UserStore } from "keycloak-gate"
import type { SignUp } from "./row.ts"

/** The table of `postgres.sql`, for Drizzle. Give issuer and subject `COLLATE "C"` in its migration. */
export const appUser = pgTable(
  "app_user",
  {
    id: bigint("id", { mode: "bigint" }).primaryKey().generatedAlwaysAsIdentity(),
    issuer: text("issuer"),
    subject: text("subject"),
    username: text("username"),
    email: text("email"),
    emailVerified: boolean("email_verified").notNull().default(false),
    firstName: text("first_name"),
    lastName: text("last_name"),
    custom: jsonb("custom").$type<UserProfile["custom"]>().notNull().default({}),
    customAsOf: timestamp("custom_as_of", { withTimezone: true }),
    asOf: timestamp("as_of", { withTimezone: true }),
    plan: text("plan"),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
  },
  table => [
    unique().on(table.issuer, table.subject),
    check("whole", sql`num_nulls(${table.issuer}, ${table.subject}, ${table.asOf}) IN (0, 3)`),
  ],
)

export type AppUser = typeof appUser.$inferSelect

/** That table as a user store, for Drizzle on PostgreSQL; why it compares column by column: see `postgres.ts`. */
export function createDrizzleStore(db: NodePgDatabase): UserStore<AppUser> {
  return {
    async findUser(identity) {
      const rows = await db.select().from(appUser).where(isOf(identity))
      return rows[0] ?? null
    },

    async saveUser(profile, extra) {
      const { plan = null } = (extra ?? {}) as SignUp
      const { username, email, emailVerified, firstName, lastName } = appUser
      const rows = await db
        .insert(appUser)
        .values({ customAsOf: profile.asOf, ...profile, plan })
        .onConflictDoUpdate({
          target: [appUser.issuer, appUser.subject],
          set: {
            username: later(username.name),
            email: later(email.name),
            emailVerified: later(emailVerified.name),
            firstName: later(firstName.name),
            lastName: later(lastName.name),
            asOf: sql`GREATEST(app_user.as_of, excluded.as_of)`,
            custom: later("custom", "custom_as_of"),
            customAsOf: sql`GREATEST(app_user.custom_as_of, excluded.custom_as_of)`,
            plan: sql`COALESCE(excluded.plan, app_user.plan)`,
          },
        })
        .returning()
      const [row] = rows
      if (row === undefined) throw new Error("PostgreSQL returned no row for an upsert")
      return row
    },

    async removeUser(identity) {
      await db.delete(appUser).where(isOf(identity))
    },

    async listSubjects({ issuer, after, limit }) {
      const isFurther = and(eq(appUser.issuer, issuer), gt(appUser.subject, after ?? ""))
      const query = db.select({ subject: appUser.subject }).from(appUser).where(isFurther)
      return (await query.orderBy(appUser.subject).limit(limit)).flatMap(({ subject }) => subject ?? [])
    },

    async findUnlinked(profile, { by }) {
      const isAlike = sql`lower(${appUser[by]}) = lower(${profile[by]})`
      const rows = await db
        .select({ id: appUser.id })
        .from(appUser)
        .where(and(isNull(appUser.subject), isAlike))
      return rows.map(({ id }) => id)
    },

    async linkUser(key, profile) {
      const isFree = and(eq(appUser.id, BigInt(key)), isNull(appUser.subject))
      const values = { customAsOf: profile.asOf, ...profile }
      try {
        const rows = await db.update(appUser).set(values).where(isFree).returning()
        return rows[0] ?? null
      } catch (error) {
        // The unique key: this person has a row.
        if ((error as { cause?: { code?: unknown } }).cause?.code === "23505") return null
        throw error
      }
    },
  }
}

function isOf({ issuer, subject }: UserIdentity): SQL | undefined {
  return and(eq(appUser.issuer, issuer), eq(appUser.subject, subject))
}

/** The column's value of whichever date is later, the row's or the profile's. */
function later(column: string, dates: "as_of" | "custom_as_of" = "as_of"): SQL {
  const [old, told] = [sql.identifier("app_user"), sql.identifier("excluded")]
  const [name, date] = [sql.identifier(column), sql.identifier(dates)]
  return sql`CASE WHEN ${old}.${date} > ${told}.${date} THEN ${old}.${name} ELSE ${told}.${name} END`
}
