import { GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import type { AccountName, Accounts, FoundAccount } from "./accounts.js"

/**
 * Registrations whose account exists, or may exist, although they failed: finished when Keycloak answers again.
 *
 * Forward, never backward: a person may have logged in to the account meanwhile, and nothing in Keycloak could prove that
 * nobody did. So nothing here deletes anything, and an account that is gone, renamed or somebody else's is left alone.
 */
export interface Unfinished {
  readonly add: (registration: UnfinishedRegistration, error: GateError) => void
  readonly size: () => number
  /** Names what is left, and leaves it. */
  readonly close: () => void
}

export interface UnfinishedRegistration {
  readonly name: AccountName
  /** Null: only the stamps tell whether there is an account. */
  readonly subject: string | null
  /** The account's `createdTimestamp` is one of these. */
  readonly stamps: readonly number[]
  /** What is to be done for the account, in this order. */
  readonly missing: readonly Missing[]
}

export interface Missing {
  readonly what: "realm roles" | "row" | "verification mail"
  /** Doing it twice is doing it once. */
  readonly make: (account: FoundAccount) => Promise<unknown>
}

export interface UnfinishedOptions {
  readonly findAccount: Accounts["findAccount"]
  readonly report: Report
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

interface Entry {
  readonly name: AccountName
  readonly stamps: readonly number[]
  readonly since: number
  subject: string | null
  missing: readonly Missing[]
  looks: number
  /** Why it is not finished yet. */
  cause: unknown
}

const maxEntries = 1000
const maxInFlight = 4
/** Before each look for one account: one that is not there may appear yet. */
const lookAfterSeconds = [1, 5, 30, 120, 600]
/** Before the next look for any account, while Keycloak can't be asked. */
const pauseSeconds = [1, 5, 15, 30]
const longestOutageMs = 24 * 3_600_000

export function createUnfinished({ findAccount, report, elapsed }: UnfinishedOptions): Unfinished {
  const entries = new Set<Entry>()
  const ready: Entry[] = []
  const timers = new Set<NodeJS.Timeout>()
  let inFlight = 0
  let pauses = 0
  let isPaused = false
  let isClosed = false

  function after(seconds: number, work: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, seconds * 1000)
    timers.add(timer.unref())
  }

  function lookLater(entry: Entry): void {
    after(lookAfterSeconds[entry.looks] ?? 0, () => {
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
      look(entry).finally(() => {
        inFlight -= 1
        startReady()
      })
    }
  }

  async function look(entry: Entry): Promise<void> {
    let found: FoundAccount | null
    try {
      found = await findAccount(entry.name)
    } catch (error) {
      return pause(entry, error)
    }
    pauses = 0
    if (found === null && entry.subject === null) return again(entry)
    if (found === null || !isOf(entry, found)) return settle(entry, "absent")
    entry.subject = found.id
    await finish(entry, found)
  }

  async function finish(entry: Entry, account: FoundAccount): Promise<void> {
    const missing: Missing[] = []
    for (const one of entry.missing) {
      try {
        await one.make(account)
      } catch (error) {
        entry.cause = error
        missing.push(one)
      }
    }
    entry.missing = missing
    if (missing.length === 0) settle(entry, "finished")
    else again(entry)
  }

  /** Keycloak can't be asked, which tells nothing about the account and uses up none of its looks. */
  function pause(entry: Entry, cause: unknown): void {
    if (!entries.has(entry)) return
    entry.cause = cause
    if (elapsed() - entry.since < longestOutageMs) ready.push(entry)
    else abandon(entry)
    if (isPaused) return
    isPaused = true
    after(pauseSeconds[pauses] ?? pauseSeconds.at(-1) ?? 0, () => {
      isPaused = false
      startReady()
    })
    pauses += 1
  }

  function again(entry: Entry): void {
    if (!entries.has(entry)) return
    entry.looks += 1
    if (entry.looks < lookAfterSeconds.length) lookLater(entry)
    else if (entry.subject === null) settle(entry, "absent")
    else abandon(entry)
  }

  function settle(entry: Entry, outcome: "finished" | "absent"): void {
    if (entries.delete(entry)) report({ type: "registration_settled", outcome, subject: entry.subject })
  }

  function abandon(entry: Entry): void {
    entries.delete(entry)
    const { subject, cause } = entry
    const code = isGateError(cause) && cause.code === "keycloak_refused_us" ? cause.code : "keycloak_unavailable"
    const error = new GateError(code, abandoned(entry), { cause })
    report({ type: "registration_settled", outcome: "abandoned", subject, error })
  }

  return {
    add(registration, error) {
      const entry = { ...registration, since: elapsed(), looks: 0, cause: error }
      if (isClosed || entries.size >= maxEntries) return abandon(entry)
      entries.add(entry)
      report({ type: "registration_unsettled", subject: entry.subject, error })
      lookLater(entry)
    },
    size: () => entries.size,
    close() {
      isClosed = true
      for (const timer of timers) clearTimeout(timer)
      ready.length = 0
      for (const entry of entries) abandon(entry)
    },
  }
}

function isOf({ subject, stamps }: Entry, { id, createdTimestamp }: FoundAccount): boolean {
  return subject === null ? stamps.includes(createdTimestamp) : subject === id
}

/** Names the account without naming the person. */
function abandoned({ subject, stamps, missing }: Entry): string {
  const lacks = missing.map(({ what }) => what).join(", ")
  return subject === null
    ? "A registration was not finished, because Keycloak's answers were lost and it could not be asked again. " +
        `If there is an account with the \`createdTimestamp\` ${stamps.join(" or ")}, it may lack: ${lacks}.`
    : `The registration of account ${subject} was not finished. If the account still exists, it may lack: ${lacks}.`
}
