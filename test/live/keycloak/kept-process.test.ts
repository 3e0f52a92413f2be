import { existsSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { keepProcess } from "./kept-process.ts"
import { exists, runParent, untilGone } from "./orphan.ts"

const keptProcess = JSON.stringify(join(import.meta.dirname, "kept-process.ts"))
const ordinary = ["sleep", "600"]
const stubborn = ["sh", "-c", "trap '' TERM; sleep 600 & echo trapped; wait; wait"]
const waits = "setInterval(() => {}, 1000)"

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "kept-"))
}

/** A process that keeps `command`, tells its pid, and then does what `afterwards` says. */
function parentOf(command: readonly string[], folder: string, afterwards: string) {
  return runParent<{ pid: number }>(`
    import { setTimeout as delay } from "node:timers/promises"
    import { keepProcess } from ${keptProcess}
    const kept = keepProcess(${JSON.stringify(folder)}, ${JSON.stringify(command)}, process.env)
    while (kept.pid() === null || (${command === stubborn} && kept.output() === "")) await delay(20)
    console.log(JSON.stringify({ pid: kept.pid() }))
    ${afterwards}
  `)
}

describe("keepProcess", () => {
  it.each([
    ["is killed", waits, "SIGKILL"],
    ["is interrupted", waits, "SIGINT"],
    ["is terminated", waits, "SIGTERM"],
    ["throws", `setTimeout(() => { throw new Error("on purpose") }, 50)`, null],
    ["calls process.exit", "process.exit(0)", null],
    ["forgets about it", "", null],
  ] as const)("leaves neither process nor folder behind when its parent %s", async (_, afterwards, signal) => {
    const folder = newFolder()
    const { parent, printed } = await parentOf(ordinary, folder, afterwards)
    if (signal !== null) parent.kill(signal)
    await untilGone(printed.pid)
    await expect.poll(() => existsSync(folder)).toBe(false)
  })

  it("kills a group that ignores SIGTERM", async () => {
    const { parent, printed } = await parentOf(stubborn, newFolder(), waits)
    const begin = Date.now()
    parent.kill("SIGKILL")
    await untilGone(printed.pid)
    expect(Date.now() - begin).toBeGreaterThan(4000)
  })

  it("is gone when stop() returns", async () => {
    const kept = keepProcess(newFolder(), ordinary, process.env)
    await expect.poll(kept.pid).not.toBeNull()
    await kept.stop()
    expect(exists(Number(kept.pid()))).toBe(false)
    expect(kept.hasEnded()).toBe(true)
    await kept.stop()
  })

  it("tells that a command does not exist", async () => {
    const kept = keepProcess(newFolder(), ["no-such-command-here"], process.env)
    await expect.poll(kept.hasEnded).toBe(true)
    await expect.poll(kept.output).toContain("ENOENT")
  })
})
