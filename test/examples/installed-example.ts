import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { cp, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import { runCommand } from "../live/keycloak/run-command.ts"

const root = join(import.meta.dirname, "../..")
const notSources = ["node_modules", "generated"]

/** Jest's example with Jest installed (54 MB). */
export function installJest(): Promise<string> {
  return installExample("jest", async folder => symlink(root, join(folder, "node_modules/keycloak-gate"), "junction"))
}

/** The application that is yet to move, with keycloak-connect (3 MB); it would fetch a browser too, for its own tests. */
export function installKeycloakConnect(): Promise<string> {
  return installExample("keycloak-connect/before", async () => undefined, ["--omit=optional"])
}

/** Prisma's example with Prisma installed (300 MB, which only these tests pay for) and its client generated. */
export function installPrisma(): Promise<string> {
  return installExample("prisma", async folder => {
    // `generate` would fetch an engine that only migrations use, unless it is told of one.
    const [engine, schema] = [join(folder, "package.json"), join(folder, "schema.prisma")]
    const prisma = join(folder, "node_modules/prisma/build/index.js")
    await run("env", [
      `PRISMA_SCHEMA_ENGINE_BINARY=${engine}`,
      process.execPath,
      prisma,
      "generate",
      "--schema",
      schema,
    ])
    // Without a package of its own, the folder is a part of this one: "keycloak-gate" is then this repository's build.
    for (const file of ["package.json", "package-lock.json"]) await rm(join(folder, file))
  })
}

/** The API that is yet to move, with express-oauth2-jwt-bearer. */
export function installJwtBearer(): Promise<string> {
  return installExample("express-oauth2-jwt-bearer/before", async () => undefined)
}

/** NestJS of this major version, with everything of it that its tests need (100 MB). */
export function installNest(version: 11 | 12): Promise<string> {
  return installExample(`nestjs-${version}`, async () => undefined, [], join(root, "test/nestjs", String(version)))
}

/** An example that has packages of its own, in a folder of the cache; made once for each state of the example. */
async function installExample(
  name: string,
  finish: (folder: string) => Promise<void>,
  more: readonly string[] = [],
  example = join(root, "examples", name),
): Promise<string> {
  const files = (await readdir(example)).filter(file => !notSources.includes(file))
  const hash = createHash("sha256")
  for (const file of files) hash.update(await readFile(join(example, file)))
  const cached = join(root, ".cache", name.replaceAll("/", "-"))
  const finished = `${cached}-${hash.digest("hex").slice(0, 16)}`
  if (existsSync(finished)) return finished
  const folder = `${cached}-unfinished-${process.pid}`
  await mkdir(folder, { recursive: true })
  try {
    for (const file of files) await cp(join(example, file), join(folder, file))
    await run("npm", ["--prefix", folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund", ...more])
    await finish(folder)
    await rename(folder, finished).catch(error => {
      if (!existsSync(finished)) throw error // else another test file was quicker
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return finished
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { code, output } = await runCommand(command, [...args], 300)
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${output.slice(-1000)}`)
}
