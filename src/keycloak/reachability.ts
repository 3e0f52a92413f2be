import { type GateError, isGateError } from "../errors.js"
import type { Endpoint, Report } from "../events.js"

/** Whether Keycloak answers, as its answers to our own requests tell; nobody asks it for that. */
export interface Reachability {
  /** A request is under way from now on; one member of what comes back hears how it ended, or none if that tells nothing. */
  readonly sent: (endpoint: Endpoint) => Attempt
  /** Whether requests to this endpoint timed out a moment ago, so that nobody need wait for a place to ask it. */
  readonly hangs: (endpoint: Endpoint) => boolean
  /** Whether what is told explains this error, so that it need not be told once more. */
  readonly explains: (error: unknown) => boolean
  /** Takes note of an error that is told elsewhere. */
  readonly note: (error: GateError) => void
  /** Counts a call that had to be refused. */
  readonly countRefused: () => void
  readonly state: () => KeycloakState
}

export interface Attempt {
  readonly answered: () => void
  readonly failed: (how: Failure, error: GateError) => void
}

/**
 * `late`: no answer in time. `lost`: no connection, or none any more. `bad`: an answer that serves nobody, such as a 502.
 * `odd`: an error of Keycloak's own, which one odd request may have caused.
 */
type Failure = "late" | "lost" | "bad" | "odd"

interface KeycloakState {
  /** `"unknown"`: nothing was asked yet. */
  readonly keycloak: "up" | "down" | "unknown"
  /** When that began. */
  readonly since: Date | null
}

