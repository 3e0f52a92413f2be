import { randomBytes } from "node:crypto"
import { chmod, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { AdminAccess } from "./admin.ts"
import { type KeptProcess, keepProcess } from "./kept-process.ts"
import type { Source } from "./obtain.ts"

export interface Server extends AdminAccess {
  readonly pid: number | null
  output(): string
  stop(): Promise<void>
}

type OwnSource = Exclude<Source, { kind: "running" }>

const readyWithinSeconds = 300

/** Starts a server of our own and returns when it answers. */
export async function launchServer(
  source: OwnSource,
  port: number,
  args: readonly string[],
  dataFolder?: string,
): Promise<Server> {
  const url = `http://127.0.0.1:${port}`
  const access = { url, adminUsername: "admin", adminPassword: await administratorsPassword(dataFolder) }
  const folder = await mkdtemp(join(tmpdir(), "keycloak-"))
  const command =
    source.kind === "docker"
      ? await dockerCommand(source.image, port, dataFolder)
      : scriptCommand(source.home, folder, port, dataFolder)
  if (source.kind === "distribution") await symlink(join(source.home, "providers"), join(folder, "providers"))
  const server = keepProcess(folder, [...command, ...args], environment(access))
  try {
    await untilReady(server, url)
  } catch (error) {
    await server.stop()
    throw new Error(`Keycloak ${(error as Error).message}. The end of its output:\n${server.output()}`)
  }
  return { ...access, pid: server.pid(), output: server.output, stop: server.stop }
}

/**
 * Each instance has its data in a folder of its own, so that several can run from one distribution. `built` keeps an
 * instance from rebuilding the distribution that the others are running from.
 */
function scriptCommand(home: string, folder: string, port: number, dataFolder?: string): string[] {
  const properties = [`-Dkc.home.dir=${folder}`, `-Djava.io.tmpdir=${folder}`, "-Dkc.config.built=true"]
  const listen = [`--http-port=${port}`, "--http-host=127.0.0.1"]
  return [join(home, "bin", "kc.sh"), ...properties, "start-dev", ...database(dataFolder), ...listen]
}

async function dockerCommand(image: string, port: number, dataFolder?: string): Promise<string[]> {
  const passedOn = ["-e", "KC_BOOTSTRAP_ADMIN_USERNAME", "-e", "KC_BOOTSTRAP_ADMIN_PASSWORD"]
  const inside = dataFolder === undefined ? undefined : "/kept"
  if (dataFolder !== undefined) {
    await chmod(dataFolder, 0o777) // inside, Keycloak runs as a user of the image
    passedOn.push("-v", `${dataFolder}:${inside}`)
  }
  const server = [image, "start-dev", ...database(inside)]
  return ["docker", "run", "--rm", "-p", `127.0.0.1:${port}:8080`, ...passedOn, ...server]
}

/**
 * `--db` is fixed when the distribution is built, but the address is not: for `dev-file` it only names a file too.
 * Without the delay, which is half a second by default, what is committed is in the file, whatever ends the server.
 */
function database(dataFolder: string | undefined): string[] {
  const properties = "NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0"
  const address = dataFolder === undefined ? [] : [`--db-url=jdbc:h2:file:${dataFolder}/keycloak;${properties}`]
  return ["--db=dev-mem", ...address]
}

/** The administrator is made with the database, and a later server knows only that one. */
async function administratorsPassword(dataFolder: string | undefined): Promise<string> {
  const password = randomBytes(24).toString("hex")
  if (dataFolder === undefined) return password
  const file = join(dataFolder, "administrator")
  await writeFile(file, password, { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
  })
  return readFile(file, "utf8")
}

/** Small and quick to start, at the price of peak speed; nothing of the caller's own Keycloak settings gets through. */
function environment(access: AdminAccess): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(KC_|JAVA_OPTS)/.test(name))
  return {
    ...Object.fromEntries(inherited),
    KC_BOOTSTRAP_ADMIN_USERNAME: access.adminUsername,
    KC_BOOTSTRAP_ADMIN_PASSWORD: access.adminPassword,
    JAVA_OPTS_KC_HEAP: "-Xms64m -Xmx256m",
    // Without -UseG1GC the VM stops: kc.sh chooses G1 itself, and two collectors are one too many.
    JAVA_OPTS_APPEND: "-XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
  }
}

/** Asks instead of reading the log: the log says "started" before the server answers. */
async function untilReady(server: KeptProcess, url: string): Promise<void> {
  const deadline = Date.now() + readyWithinSeconds * 1000
  while (Date.now() < deadline) {
    if (server.hasEnded()) throw new Error("ended before it was ready")
    if (await answers(`${url}/realms/master/.well-known/openid-configuration`)) return
    await delay(200)
  }
  throw new Error(`was not ready within ${readyWithinSeconds} s`)
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) })
    await response.body?.cancel()
    return response.ok
  } catch (error) {
    if (error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError")) return false
    throw error
  }
}
