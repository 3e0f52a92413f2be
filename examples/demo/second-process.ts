import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Listening } from "../application.ts"

/** Another process of an example application; it says where it listens, and ends when it is closed. */
export async function startSecondProcess(framework: string, env: NodeJS.ProcessEnv): Promise<Listening> {
  const program = fileURLToPath(new URL(`../${framework}/server.ts`, import.meta.url))
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, ...env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const ended = once(child, "exit")
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /http:\/\/\S+/.exec(line)?.[0]
    if (url === undefined) continue
    return {
      url,
      async close() {
        child.kill()
        await ended
      },
    }
  }
  throw new Error(`${program} ended before it was listening`)
}
