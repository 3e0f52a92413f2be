import { join } from "node:path"
import { runCommand } from "./run-command.ts"

const oldestUsable = 17

/** The same choice as Keycloak's own start script makes. */
export function javaCommand(): string {
  const home = process.env.JAVA_HOME
  return home ? join(home, "bin", "java") : "java"
}

export async function requireJava(): Promise<void> {
  const { code, output } = await runCommand(javaCommand(), ["-version"], 30)
  if (code !== 0) throw new Error(`no Java found (${javaCommand()}): Keycloak needs Java ${oldestUsable} or later`)
  const major = Number(/version "(\d+)/.exec(output)?.[1])
  if (!(major >= oldestUsable)) throw new Error(`Keycloak needs Java ${oldestUsable} or later, this is Java ${major}`)
}
