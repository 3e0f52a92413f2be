import { fork } from "node:child_process"
import { writeFileSync } from "node:fs"
import { setPriority } from "node:os"
import { join } from "node:path"

/** A program of this folder in a process of its own, which answers questions one at a time. */
export interface OwnProcess {
  /** What it said when it was ready. */
  readonly said: unknown
  readonly ask: (question: unknown) => Promise<unknown>
  readonly stop: () => void
}

/**
 * Runs `file`, which calls `answerParent`, with its garbage collector at hand.
 *
 * @throws {Error} from here or `ask` when it ends before it has answered
 */
export async function startOwnProcess(file: string, argument: object): Promise<OwnProcess> {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(argument)], {
    execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
    env: { ...process.env, NODE_ENV: "production" },
    // A session of its own, for `askForPrecedence`. It ends when this process does, by its channel.
    detached: true,
  })
  function answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) =>
        reject(new Error(`${file} ended with ${code ?? "a signal"}: ${JSON.stringify(argument)}`))
      child.once("exit", ended)
      child.once("message", message => {
        child.off("exit", ended)
        resolve(message)
      })
    })
  }
  return {
    said: await answer(),
    ask(question) {
      child.send(question as object)
      return answer()
    },
    stop: () => child.disconnect(),
  }
}

/** The other side: what `startOwnProcess` was given, in the process that it has started. */
export function argumentOf<Argument>(): Argument {
  askForPrecedence()
  return JSON.parse(process.argv[2] ?? "")
}

/** Says that all is ready, and answers questions until the parent is gone. */
export function answerParent(said: unknown, answer: (question: unknown) => unknown): void {
  process.on("message", async question => process.send?.(await answer(question)))
  process.on("disconnect", () => process.exit())
  process.send?.(said)
}

/**
 * Lets this process, the leader of its session, go before everything else on the machine, where it may (root).
 *
 * A thread pool whose threads have to wait for other programs wakes the main thread for each single answer, which
 * costs it more than the answer: on a busy machine that would be measured in place of the contestant.
 */
function askForPrecedence(): void {
  try {
    setPriority(-19)
    // Linux shares the processor between sessions first: man 7 sched, "The autogroup feature".
    if (process.platform === "linux") writeFileSync("/proc/self/autogroup", "-19")
  } catch {
    // Not root, or no such feature: the rounds show how disturbed they were.
  }
}
