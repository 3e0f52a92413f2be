import { createServer } from "node:net"
import { type AdminAccess, createAdmin, type KeycloakAdmin, type RealmFile, readRealm } from "./admin.ts"
import { obtainKeycloak } from "./obtain.ts"
import { launchServer, type Server } from "./server.ts"

export interface KeycloakOptions {
  /** A server of our own on this port; 0: on a free one. */
  readonly port?: number
  /** Realms to import, or files with them. */
  readonly realms?: readonly (string | RealmFile)[]
  /** Keycloak's `--hostname`; without it the issuer follows the caller's Host header. */
  readonly hostname?: string
  /** Options of `start-dev` that Keycloak reads at run time; build options would be ignored. */
  readonly extraArgs?: readonly string[]
  /** An empty folder for the database, or that of an earlier server to go on with; without it, it is in memory. */
  readonly dataFolder?: string
  /** Gets a line before whatever takes long. */
  readonly log?: (line: string) => void
}

export interface RunningKeycloak extends AdminAccess, KeycloakAdmin {
  readonly port: number
  /** The leader of the server's process group; null for a server that was running before. */
  readonly pid: number | null
  /** The end of what the server printed. */
  output(): string
  /** Returns when the server is gone. A server that was running before stays, without the realms imported here. */
  stop(): Promise<void>
}

/**
 * A real Keycloak with the realms imported, on 127.0.0.1, with an empty database in memory unless it has a folder.
 *
 * It ends with this process at the latest, however this process ends. `KEYCLOAK_URL` counts only when no port, hostname,
 * folder or option is asked for, for those cannot be given to a server that runs already.
 */
export async function startKeycloak(options: KeycloakOptions = {}): Promise<RunningKeycloak> {
  const server = await obtainServer(options)
  const admin = createAdmin(server)
  const imported: string[] = []

  async function stop(): Promise<void> {
    if (server.pid === null) for (const name of imported.splice(0)) await admin.deleteRealm(name)
    await server.stop()
  }

  try {
    for (const one of options.realms ?? []) {
      const realm = typeof one === "string" ? await readRealm(one) : one
      await admin.importRealm(realm)
      imported.push(realm.realm)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { ...server, ...admin, port: Number(new URL(server.url).port), stop }
}

async function obtainServer(options: KeycloakOptions): Promise<Server> {
  const { port, hostname, extraArgs, dataFolder, log = () => {} } = options
  const mustBeOurs = [port, hostname, extraArgs, dataFolder].some(option => option !== undefined)
  const source = await obtainKeycloak(log, mustBeOurs)
  if (source.kind === "running") return { ...source, pid: null, output: () => "", stop: async () => {} }
  log("Starting Keycloak")
  const args = hostname === undefined ? [] : [`--hostname=${hostname}`]
  return launchServer(source, port || (await freePort()), [...args, ...(extraArgs ?? [])], dataFolder)
}

function freePort(): Promise<number> {
  const probe = createServer()
  return new Promise((resolve, reject) => {
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
