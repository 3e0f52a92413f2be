import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"

/** Runs a program that prints one line of JSON; returns the process and what it printed. */
export async function runParent<Printed>(program: string): Promise<{ parent: ChildProcess; printed: Printed }> {
  const args = ["--input-type=module-typescript", "-e", program]
  const parent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] })
  const lines = createInterface({ input: parent.stdout })
  const line = await Promise.race([once(lines, "line"), once(lines, "close")])
  return { parent, printed: JSON.parse(String(line[0])) }
}

/** Returns when no process of the group is left, and throws when some are left after 30 s. */
export async function untilGone(group: number): Promise<void> {
  const begin = Date.now()
  while (exists(group)) {
    if (Date.now() - begin > 30_000) throw new Error("processes are left after 30 s")
    await delay(50)
  }
}

export function exists(group: number): boolean {
  try {
    return process.kill(-group, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false
    throw error
  }
}
