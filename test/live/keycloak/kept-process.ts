import { spawn } from "node:child_process"
import { once } from "node:events"
import type { Socket } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface KeptProcess {
  /** Null as long as there is none. */
  pid(): number | null
  hasEnded(): boolean
  /** The last lines it printed. */
  output(): string
  /** Returns when it is gone. */
  stop(): Promise<void>
}

const keptLines = 40

/** Runs a command below `keeper.ts`, which ends it when this process ends and then removes `folder`. */
export function keepProcess(folder: string, command: readonly string[], env: NodeJS.ProcessEnv): KeptProcess {
  const keeper = spawn(process.execPath, [join(import.meta.dirname, "keeper.ts"), folder, ...command], {
    detached: true, // Ctrl-C reaches this process's whole group; the keeper has to outlive it
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env,
  })
  const gone = once(keeper, "exit")
  const lines: string[] = []
  let pid: number | null = null

  keeper.once("message", message => {
    pid = (message as { pid?: number }).pid ?? null
  })
  for (const stream of [keeper.stdout, keeper.stderr] as Socket[]) {
    createInterface({ input: stream }).on("line", line => {
      lines.push(line)
      if (lines.length > keptLines) lines.shift()
    })
    stream.unref()
  }
  // Whoever forgets to stop the server must not hang on it: the keeper ends it.
  keeper.unref()
  keeper.channel?.unref()

  return {
    pid: () => pid,
    hasEnded: () => keeper.exitCode !== null || keeper.signalCode !== null,
    output: () => lines.join("\n"),
    stop: async () => {
      keeper.ref()
      if (keeper.connected) keeper.disconnect()
      await gone
    },
  }
}
