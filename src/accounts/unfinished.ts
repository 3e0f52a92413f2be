import type { Background } from "../keycloak/share.js"

/**
 * The queue of what calls have left to be done beside the requests: one for everything, so that a Keycloak that comes back
 * meets a few of them at a time.
 */
export interface Unfinished {
  /** False: it is full or closed, and what was to be added is given up at once. */
  readonly add: (work: UnfinishedWork) => boolean
  readonly size: () => number
  /** Gives up what is left. */
  readonly close: () => void
}

interface UnfinishedWork {
  /**
   * Does what is left, where doing it twice is doing it once. True: nothing is left. What it throws means that Keycloak can't
   * be asked at all, which uses up none of its tries.
   */
  readonly goOn: () => Promise<boolean>
  /** Nothing more will be tried, be it that all tries were made. */
  readonly giveUp: (isTriedOut: boolean) => void
}

interface Entry {
  readonly work: UnfinishedWork
  readonly since: number
  tries: number
}

const maxEntries = 1000
const maxInFlight = 4
/** Before each try of one entry: what a lost request asked for may appear yet. */
const tryAfterSeconds = [1, 5, 30, 120, 600]
/** Before the next try of any entry, while Keycloak can't be asked. */
const pauseSeconds = [1, 5, 15, 30]
const longestHostWaitSeconds = 5
const longestOutageMs = 24 * 3_600_000

/** `elapsed`: milliseconds of a clock that is never set back. */
export function createUnfinished(elapsed: () => number, background: Background): Unfinished {
  const entries = new Set<Entry>()
  const ready: Entry[] = []
  const timers = new Set<NodeJS.Timeout>()
  let inFlight = 0
  let pauses = 0
  let isPaused = false
  let isClosed = false

  /** The host is to wait for what comes soon. It would not do so for long. */
  function after(seconds: number, work: () => void): void {
    const begun = new Promise<void>(resolve => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        work()
        resolve()
      }, seconds * 1000)
      timers.add(timer.unref())
    })
    if (seconds <= longestHostWaitSeconds) background(begun)
  }

  function tryLater(entry: Entry): void {
    after(tryAfterSeconds[entry.tries] ?? 0, () => {
      ready.push(entry)
      startReady()
    })
  }

  function startReady(): void {
    // One at a time until an answer came: a Keycloak that is coming back must not meet all of them.
    while (!isPaused && inFlight < (pauses > 0 ? 1 : maxInFlight)) {
      const entry = ready.shift()
      if (entry === undefined) return
      inFlight += 1
      const going = goOn(entry).finally(() => {
        inFlight -= 1
        startReady()
      })
      background(going)
    }
  }

  async function goOn(entry: Entry): Promise<void> {
    let isDone: boolean
    try {
      isDone = await entry.work.goOn()
    } catch {
      return pause(entry) // the work itself keeps why
    }
    pauses = 0
    if (!entries.has(entry)) return
    if (isDone) entries.delete(entry)
    else again(entry)
  }

  function pause(entry: Entry): void {
    if (!entries.has(entry)) return
    if (elapsed() - entry.since < longestOutageMs) ready.push(entry)
    else giveUp(entry, false)
    if (isPaused) return
    isPaused = true
    after(pauseSeconds[pauses] ?? pauseSeconds.at(-1) ?? 0, () => {
      isPaused = false
      startReady()
    })
    pauses += 1
  }

  function again(entry: Entry): void {
    entry.tries += 1
    if (entry.tries < tryAfterSeconds.length) tryLater(entry)
    else giveUp(entry, true)
  }

  function giveUp(entry: Entry, isTriedOut: boolean): void {
    entries.delete(entry)
    entry.work.giveUp(isTriedOut)
  }

  return {
    add(work) {
      const entry = { work, since: elapsed(), tries: 0 }
      const hasRoom = !isClosed && entries.size < maxEntries
      if (hasRoom) {
        entries.add(entry)
        tryLater(entry)
      } else work.giveUp(false)
      return hasRoom
    },
    size: () => entries.size,
    close() {
      isClosed = true
      for (const timer of timers) clearTimeout(timer)
      ready.length = 0
      for (const entry of entries) giveUp(entry, false)
    },
  }
}
