import { PrismaPg } from "@prisma/adapter-pg"
import { PrismaClient } from "./generated/client.ts"
import { createPrismaStore } from "./store.ts"

/** The store on the PostgreSQL at this address; Prisma writes the schema's name into its statements. */
export function openPrismaStore(connectionString: string, schema = "public") {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString }, { schema }) })
  return { userStore: createPrismaStore(prisma), close: () => prisma.$disconnect() }
}
