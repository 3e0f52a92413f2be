import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { installNest } from "../examples/installed-example.ts"

const root = join(import.meta.dirname, "../..")

// biome-ignore lint/suspicious/noExplicitAny: two versions of one package, with other types than this repository's
export type Loaded = any

/** NestJS of one version, with the built package beside it. */
export interface Nest {
  readonly version: 11 | 12
  /** Of an application. */
  readonly folder: string
  readonly load: (name: string) => Promise<Loaded>
}

export async function openNest(version: 11 | 12): Promise<Nest> {
  const installed = join(await installNest(version), "node_modules")
  const folder = mkdtempSync(join(tmpdir(), `keycloak-gate-nestjs-${version}-`))
  const modules = join(folder, "node_modules")
  const own = join(modules, "keycloak-gate")
  mkdirSync(own, { recursive: true })
  cpSync(join(root, "dist"), join(own, "dist"), { recursive: true })
  cpSync(join(root, "package.json"), join(own, "package.json"))
  for (const from of [installed, join(root, "node_modules")]) {
    for (const name of readdirSync(from)) {
      if (!existsSync(join(modules, name)) && !name.startsWith(".")) symlinkSync(join(from, name), join(modules, name))
    }
  }
  const require = createRequire(join(folder, "application.cjs"))
  return {
    version,
    folder,
    // As an application of each version does: 11 is CommonJS, 12 is ES modules.
    load: async name => {
      if (version === 11) return require(name)
      const path = name === "keycloak-gate/nestjs" ? join(own, "dist/nestjs.js") : require.resolve(name)
      return import(/* @vite-ignore */ pathToFileURL(path).href)
    },
  }
}
