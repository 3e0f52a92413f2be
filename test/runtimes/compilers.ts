import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { run } from "./run-times.ts"

/** One way to compile an application of the packed package. */
export interface Program {
  readonly name: string
  readonly version: string
  readonly modules: "ES modules" | "CommonJS"
  readonly resolution: string
  /** Throws what the compiler said. */
  readonly run: (folder: string) => Promise<void>
}

const versions = ["5.6", "5.7", "5.8", "5.9", "6.0", "7.0"]
const installed = join(import.meta.dirname, "../../.cache/compilers")

// @types/koa 3.0.3 names a type that content-disposition 2 no longer has: not ours to mend, and nothing else is let by.
export const brokenElsewhere: RegExp = /^\S*\/@types\/koa\/index\.d\.ts.*TS2694.*content-disposition.*\n/gm

const application = `
import { createGate, GateError, isGateError, memoryUserStore, type Principal, syncUsers } from "keycloak-gate"
import { authenticate, principalOf, requireUser } from "keycloak-gate/express"
import { authenticate as plugin } from "keycloak-gate/fastify"
import { authenticate as middleware, type PrincipalState } from "keycloak-gate/koa"
import { startTestRealm } from "keycloak-gate/testing"
import type { Request } from "express"

export const gate = createGate({ serverUrl: "https://sso.example.test", realm: "shop", clientId: "a", userStore: memoryUserStore() })
export const mounted = [authenticate(gate), requireUser({ realmRoles: ["a"] }), plugin(gate), middleware(gate), syncUsers, startTestRealm]
export const state = (held: PrincipalState): Principal<unknown> | null => held.principal
export const who = (request: Request): string => principalOf(request, "user").username ?? ""
export const waits = (thrown: unknown): number | null => thrown instanceof GateError && isGateError(thrown) ? thrown.retryAfterSeconds : null
// @ts-expect-error: types are there, and not \`any\`
createGate({ realm: 1 })
`

export const compilers: readonly Program[] = versions.flatMap(version => {
  const old = version === "6.0" ? { ignoreDeprecations: "6.0" } : {}
  return [
    program(version, "ES modules", { module: "node16", moduleResolution: "node16" }),
    program(version, "CommonJS", { module: "node16", moduleResolution: "node16" }),
    program(version, "ES modules", { module: "esnext", moduleResolution: "bundler" }),
    // TypeScript 7 has no such resolution any more.
    ...(version === "7.0"
      ? []
      : [program(version, "CommonJS", { module: "commonjs", moduleResolution: "node10", ...old })]),
  ]
})

function program(
  version: string,
  modules: Program["modules"],
  options: { readonly module: string; readonly moduleResolution: string; readonly ignoreDeprecations?: string },
): Program {
  const type = modules === "CommonJS" ? "commonjs" : "module"
  return {
    name: `typescript-${version}-${options.moduleResolution}-${type}`,
    version,
    modules,
    resolution: options.moduleResolution,
    async run(folder) {
      const compilerOptions = {
        target: "es2022",
        strict: true,
        noEmit: true,
        esModuleInterop: true,
        types: ["node"],
        ...options,
      }
      await mkdir(folder, { recursive: true })
      writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type }))
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }))
      writeFileSync(join(folder, "main.ts"), application)
      const said = await run(
        folder,
        [process.execPath, compiler(version), "-p", folder, "--pretty", "false"],
        {},
      ).catch((error: Error) => `${error.message.replace(/^.*? ended with [^:]*: /, "")}\n`)
      const wrong = said.replace(brokenElsewhere, "").trim()
      if (wrong !== "") throw new Error(wrong)
    },
  }
}

/** A compiler in the cache, which is no dependency: their programs would all be called \`tsc\`. */
function compiler(version: string): string {
  const folder = join(installed, version)
  const package_ = join(folder, "node_modules/typescript")
  if (!existsSync(package_)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }))
    execFileSync("npm", ["install", `typescript@~${version}.0`, "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: folder,
    })
  }
  return join(package_, "bin/tsc")
}
