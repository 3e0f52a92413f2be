import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { runParent, untilGone } from "./orphan.ts"
import { startKeycloak } from "./start.ts"

const start = JSON.stringify(join(import.meta.dirname, "start.ts"))

/** Asking for an option makes it a server of its own, also where KEYCLOAK_URL names one for the other tests. */
const ownServer = { extraArgs: [] }

describe("startKeycloak", () => {
  it("leaves no server behind when its parent is killed", async () => {
    const { parent, printed } = await runParent<{ port: number; pid: number }>(`
      import { startKeycloak } from ${start}
      const { port, pid } = await startKeycloak(${JSON.stringify(ownServer)})
      console.log(JSON.stringify({ port, pid }))
      setInterval(() => {}, 1000)
    `)
    const discovery = `http://127.0.0.1:${printed.port}/realms/master/.well-known/openid-configuration`
    expect((await fetch(discovery)).status).toBe(200)
    parent.kill("SIGKILL")
    await untilGone(printed.pid)
    await expect(fetch(discovery)).rejects.toThrow()
  }, 300_000)

  it("tells what the server printed when it does not start", async () => {
    const failed = startKeycloak({ extraArgs: ["--no-such-option"] })
    await expect(failed).rejects.toThrow(/Unknown option: '--no-such-option'/)
  })
})
