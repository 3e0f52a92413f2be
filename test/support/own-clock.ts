import { setTimeout as delay } from "node:timers/promises"

/** Milliseconds that this process had for its work. */
export interface OwnClock {
  readonly now: () => number
  readonly stop: () => void
}

const tickMs = 10
const mostMs = tickMs + 5

/**
 * A clock for limits of time that stands still while the machine is busy with others.
 *
 * Its timer comes late then, and so do the timers that end a wait. A tick counts for little more than it should take.
 */
export function startOwnClock(): OwnClock {
  let own = 0
  let last = performance.now()
  const now = (): number => {
    const real = performance.now()
    own += Math.min(real - last, mostMs)
    last = real
    return own
  }
  const ticking = setInterval(now, tickMs)
  return { now, stop: () => clearInterval(ticking) }
}

/** What work comes to, and how long it took by a clock of its own. */
export async function inOwnTime<Result>(
  work: Promise<Result>,
): Promise<{ readonly ms: number; readonly result: Result }> {
  const clock = startOwnClock()
  try {
    const result = await work
    return { ms: clock.now(), result }
  } finally {
    clock.stop()
  }
}

/** Milliseconds of such a clock until this is so. */
export async function ownTimeUntil(isSo: () => Promise<boolean>): Promise<number> {
  const clock = startOwnClock()
  while (!(await isSo())) await delay(20)
  clock.stop()
  return clock.now()
}
