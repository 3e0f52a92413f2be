import type { UserIdentity, UserProfile, UserStore } from "keycloak-gate"
import { type AppUser, Prisma, type PrismaClient } from "./generated/client.ts"

/**
 * The table of `schema.prisma` as a user store, for Prisma.
 *
 * Prisma's `upsert` can't compare dates inside of its one statement, so these are several, each of them right whatever
 * another process does in between: an insert that leaves a row that is there alone, and updates of rows no later.
 */
export function createPrismaStore({ appUser }: PrismaClient): UserStore<AppUser> {
  return {
    async findUser(identity) {
      return appUser.findFirst({ where: keyOf(identity) })
    },

    async saveUser(profile, extra) {
      const { plan } = (extra ?? {}) as { readonly plan?: string }
      const key = keyOf(profile)
      const { custom, customAsOf, ...told } = columnsOf(profile)
      const data = { ...told, custom, customAsOf, plan: plan ?? null }
      const { count } = await appUser.createMany({ data: [data], skipDuplicates: true })
      if (count === 0) {
        const isStale = [{ customAsOf: null }, { customAsOf: { lte: customAsOf } }]
        await appUser.updateMany({ where: { ...key, asOf: { lte: told.asOf } }, data: told })
        await appUser.updateMany({ where: { ...key, OR: isStale }, data: { custom, customAsOf } })
        if (plan !== undefined) await appUser.updateMany({ where: key, data: { plan } })
      }
      return appUser.findFirstOrThrow({ where: key })
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
      return rows.flatMap(({ subject }) => subject ?? [])
    },

    async findUnlinked(profile, { by }) {
      const name = profile[by]
      if (name === null) return []
      const rows = await appUser.findMany({ where: { subject: null, [by]: { equals: name, mode: "insensitive" } } })
      // Prisma asks with ILIKE, which takes _ and % for wildcards.
      return rows.filter(row => row[by]?.toLowerCase() === name.toLowerCase()).map(({ id }) => id)
    },

    async linkUser(key, profile) {
      try {
        const where = { id: BigInt(key), subject: null }
        const { count } = await appUser.updateMany({ where, data: columnsOf(profile) })
        return count === 1 ? await appUser.findFirst({ where: keyOf(profile) }) : null
      } catch (error) {
        // The unique key: this person has a row.
        if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002") return null
        throw error
      }
    },
  }
}

function keyOf({ issuer, subject }: UserIdentity): UserIdentity {
  return { issuer, subject }
}

function columnsOf({ custom = {}, asOf, customAsOf = asOf, ...told }: UserProfile) {
  return { ...told, custom: custom as Prisma.InputJsonObject, customAsOf, asOf }
}
