import type { UserIdentity, UserStore } from "keycloak-gate"
import type { AppUser, PrismaClient } from "./generated/client.ts"

/**
 * The table of `schema.prisma` as a user store, for Prisma.
 *
 * Prisma's `upsert` can't compare dates inside of its one statement, so these are several, each of them right whatever
 * another process does in between: an insert that leaves a row that is there alone, and an update of rows no later.
 */
export function createPrismaStore({ appUser }: PrismaClient): UserStore<AppUser> {
  return {
    async findUser(identity) {
      return appUser.findUnique({ where: { issuer_subject: keyOf(identity) } })
    },

    async saveUser({ custom: _, ...profile }, extra) {
      const { plan } = (extra ?? {}) as { readonly plan?: string }
      const key = keyOf(profile)
      const { count } = await appUser.createMany({ data: [{ ...profile, plan: plan ?? null }], skipDuplicates: true })
      if (count === 0) {
        await appUser.updateMany({ where: { ...key, asOf: { lte: profile.asOf } }, data: profile })
        if (plan !== undefined) await appUser.updateMany({ where: key, data: { plan } })
      }
      return appUser.findUniqueOrThrow({ where: { issuer_subject: key } })
    },

    async removeUser(identity) {
      await appUser.deleteMany({ where: keyOf(identity) })
    },

    async listSubjects({ issuer, after, limit }) {
      const rows = await appUser.findMany({
        select: { subject: true },
        where: { issuer, subject: { gt: after ?? "" } },
        orderBy: { subject: "asc" },
        take: limit,
      })
      return rows.map(({ subject }) => subject)
    },
  }
}

function keyOf({ issuer, subject }: UserIdentity): UserIdentity {
  return { issuer, subject }
}
