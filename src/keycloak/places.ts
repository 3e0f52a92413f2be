import { GateError } from "../errors.js"
import type { Endpoint, Report } from "../events.js"
import { createLine, type Line } from "./line.js"

/**
 * Whose places a request takes, so that no kind of caller can take another's: verification of tokens, what an anonymous
 * caller causes (login, refresh, registration, password reset), the application's calls about accounts, and work beside
 * the requests. `"registration"` takes the places of anonymous callers too; apart, since `close()` lets it end. `"own"`:
 * what all of them share (keys, service token), which waits for nobody.
 */
export type Share = "verification" | "anonymous" | "registration" | "accounts" | "background" | "own"

export interface Places {
  /**
   * Resolves with a place: at once where one is free, else after those who came before.
   *
   * @throws {GateError} `keycloak_unavailable` with reason `overload` when nobody may wait; the signal's reason
   */
  readonly enter: (request: Request, signal: AbortSignal) => Promise<void>
  readonly leave: (share: Share) => void
  /** Sends those away who wait to ask an endpoint that hangs. */
  readonly sendAway: () => void
  /** The error for a request whose place came too late. */
  readonly tooLate: (share: Share) => GateError
}

interface Request {
  readonly endpoint: Endpoint
  readonly share: Share
}

export interface PlacesParts {
  readonly maxConcurrentRequests: number
  readonly timeoutMs: number
  readonly hangs: (endpoint: Endpoint) => boolean
  readonly report: Report
  /** Hears of each error that need not be told once more. */
  readonly note: (error: GateError) => void
}

const longestLine = 1000
// Beside the requests of people: they must not feel it.
const mostInBackground = 8

export function createPlaces(parts: PlacesParts): Places {
  const { maxConcurrentRequests: places, timeoutMs, hangs, report, note } = parts
  const ofAnonymous: Line<Request> = createLine(places)
  const lines: Readonly<Record<Exclude<Share, "own">, Line<Request>>> = {
    verification: createLine(places),
    anonymous: ofAnonymous,
    registration: ofAnonymous,
    accounts: createLine(places),
    background: createLine(Math.min(places, mostInBackground)),
  }
  /** Shares whose overload was told. */
  const told = new Set<Share>()

  /** Told once, until somebody need not wait again. */
  function overload(share: Share, why: string): GateError {
    const error = new GateError(
      "keycloak_unavailable",
      `This application asks Keycloak for more than it has places for (${share}): ${why}. Callers get 503. Limit what ` +
        "your callers may ask for, or raise `maxConcurrentRequests` if Keycloak can take more.",
      { reason: "overload" },
    )
    if (!told.has(share)) report({ type: "refusal", error })
    told.add(share)
    note(error)
    return error
  }

  /** Not told: the outage is. */
  function behindOthers(share: Share): GateError {
    const error = new GateError(
      "keycloak_unavailable",
      `Keycloak does not answer, and all places are taken by requests that wait for it (${share}); nobody waits behind ` +
        "them. Callers get 503, and one that finds a place asks again.",
      { reason: "overload" },
    )
    note(error)
    return error
  }

  return {
    async enter(request, signal) {
      const { share, endpoint } = request
      if (share === "own") return
      if (lines[share].take()) {
        told.delete(share)
        return
      }
      if (hangs(endpoint)) throw behindOthers(share)
      const line = lines[share]
      if (line.length() >= longestLine) throw overload(share, `${longestLine} wait in line`)
      await line.wait(request, signal)
    },
    leave(share) {
      if (share !== "own") lines[share].leave()
    },
    sendAway() {
      for (const line of Object.values(lines)) {
        line.sendAway(({ share, endpoint }) => (hangs(endpoint) ? behindOthers(share) : null))
      }
    },
    tooLate: share => overload(share, `nobody in line got a place within ${timeoutMs} ms`),
  }
}
