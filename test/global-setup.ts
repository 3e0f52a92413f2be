import { join } from "node:path"
import pg from "pg"
import type { TestProject } from "vitest/node"
import { type AdminAccess, readRealm } from "./live/keycloak/admin.ts"
import { startKeycloak } from "./live/keycloak/start.ts"

declare module "vitest" {
  interface ProvidedContext {
    readonly keycloak: AdminAccess
    readonly pgUrl: string
  }
}

const realmFile = join(import.meta.dirname, "live/realm.json")

/** One Keycloak for all live tests. Vitest runs this only when it runs a live test. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const pgUrl = process.env.PG_URL ?? "postgres://postgres@127.0.0.1:5432/test"
  await requirePostgres(pgUrl)
  const realms = [{ ...(await readRealm(realmFile)), bruteForceProtected: false }]
  const { url, adminUsername, adminPassword, stop } = await startKeycloak({ realms, log: line => console.log(line) })
  project.provide("keycloak", { url, adminUsername, adminPassword })
  project.provide("pgUrl", pgUrl)
  return stop
}

async function requirePostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  try {
    await client.connect()
    await client.end()
  } catch (error) {
    const { host, pathname } = new URL(url)
    throw new Error(
      `NO POSTGRESQL at ${host}${pathname} (${(error as Error).message}): the user store's live tests run against a real` +
        " one. Start PostgreSQL there, or set PG_URL to another database, for example postgres://user:password@host:5432/test.",
    )
  }
}
