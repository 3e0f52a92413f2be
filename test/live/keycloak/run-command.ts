import { spawn } from "node:child_process"

export interface Outcome {
  /** Null when the command does not exist or was killed. */
  readonly code: number | null
  readonly output: string
}

/** Runs a command to its end; a missing command or a failure is an outcome, not an exception. */
export function runCommand(command: string, args: readonly string[], timeoutSeconds: number): Promise<Outcome> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: timeoutSeconds * 1000 })
  let output = ""
  child.stdout.on("data", chunk => {
    output += chunk
  })
  child.stderr.on("data", chunk => {
    output += chunk
  })
  return new Promise(resolve => {
    child.on("error", error => resolve({ code: null, output: error.message }))
    child.on("close", code => resolve({ code, output }))
  })
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n")
}
