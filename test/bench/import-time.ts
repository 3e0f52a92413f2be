import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { type Spread, spreadOf } from "./median.ts"

export interface ImportResult {
  readonly name: string
  /** Milliseconds on the clock, from nothing to loaded, in a process that has loaded nothing else. */
  readonly ms: Spread
}

const root = join(import.meta.dirname, "../..")
const peers = join(import.meta.dirname, "peers")

/** Imports each package in fresh processes, one after the other in each round. */
export function measureImports(rounds: number): ImportResult[] {
  const packages = [
    { name: "keycloak-gate", cwd: root },
    { name: "jose", cwd: root },
    ...["fast-jwt", "aws-jwt-verify", "express-oauth2-jwt-bearer", "express-jwt", "keycloak-connect"].map(name => ({
      name,
      cwd: peers,
    })),
  ]
  const measured: number[][] = packages.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { name, cwd }] of packages.entries()) measured[index]?.push(importOnce(name, cwd))
  }
  return packages.map(({ name }, index) => ({ name, ms: spreadOf(measured[index] ?? []) }))
}

function importOnce(name: string, cwd: string): number {
  const program = `const start = performance.now(); await import("${name}"); console.log(performance.now() - start)`
  return Number(execFileSync(process.execPath, ["--input-type=module", "--eval", program], { cwd, encoding: "utf8" }))
}
