import { writeFileSync } from "node:fs"
import { setPriority } from "node:os"

/**
 * Lets this process, the leader of its session, go before everything else on the machine, where it may (root).
 *
 * A thread pool whose threads have to wait for other programs wakes the main thread for each single answer, which
 * costs it more than the answer: on a busy machine that would be measured in place of the contestant.
 */
export function askForPrecedence(): void {
  try {
    setPriority(-19)
    // Linux shares the processor between sessions first: man 7 sched, "The autogroup feature".
    if (process.platform === "linux") writeFileSync("/proc/self/autogroup", "-19")
  } catch {
    // Not root, or no such feature: the rounds show how disturbed they were.
  }
}
