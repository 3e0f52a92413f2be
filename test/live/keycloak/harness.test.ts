import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { startKeycloak } from "./start.ts"

const start = JSON.stringify(join(import.meta.dirname, "start.ts"))
const parents: ChildProcess[] = []

afterEach(() => {
  for (const parent of parents.splice(0)) parent.kill("SIGKILL")
})

/** A process that starts a Keycloak, prints its port and pid, and then does `then`. */
async function parentOfKeycloak(then: string): Promise<{ parent: ChildProcess; port: number; pid: number }> {
  const script = `
    import { startKeycloak } from ${start}
    const { port, pid } = await startKeycloak({ extraArgs: [] })
    console.log(JSON.stringify({ port, pid }))
    ${then}
  `
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  parents.push(parent)
  const [line] = await once(createInterface({ input: parent.stdout }), "line")
  return { parent, ...JSON.parse(line) }
}

function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1")
  return new Promise(resolve => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
  }).finally(() => socket.destroy()) as Promise<boolean>
}

function groupExists(pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false
    throw error
  }
}

async function secondsUntilGone(port: number, pid: number): Promise<number> {
  const begin = Date.now()
  while (groupExists(pid) || (await accepts(port))) {
    if (Date.now() - begin > 15_000) throw new Error("the server is still there after 15 s")
    await delay(50)
  }
  return (Date.now() - begin) / 1000
}

describe("startKeycloak", () => {
  it.each([
    ["is killed", "setInterval(() => {}, 1000)", "SIGKILL"],
    ["is interrupted", "setInterval(() => {}, 1000)", "SIGINT"],
    ["throws", "setTimeout(() => { throw new Error('on purpose') }, 500)", null],
    ["calls process.exit", "process.exit(0)", null],
    ["ends without stopping it", "", null],
  ] as const)("leaves no server behind when its parent %s", async (_, then, signal) => {
    const { parent, port, pid } = await parentOfKeycloak(then)
    const ended = once(parent, "exit")
    if (signal !== null) {
      expect(await accepts(port)).toBe(true)
      parent.kill(signal)
    }
    await ended
    expect(await secondsUntilGone(port, pid)).toBeLessThan(10)
  })

  it("is gone when stop() returns, and starts again on the same port", async () => {
    const first = await startKeycloak({ extraArgs: [] })
    await first.stop()
    expect(await accepts(first.port)).toBe(false)
    const second = await startKeycloak({ port: first.port })
    expect(second.url).toBe(first.url)
    await second.stop()
  })

  it("says what the server printed when the server does not start", async () => {
    await expect(startKeycloak({ extraArgs: ["--no-such-option"] })).rejects.toThrow(
      /Unknown option: '--no-such-option'/,
    )
  })
})
