import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { StoreKind } from "./store-kinds.ts"

/** Ids of the rows that 25 saves in each of two processes were given, all of one person, all started at once. */
export async function saveInTwoProcesses(kind: StoreKind, issuer: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const program = join(import.meta.dirname, "first-requests.ts")
  const children = [1, 2].map(() => fork(program, [kind, issuer, "25"], { env: { ...process.env, ...env } }))
  try {
    await Promise.all(children.map(child => messageOf(child)))
    const answers = children.map(child => messageOf(child))
    for (const child of children) child.send("go")
    return (await Promise.all(answers)).flat() as string[]
  } finally {
    for (const child of children) child.kill()
  }
}

async function messageOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`The process ended with ${code} before it had answered.`)
  })
  const [message] = await Promise.race([once(child, "message"), ended])
  return message
}
