/**
 * Runs a server in a process group of its own and ends that group when the one who asked for it is gone, for whatever
 * reason: `node keeper.ts <folder to remove afterwards> <command> <arguments…>`, with an IPC channel to the asker.
 * The channel closes even when the asker is killed with SIGKILL, which no handler inside the asker could notice.
 */
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"

const graceMilliseconds = 5000
const [folder = "", command = "", ...args] = process.argv.slice(2)
let stopping = false

const server = spawn(command, args, { detached: true, stdio: ["ignore", "inherit", "inherit"] })

server.on("error", error => {
  process.stderr.write(`${error.message}\n`)
  finish(127)
})
server.on("exit", code => {
  signalGroup("SIGKILL") // what the leader of the group may have left behind
  finish(stopping ? 0 : (code ?? 1))
})

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop)
process.on("disconnect", stop)
process.send?.({ pid: server.pid })

function stop(): void {
  if (stopping) return
  stopping = true
  signalGroup("SIGTERM")
  setTimeout(() => signalGroup("SIGKILL"), graceMilliseconds)
}

function signalGroup(signal: "SIGTERM" | "SIGKILL"): void {
  if (server.pid === undefined) return
  try {
    process.kill(-server.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

function finish(code: number): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code)
}
