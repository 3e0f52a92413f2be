import { readFileSync } from "node:fs"

/** Microseconds of processor time that this process has used so far. */
export interface CpuTime {
  /** Of the main thread: what decides how many requests one Node process serves. */
  readonly main: number
  /** Of all threads: with those that check signatures, compile and collect garbage. */
  readonly all: number
}

/**
 * Steadier than wall time on a machine that others use too; call it in the main thread, some 100 ms apart.
 *
 * Node 22 can't tell the main thread's time but on Linux: elsewhere it stands for all threads there.
 */
export function cpuTime(): CpuTime {
  const all = sum(process.cpuUsage())
  return { main: process.platform === "linux" ? onLinux() : sum(process.threadCpuUsage?.() ?? process.cpuUsage()), all }
}

const schedstat = `/proc/self/task/${process.pid}/schedstat`

/** https://docs.kernel.org/scheduler/sched-stats.html: the first number is time spent on the processor, in nanoseconds. */
function onLinux(): number {
  return Number(readFileSync(schedstat, "latin1").split(" ")[0]) / 1000
}

function sum({ user, system }: NodeJS.CpuUsage): number {
  return user + system
}
