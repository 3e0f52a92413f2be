import { setMaxListeners } from "node:events"
import { setTimeout as delay } from "node:timers/promises"
import { GateError, isGateError } from "../errors.js"
import type { Endpoint, Report } from "../events.js"
import { type Answer, problemOf, readBody, toResponse } from "./answer.js"
import { isLost, isUnlucky, networkFailure, noAnswer, unavailable, unreachable } from "./network-error.js"
import { askOverOwnConnection } from "./own-connection.js"
import { createPlaces, type Share } from "./places.js"
import type { Attempt, Reachability } from "./reachability.js"
import { createWatchedFetch, type Sight } from "./watched-fetch.js"

/** Requests to Keycloak that end in bounded time, read a bounded body, and follow no redirect. */
export interface Transport {
  /**
   * `fetch` with the whole body read; a 429, a 5xx, a redirect or no answer in time is `keycloak_unavailable`.
   * Answers below 500 are the caller's to read.
   */
  readonly fetch: (url: string, call: Call, init?: RequestInit) => Promise<Response>
  /** @throws {GateError} `closed` when no request of this share may begin any more; by default any but a registration's */
  readonly assertOpen: (share?: Share) => void
  /** Waits before another request; rejects with `closed` as soon as none but a registration's may begin. */
  readonly pause: (ms: number) => Promise<void>
  /** Refuses and aborts everything but what a registration needs to end. */
  readonly stop: () => void
  /** Refuses and aborts everything. */
  readonly close: () => void
}

export interface Call {
  readonly endpoint: Endpoint
  readonly share: Share
  /** It may arrive twice: a question without side effects, or a change that comes to the same. */
  readonly isRepeatable: boolean
  /** A 429, a 5xx and a redirect are the caller's to read, too. */
  readonly takesEveryAnswer?: true
}

interface InFlight {
  readonly call: Call
  readonly cameAt: number
  hasPlace: boolean
}

export interface TransportParts {
  /** For the wait in line, the request, its repetition and the body of the answer together. */
  readonly timeoutMs: number
  readonly maxConcurrentRequests: number
  readonly reachability: Reachability
  readonly report: Report
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

export function createTransport(parts: TransportParts): Transport {
  const { timeoutMs, reachability, elapsed } = parts
  const places = createPlaces({ ...parts, hangs: reachability.hangs, note: reachability.note })
  // In the order in which they began.
  const inFlight = new Map<AbortController, InFlight>()
  const stopped = new AbortController()
  setMaxListeners(0, stopped.signal)
  let isRefused: (call: Call) => boolean = () => false

  function refuse(which: typeof isRefused): void {
    isRefused = which
    for (const [controller, { call }] of inFlight) if (which(call)) controller.abort(closedError())
    stopped.abort()
  }

  /** Gives back what was taken, unless it was taken away before. */
  function end(controller: AbortController): void {
    const one = inFlight.get(controller)
    inFlight.delete(controller)
    if (one?.hasPlace === true) places.leave(one.call.share)
  }

  /**
   * Takes the places of those whose time is over and who have not left: a host has cut them with the request that began
   * them, and no code of theirs runs any more.
   */
  function endLost(): void {
    for (const [controller, { cameAt }] of inFlight) {
      if (elapsed() - cameAt <= 2 * timeoutMs) return
      end(controller)
    }
  }

  function assertOpen(share: Share = "accounts"): void {
    if (isRefused({ endpoint: "admin", share, isRepeatable: false })) throw closedError()
  }

  async function pause(ms: number): Promise<void> {
    assertOpen()
    await delay(ms, undefined, { signal: stopped.signal }).catch(() => undefined)
    assertOpen()
  }

  /** One request in its share's places, with one limit for all of it. */
  async function limited(
    url: string,
    call: Call,
    init: RequestInit = {},
    sight: Sight | null = null,
  ): Promise<Response> {
    if (isRefused(call)) throw closedError()
    const controller = new AbortController()
    const { signal } = controller
    const cameAt = elapsed()
    const own: InFlight = { call, cameAt, hasPlace: false }
    let sentAt: number | null = null
    let attempt: Attempt | null = null

    function whyLate(): GateError {
      if (sentAt === null) return places.tooLate(call.share)
      if (sentAt - cameAt <= timeoutMs / 2) return noAnswer(url, `no answer within ${timeoutMs} ms`)
      // Nothing is known of Keycloak, which had too little time; nor whether it has done what it was asked for.
      const why = `no answer within ${timeoutMs} ms, most of which went by in line`
      return unavailable(url, why, undefined, places.tooLate(call.share))
    }

    const timer = setTimeout(() => controller.abort(whyLate()), timeoutMs)
    endLost()
    inFlight.set(controller, own)
    try {
      await places.enter(call, signal)
      own.hasPlace = true
      sentAt = elapsed()
      if (sight !== null) sight.sentAt = sentAt
      // Nobody answers within the last millisecond, and who is first in line may be late as well.
      if (sentAt - cameAt > timeoutMs - 1) throw places.tooLate(call.share)
      attempt = reachability.sent(call.endpoint)
      const answer = await ask(url, init, signal, call.isRepeatable)
      if (sight !== null) sight.status = answer.status
      const problem = problemOf(url, call.endpoint, answer)
      if (problem === null) attempt.answered()
      else if (problem.tells !== null) attempt.failed(problem.tells, problem.error)
      if (problem?.isThrown === true && call.takesEveryAnswer !== true) throw problem.error
      return toResponse(answer)
    } catch (thrown) {
      // fetch wraps an abort in errors of its own; its reason tells what happened.
      const error: unknown = signal.aborted ? signal.reason : thrown
      const failure = isGateError(error) ? networkFailure(error) : null
      if (failure !== null) attempt?.failed(failure, error as GateError)
      if (failure === "late") places.sendAway()
      throw error
    } finally {
      clearTimeout(timer)
      end(controller)
      // An answer that was given up leaves a connection open.
      controller.abort()
    }
  }

  return {
    fetch: createWatchedFetch(limited, elapsed),
    assertOpen,
    pause,
    stop: () => refuse(call => !outlivesStop(call)),
    close: () => refuse(() => true),
  }
}

/** A registration may need a new service token. */
function outlivesStop({ share, endpoint }: Call): boolean {
  return share === "registration" || (share === "own" && endpoint === "token")
}

async function ask(url: string, init: RequestInit, signal: AbortSignal, isRepeatable: boolean): Promise<Answer> {
  try {
    return await askOnce(url, init, signal)
  } catch (error) {
    if (signal.aborted) throw error
    if (isRepeatable && isLost(error)) return askOverOwnConnection(url, init, signal)
    if (isUnlucky(error)) return askOnce(url, init, signal)
    throw error
  }
}

async function askOnce(url: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(url, { ...init, redirect: "manual", signal }).catch((error: unknown) => {
    throw unreachable(url, error)
  })
  const { status, headers } = response
  return { status, headers, body: await readBody(url, response.body ?? []) }
}

function closedError(): GateError {
  return new GateError("closed", "This gate was closed with close(); make a new one.")
}
