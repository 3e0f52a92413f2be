import { execFile, spawn } from "node:child_process"
import { accessSync, constants, createReadStream, createWriteStream, existsSync } from "node:fs"
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"
import { createBrotliDecompress } from "node:zlib"

export interface Chromium {
  readonly executablePath: string
  /** Where it finds its libraries and fonts, if it brings them. */
  readonly env: Readonly<Record<string, string>>
}

// A Chromium without a window that brings its libraries, for Linux on x64; a package, since not every network has more.
const packed = "@sparticuz/chromium@153.0.0"
const cache = join(import.meta.dirname, "../../.cache")
const folder = join(cache, packed.replace(/\W+/g, "-").slice(1))
const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]

/** The browser at `CHROME_PATH`, else one on the `PATH`, else one in `.cache`, which is fetched if need be. It has run. */
export async function obtainChromium(): Promise<Chromium> {
  const chromium = await findChromium()
  const { executablePath, env } = chromium
  try {
    await promisify(execFile)(executablePath, ["--version"], { env: { ...process.env, ...env }, timeout: 60_000 })
  } catch (error) {
    throw new Error(`NO CHROMIUM: ${executablePath} does not start (${firstLines(error)})`, { cause: error })
  }
  return chromium
}

async function findChromium(): Promise<Chromium> {
  const { CHROME_PATH, PATH = "" } = process.env
  if (CHROME_PATH) return { executablePath: CHROME_PATH, env: {} }
  const candidates = PATH.split(delimiter).flatMap(place => names.map(name => join(place, name)))
  const found = candidates.find(isProgram)
  if (found !== undefined) return { executablePath: found, env: {} }
  if (!existsSync(folder)) await fetchPacked()
  return {
    executablePath: join(folder, "chromium"),
    env: { LD_LIBRARY_PATH: join(folder, "lib"), FONTCONFIG_PATH: folder },
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function fetchPacked(): Promise<void> {
  try {
    if (`${process.platform} ${process.arch}` !== "linux x64") throw new Error("it is for Linux on x64 only")
    await unpack()
  } catch (error) {
    throw new Error(
      `NO CHROMIUM: none on the PATH, and ${packed} could not be fetched (${firstLines(error)}).` +
        " Install Chromium, or set CHROME_PATH to where it is.",
      { cause: error },
    )
  }
}

/** Of what a program prints, the second line says more than the first, which is its command. */
function firstLines(error: unknown): string {
  return (error as Error).message.trim().split("\n").slice(0, 4).join(", ")
}

/** In a folder of its own until all is there: the next run takes what it finds. */
async function unpack(): Promise<void> {
  await mkdir(cache, { recursive: true })
  const making = await mkdtemp(join(cache, "chromium-"))
  try {
    const options = ["--pack-destination", making, "--loglevel=error", "--fetch-retries=1"]
    await promisify(execFile)("npm", ["pack", packed, ...options], { timeout: 300_000 })
    await promisify(execFile)("sh", ["-c", "tar -xzf *.tgz && rm *.tgz"], { cwd: making })
    const bin = join(making, "package/bin")
    const program = createWriteStream(join(making, "chromium"), { mode: 0o755 })
    await pipeline(createReadStream(join(bin, "chromium.br")), createBrotliDecompress(), program)
    for (const archive of ["al2023.tar.br", "fonts.tar.br"]) await unpackArchive(join(bin, archive), making)
    const fonts = `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts</cachedir></fontconfig>`
    await writeFile(join(making, "fonts.conf"), fonts)
    await rm(join(making, "package"), { recursive: true })
    await rename(making, folder)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

async function unpackArchive(archive: string, into: string): Promise<void> {
  const tar = spawn("tar", ["-x", "-C", into], { stdio: ["pipe", "ignore", "inherit"] })
  const ended = new Promise<void>((resolve, reject) => {
    tar.on("error", reject)
    tar.on("close", code => (code === 0 ? resolve() : reject(new Error(`tar ended with ${code}`))))
  })
  await Promise.all([pipeline(createReadStream(archive), createBrotliDecompress(), tar.stdin), ended])
}
