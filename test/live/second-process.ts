import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"

interface Options {
  readonly serverUrl: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
  readonly pgUrl: string
}

/** Another process of an example application, as its own `server.ts` starts it. */
export async function startSecondProcess(
  framework: string,
  options: Options,
): Promise<{ url: string; stop(): Promise<void> }> {
  const program = join(import.meta.dirname, `../../examples/${framework}/server.ts`)
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      PORT: "0",
      PG_URL: options.pgUrl,
      KEYCLOAK_URL: options.serverUrl,
      KEYCLOAK_REALM: options.realm,
      KEYCLOAK_CLIENT_ID: options.clientId,
      KEYCLOAK_CLIENT_SECRET: options.clientSecret,
    },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const closed = once(child, "close")
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /http:\/\/\S+/.exec(line)?.[0]
    if (url === undefined) continue
    return {
      url,
      async stop() {
        child.kill()
        await closed
      },
    }
  }
  throw new Error(`${program} ended before it was listening`)
}
