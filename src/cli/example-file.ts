import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** A file of `examples/`, which lies beside `dist/` in the package, and beside `src/` in the repository. */
export function exampleFile(path: string): string {
  const root = dirname(createRequire(import.meta.url).resolve("keycloak-gate/package.json"))
  return readFileSync(join(root, "examples", path), "utf8")
}
