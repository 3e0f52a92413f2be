import { and, eq, gt, type SQL, sql } from "drizzle-orm"
import type { NodePgDatabase } from "drizzle-orm/node-postgres"
import { bigint, boolean, pgTable, text, timestamp, unique } from "drizzle-orm/pg-core"
import type { UserIdentity, UserStore } from "keycloak-gate"
import type { SignUp } from "./row.ts"

/** The table of `postgres.sql`, for Drizzle. Give issuer and subject `COLLATE "C"` in its migration. */
export const appUser = pgTable(
  "app_user",
  {
    id: bigint("id", { mode: "bigint" }).primaryKey().generatedAlwaysAsIdentity(),
    issuer: text("issuer").notNull(),
    subject: text("subject").notNull(),
    username: text("username"),
    email: text("email"),
    emailVerified: boolean("email_verified").notNull(),
    firstName: text("first_name"),
    lastName: text("last_name"),
    asOf: timestamp("as_of", { withTimezone: true }).notNull(),
    plan: text("plan"),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
  },
  table => [unique().on(table.issuer, table.subject)],
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
        .values({ ...profile, plan })
        .onConflictDoUpdate({
          target: [appUser.issuer, appUser.subject],
          set: {
            username: later(username.name),
            email: later(email.name),
            emailVerified: later(emailVerified.name),
            firstName: later(firstName.name),
            lastName: later(lastName.name),
            asOf: sql`GREATEST(app_user.as_of, excluded.as_of)`,
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
      return (await query.orderBy(appUser.subject).limit(limit)).map(({ subject }) => subject)
    },
  }
}

function isOf({ issuer, subject }: UserIdentity): SQL | undefined {
  return and(eq(appUser.issuer, issuer), eq(appUser.subject, subject))
}

/** The column's value of whichever date is later, the row's or the profile's. */
function later(column: string): SQL {
  const [old, told] = [sql.identifier("app_user"), sql.identifier("excluded")]
  const name = sql.identifier(column)
  return sql`CASE WHEN ${old}.as_of > ${told}.as_of THEN ${old}.${name} ELSE ${told}.${name} END`
}
