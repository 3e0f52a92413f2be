import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const peers = join(import.meta.dirname, "peers")
const nodes = join(import.meta.dirname, "../../.cache/bench-nodes")

/** Installs what the library is compared with, unless exactly that is there already. */
export function installPeers(): void {
  const wanted = readFileSync(join(peers, "package-lock.json"), "utf8")
  const stamp = join(peers, "node_modules/.installed-lock.json")
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return
  console.log("Installing the packages to compare with.")
  npm(["ci"], peers)
  writeFileSync(stamp, wanted)
}

/** The program of a Node version, from npm's `node` package; nothing is installed outside of this checkout. */
export function installNode(major: string): string {
  const folder = join(nodes, major)
  const program = join(folder, "node_modules/.bin/node")
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    // The package fetches its program in an install script.
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }))
    console.log(`Installing Node ${major}.`)
    npm(["install", `node@${major}`], folder)
  }
  return program
}

function npm(command: readonly string[], cwd: string): void {
  execFileSync("npm", [...command, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd,
    stdio: "inherit",
    shell: process.platform === "win32",
  })
}
