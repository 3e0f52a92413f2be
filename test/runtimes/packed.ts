import { execFile } from "node:child_process"
import { cp, mkdir, readdir, symlink } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)
const root = join(import.meta.dirname, "../..")
const modules = join(root, "node_modules")

/** Installs the tarball as npm makes it into a folder; of the build that the other tests run too. */
export async function installPacked(folder: string): Promise<void> {
  const [stage, target] = [join(folder, "stage"), join(folder, "node_modules/keycloak-gate")]
  for (const made of [stage, target]) await mkdir(made, { recursive: true })
  await cp(join(root, "package.json"), join(stage, "package.json"))
  await cp(join(root, "dist"), join(stage, "dist"), { recursive: true })
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json"], { cwd: stage })
  const tarball = (await readdir(stage)).find(file => file.endsWith(".tgz"))
  if (tarball === undefined) throw new Error(`npm pack made no tarball: ${packed.stdout}`)
  await run("tar", ["-xzf", join(stage, tarball), "-C", target, "--strip-components=1"])
  await linkModules(folder)
}

/** Third-party packages are the repository's own; scopes are folders, and only their members are packages. */
async function linkModules(folder: string): Promise<void> {
  const names = (await readdir(modules)).filter(name => !name.startsWith("."))
  for (const name of names) await symlink(join(modules, name), join(folder, "node_modules", name))
}
