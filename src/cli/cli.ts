import { inQuotes } from "../foreign-text.js"
import { doctor } from "./doctor.js"
import { init } from "./init.js"
import { store } from "./store.js"
import type { Command, Terminal } from "./terminal.js"

/** The first argument names one of these. */
const commands: Readonly<Record<string, Command>> = {
  init,
  doctor,
  store,
}

/** Runs one command and gives its exit code. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = "--help", ...rest] = args
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined && !rest.includes("--help")) return command.run(rest, terminal)
  const isAsked = command !== undefined || name === "--help"
  const print = isAsked ? terminal.print : terminal.printError
  if (!isAsked) print(`There is no command ${inQuotes(name)}.\n`)
  const all = command === undefined ? Object.values(commands) : [command]
  print(["Usage:", ...all.map(({ usage }) => usage)].join("\n"))
  return isAsked ? 0 : 2
}
