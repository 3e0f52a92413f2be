import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { type AddressInfo, connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

/** A real Redis on a free loopback port, which forgets everything when it ends. */
export interface TestRedis {
  readonly port: number
  readonly url: string
  /** SIGKILL. */
  readonly kill: () => Promise<void>
  /** A new one, empty, on the same port. */
  readonly restart: () => Promise<void>
  /** It keeps its connections, and answers nothing until `thaw`. */
  readonly freeze: () => void
  readonly thaw: () => void
  readonly stop: () => Promise<void>
}

/** `more`: further arguments of `redis-server`. */
export async function startRedis(...more: readonly string[]): Promise<TestRedis> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), "redis-"))
  let server: ChildProcess | null = null

  async function start(): Promise<void> {
    const memoryOnly = ["--save", "", "--appendonly", "no", "--dir", folder]
    const args = ["--port", String(port), "--bind", "127.0.0.1", ...memoryOnly, ...more]
    const started = spawn("redis-server", args, { stdio: "ignore" })
    const failed = once(started, "error").then(([error]) => {
      throw new Error(`NO REDIS: redis-server could not be started (${error}). Install it, so that it is on the PATH.`)
    })
    server = started
    await Promise.race([answers(port), failed])
  }

  async function kill(): Promise<void> {
    if (server === null) return
    const ended = once(server, "exit")
    server.kill("SIGKILL")
    server = null
    await ended
  }

  await start()
  const onExit = () => server?.kill("SIGKILL")
  process.once("exit", onExit)
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: start,
    freeze: () => void server?.kill("SIGSTOP"),
    thaw: () => void server?.kill("SIGCONT"),
    async stop() {
      await kill()
      process.off("exit", onExit)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1")
    const isThere = await new Promise<boolean>(resolve => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    })
    socket.destroy()
    if (isThere) return
    await delay(20)
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, "close")
  return port
}