export interface ReachabilityParts {
  readonly tell: Report
  /** How long a Keycloak that hung is taken for one that hangs. */
  readonly timeoutMs: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** An endpoint that fails. */
interface Failing {
  readonly isSilent: boolean
  readonly isLate: boolean
  /** Only its own answer ends it: others were answered meanwhile. */
  isAlone: boolean
  /** The turn of the last failure. */
  readonly failedAt: number
  askedAtMs: number
}

interface Outage {
  readonly since: Date
  readonly beganMs: number
  refused: number
}

/** So many odd errors in a row are bad answers. */
const oddOnesOfOutage = 3
const forgottenAfterMs = 60_000
// An outage that begins that soon after another one is of a Keycloak that comes and goes.
const restlessMs = 600_000
const calmOutages = 3
const longestCalmMs = 300_000

/**
 * One outage is told once, and its end once, in whatever order the requests of it end.
 *
 * - A failure begins it, or the third odd error in a row. Not where the endpoint has answered a request that was sent
 *   later, nor where the request is of an outage that is over.
 * - An answer ends the failing of its own endpoint, if its request was sent after the last failure. It ends the silence of
 *   all others too. It ends their bad answers where its own endpoint was failing as well: all of it is back.
 * - An endpoint that fails while others answer fails alone. Then its own answer ends that, or that nobody has asked it for
 *   a minute.
 * - The outage is over when no endpoint fails. After three outages in a row, each within ten minutes of the one before,
 *   nothing may have failed for a while either: for 10 s, and twice as long each time. So a Keycloak of which every second
 *   answer is bad is one long outage.
 */
export function createReachability({ tell, timeoutMs, now, elapsed }: ReachabilityParts): Reachability {
  // Turns instead of times: of two events in one millisecond it must be clear which came first.
  let turn = 0
  const answeredAt = new Map<Endpoint, number>()
  let lastAnswer = 0
  let overAt = 0
  const failing = new Map<Endpoint, Failing>()
  /** Their silence was ended by another endpoint's answer; if it goes on, they fail alone. */
  const doubtful = new Set<Endpoint>()
  const oddInARow = new Map<Endpoint, number>()
  const told = new WeakSet<GateError>()
  let outage: Outage | null = null
  let upSince: Date | null = null
  let overMs = Number.NEGATIVE_INFINITY
  let failedMs = Number.NEGATIVE_INFINITY
  let outagesInARow = 0

  function answered(endpoint: Endpoint, began: number): void {
    if (upSince === null && outage === null) upSince = new Date(now())
    oddInARow.delete(endpoint)
    answeredAt.set(endpoint, Math.max(began, answeredAt.get(endpoint) ?? 0))
    lastAnswer = Math.max(began, lastAnswer)
    const own = failing.get(endpoint)
    const isBack = own !== undefined && began > own.failedAt
    if (own === undefined || isBack) doubtful.delete(endpoint)
    if (outage === null) return
    if (isBack) failing.delete(endpoint)
    for (const [other, { isSilent, isAlone, failedAt, askedAtMs }] of failing) {
      if (other === endpoint) continue
      const isHealed = began > failedAt && !isAlone && (isSilent || isBack)
      if (isHealed || elapsed() - askedAtMs > forgottenAfterMs) {
        failing.delete(other)
        doubtful.add(other)
      }
    }
    for (const [other, one] of failing) if (other !== endpoint && began > one.failedAt) one.isAlone = true
    if (failing.size === 0 && elapsed() - failedMs >= calmMs(outagesInARow)) end(outage)
  }

  function failed(endpoint: Endpoint, began: number, how: Failure, error: GateError): void {
    if (began < overAt) {
      told.add(error)
      return
    }
    if (began < (answeredAt.get(endpoint) ?? 0) || isLone(endpoint, how)) return
    told.add(error)
    const isSilent = how === "late" || how === "lost"
    const isAlone = isSilent ? lastAnswer > began || doubtful.has(endpoint) : failing.get(endpoint)?.isAlone === true
    turn += 1
    failing.set(endpoint, { isSilent, isLate: how === "late", isAlone, failedAt: turn, askedAtMs: elapsed() })
    // Now all of Keycloak is silent.
    if (isSilent && !isAlone) for (const one of failing.values()) if (one.isSilent) one.isAlone = false
    failedMs = elapsed()
    if (outage === null) begin(error)
  }

  function isLone(endpoint: Endpoint, how: Failure): boolean {
    const inARow = how === "odd" ? (oddInARow.get(endpoint) ?? 0) + 1 : oddOnesOfOutage
    oddInARow.set(endpoint, inARow)
    return inARow < oddOnesOfOutage
  }

  function begin(error: GateError): void {
    outagesInARow = failedMs - overMs < restlessMs ? outagesInARow + 1 : 1
    outage = { since: new Date(now()), beganMs: failedMs, refused: 0 }
    tell({ type: "keycloak_down", endpoints: [...failing.keys()], since: outage.since, error })
  }

  function end({ since, beganMs, refused }: Outage): void {
    turn += 1
    overAt = turn
    overMs = elapsed()
    outage = null
    upSince = new Date(now())
    const downSeconds = Math.round(overMs - beganMs) / 1000
    tell({ type: "keycloak_up", downSince: since, downSeconds, refused })
  }

  function isKnown(error: unknown): boolean {
    if (!isGateError(error) || error.code !== "keycloak_unavailable") return false
    return outage !== null || told.has(error) || isKnown(error.cause)
  }

  return {
    sent(endpoint) {
      turn += 1
      const began = turn
      const own = failing.get(endpoint)
      if (own !== undefined) own.askedAtMs = elapsed()
      return {
        answered: () => answered(endpoint, began),
        failed: (how, error) => failed(endpoint, began, how, error),
      }
    },
    hangs(endpoint) {
      if (elapsed() - failedMs >= timeoutMs) return false
      return [...failing].some(([other, { isLate, isAlone }]) => isLate && (other === endpoint || !isAlone))
    },
    explains: isKnown,
    note: error => told.add(error),
    countRefused() {
      if (outage !== null) outage.refused += 1
    },
    state: () =>
      outage === null
        ? { keycloak: upSince === null ? "unknown" : "up", since: upSince }
        : { keycloak: "down", since: outage.since },
  }
}

/** How long nothing may have failed before the last of so many outages counts as over. */
function calmMs(outagesInARow: number): number {
  const tooMany = outagesInARow - calmOutages
  return tooMany <= 0 ? 0 : Math.min(10_000 * 2 ** (tooMany - 1), longestCalmMs)
}
