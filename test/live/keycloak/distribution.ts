import { createHash } from "node:crypto"
import { createReadStream, existsSync, statSync } from "node:fs"
import { cp, mkdir, mkdtemp, readdir, realpath, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { javaCommand, requireJava } from "./java.ts"
import { lastLines, runCommand } from "./run-command.ts"

export const newestVersion = "26.7.4"
/** The versions that the tests run on, and the SHA-256 of the archive of each. */
const archives: Readonly<Record<string, string>> = {
  [newestVersion]: "04823c336b797a7e18889a44262a7a64e6bf624cbbcc518c85e2622176ff2eee",
  "26.4.7": "aca60ab72ae4d67adc6b8fe7fca5e08d16a6bb5e4a4f2ebb54050e3f5503fd2b",
}
export const keycloakVersion: string = process.env.KEYCLOAK_VERSION || newestVersion
const cache = join(import.meta.dirname, "../../../.cache")
const unfinished = "unfinished-"

type Log = (line: string) => void

/** A distribution that is ready to start, fetched with Maven unless an earlier run left it in `.cache/`. */
export async function downloadedDistribution(log: Log): Promise<string> {
  await requireJava()
  return prepareOnce(`keycloak-${keycloakVersion}`, async folder => {
    log(`Fetching Keycloak ${keycloakVersion} with Maven (over 150 MB, only this once)`)
    const archive = await fetchArchive(folder)
    await unpack(archive, folder)
    await rm(archive)
    await augment(folder, log)
  })
}

/** A copy of somebody's own distribution: ours is built for tests, and that would rewrite theirs. */
export async function copiedDistribution(home: string, log: Log): Promise<string> {
  if (!existsSync(join(home, "bin", "kc.sh"))) throw new Error(`KEYCLOAK_HOME=${home} holds no Keycloak: no bin/kc.sh`)
  await requireJava()
  return prepareOnce(`keycloak-home-${await fingerprint(home)}`, async folder => {
    await cp(home, folder, { recursive: true, preserveTimestamps: true })
    await augment(folder, log)
  })
}

/**
 * The work happens in a folder of its own and the result appears by one rename. An interrupted run therefore leaves
 * nothing that looks finished, and of two first runs at once the later one takes the earlier one's result.
 */
async function prepareOnce(name: string, prepare: (folder: string) => Promise<void>): Promise<string> {
  const finished = join(cache, name)
  await mkdir(cache, { recursive: true })
  await removeOldAttempts()
  if (existsSync(finished)) return finished
  const folder = await mkdtemp(join(cache, unfinished))
  try {
    await prepare(folder)
    await rename(folder, finished)
  } catch (error) {
    if (!isOccupied(error)) throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return finished
}

async function removeOldAttempts(): Promise<void> {
  const anHourAgo = Date.now() - 3_600_000
  for (const name of await readdir(cache)) {
    if (!name.startsWith(unfinished)) continue
    const begun = statSync(join(cache, name), { throwIfNoEntry: false })?.mtimeMs
    if (begun !== undefined && begun < anHourAgo) await rm(join(cache, name), { recursive: true, force: true })
  }
}

async function fetchArchive(folder: string): Promise<string> {
  const expected = archives[keycloakVersion]
  if (expected === undefined)
    throw new Error(`KEYCLOAK_VERSION=${keycloakVersion} is none of ${Object.keys(archives).join(", ")}`)
  const artifact = `org.keycloak:keycloak-quarkus-dist:${keycloakVersion}:tar.gz`
  const args = ["-q", "-B", "dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]
  const { code, output } = await runCommand("mvn", args, 900)
  if (code !== 0) throw new Error(`Maven could not fetch ${artifact}: ${lastLines(output, 5)}`)
  const archive = join(folder, `keycloak-quarkus-dist-${keycloakVersion}.tar.gz`)
  if ((await sha256Of(archive)) !== expected) throw new Error(`${artifact} has a different SHA-256 than expected`)
  return archive
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(file), hash)
  return hash.digest("hex")
}

async function unpack(archive: string, folder: string): Promise<void> {
  const { code, output } = await runCommand("tar", ["-xzf", archive, "-C", folder, "--strip-components=1"], 300)
  if (code !== 0) throw new Error(`tar could not unpack Keycloak: ${lastLines(output, 5)}`)
}

/** Keycloak's first start rebuilds its own class files, 16 to 36 s; done here, every later start finds it done. */
async function augment(home: string, log: Log): Promise<void> {
  log("Building Keycloak for tests (up to 40 s, only this once)")
  const properties = [
    `-Dkc.home.dir=${home}`,
    `-Djboss.server.config.dir=${join(home, "conf")}`,
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
  ]
  const main = ["-cp", join(home, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]
  const { code, output } = await runCommand(javaCommand(), [...properties, ...main, "start-dev", "--db=dev-mem"], 300)
  const builtAndWantsRestart = 10
  if (code !== builtAndWantsRestart) throw new Error(`Keycloak's build ended with ${code}:\n${lastLines(output, 20)}`)
}

async function fingerprint(home: string): Promise<string> {
  const hash = createHash("sha256").update(await realpath(home))
  for (const part of ["version.txt", "providers", "conf", "lib/quarkus"]) {
    hash.update(String((await stat(join(home, part))).mtimeMs))
  }
  return hash.digest("hex").slice(0, 12)
}

function isOccupied(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === "ENOTEMPTY" || code === "EEXIST"
}
