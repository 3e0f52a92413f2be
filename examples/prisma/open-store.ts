import { PrismaPg } from "@prisma/adapter-pg"
import { PrismaClient } from "./generated/client.ts"
import { createPrismaStore } from "./store.ts"

/** The store on the PostgreSQL at this address; Prisma writes the schema's name into its statements. */
export function openPrismaStore(connectionString: string, schema = "public") {
  // As in ../stores/postgres.ts: the database says what is wrong before the gate gives up.
  const limits = { connectionTimeoutMillis: 5000, statement_timeout: 5000, query_timeout: 10_000 }
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, ...limits }, { schema }) })
  return { userStore: createPrismaStore(prisma), close: () => prisma.$disconnect() }
}
