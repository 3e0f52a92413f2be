import { readFileSync } from "node:fs"

/** Microseconds of processor time that this process has used so far. */
export interface CpuTime {
  /** Of the main thread: what decides how many requests one Node process serves. */
  readonly main: number
  /** Of all threads: with those that check signatures, compile and collect garbage. */
  readonly all: number
}

/** Steadier than wall time on a machine that others use too; call it in the main thread, a few hundred ms apart. */
export function cpuTime(): CpuTime {
  const { user, system } = process.cpuUsage()
  const all = user + system
  return { main: mainThreadOnLinux() ?? all, all }
}

const schedstat = `/proc/self/task/${process.pid}/schedstat`

function mainThreadOnLinux(): number | null {
  if (process.platform !== "linux") return null
  // https://docs.kernel.org/scheduler/sched-stats.html: the first number is time spent on the processor, in nanoseconds.
  return Number(readFileSync(schedstat, "latin1").split(" ")[0]) / 1000
}
