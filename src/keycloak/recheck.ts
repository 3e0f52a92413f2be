import type { Claims } from "../bearer/claims.js"
import type { GateError } from "../errors.js"
import type { Report } from "../events.js"
import { type Introspect, namesClient, notForUs, revoked } from "./introspection.js"
import { unreachable } from "./transport.js"

/** Looks at Keycloak's verdicts on the sessions of verified tokens, beside the requests and never in their way. */
export interface Recheck {
  /**
   * Notes a verified token, so that its session is asked about when that is due.
   *
   * @throws {GateError} `invalid_token` with reason `revoked` (or `audience`) for what was found inactive before
   */
  readonly see: (claims: Claims, token: string) => void
  readonly close: () => void
}

export interface RecheckOptions {
  readonly introspect: Introspect
  readonly introspectionUrl: string
  readonly clientId: string
  readonly recheckSeconds: number
  readonly clockToleranceSeconds: number
  readonly report: Report
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** One thing that Keycloak is asked about at most every `recheckSeconds`. */
interface Slot {
  askedAt: number
  isAsking: boolean
}

/** A session of one client, or a token that has none. */
interface Session extends Slot {
  readonly key: string
  wasActive: boolean
}

/** What was found inactive in one session. Its slot asks whether that still holds, since a user can be enabled again. */
interface Ending extends Slot {
  /** Tokens issued before this, in seconds since 1970, are refused unasked; null: the session lives, some tokens don't. */
  endedAt: number | null
  readonly tokens: Map<string, "revoked" | "audience">
  /** Seconds since 1970: when the last of its tokens expires. */
  until: number
}

interface Question {
  readonly session: Session
  readonly slot: Slot
  readonly claims: Claims
  readonly token: string
}

// Keycloak answers thousands of these in a second; several processes share it with people who log in.
const callsPerSecond = 50
const maxInFlight = 8
// Only verified tokens get this far, so a bound is met by that many real sessions, not by a flood of forged tokens.
const maxQuestions = 1000
const maxSessions = 50_000
const maxEndings = 50_000
const maxTokensPerEnding = 20
// Above what `clockToleranceSeconds` may add to a token's life.
const maxToleranceSeconds = 300

/**
 * Bounded staleness for local verification: a session in use is asked about every `recheckSeconds`, and refused once
 * Keycloak has called it inactive.
 *
 * The last verdict stays while Keycloak can't be asked, and holds until there is another one. A session is the one of one
 * client (`azp`): Keycloak ends it for each client on its own.
 *
 * @see RFC 7662
 */
export function createRecheck(options: RecheckOptions): Recheck {
  const { introspect, introspectionUrl, clientId, recheckSeconds, clockToleranceSeconds, report, now } = options
  const sessions = new Map<string, Session>()
  // For the path of every request: claims that are remembered with their token lead to their session in one look-up.
  const known = new WeakMap<Claims, Session>()
  // Apart from the sessions and from the cache of verified tokens, so that neither can push a refusal out.
  const endings = new Map<string, Ending>()
  const questions = new Map<Slot, Question>()
  let sentAt: number[] = []
  let inFlight = 0
  let timer: NodeJS.Timeout | null = null
  let failing: string | null = null

  function see(claims: Claims, token: string): void {
    const session = known.get(claims) ?? sessionOf(claims, token)
    const ending = endings.size === 0 ? undefined : endings.get(session.key)
    // Tokens that were found inactive have a slot of their own, so that they can't use up the one of a living session.
    const slot = ending?.tokens.has(idOf(claims, token)) ? ending : session
    if (isDue(slot)) ask({ session, slot, claims, token })
    const reason = ending && reasonIn(ending, claims, token)
    if (ending === undefined || reason === undefined) return
    ending.until = Math.max(ending.until, claims.exp)
    throw reason === "audience" ? notForUs(clientId) : revoked()
  }

  function sessionOf(claims: Claims, token: string): Session {
    const key = keyOf(claims, token)
    const session = sessions.get(key) ?? newSession(key)
    known.set(claims, session)
    return session
  }

  function newSession(key: string): Session {
    if (sessions.size >= maxSessions) dropOldest(sessions)
    const session = { key, askedAt: Number.NEGATIVE_INFINITY, isAsking: false, wasActive: false }
    sessions.set(key, session)
    return session
  }

  function isDue({ askedAt, isAsking }: Slot): boolean {
    const age = now() - askedAt
    // A negative age: the clock was set back.
    return !isAsking && (age < 0 || age >= recheckSeconds * 1000)
  }

  function ask(question: Question): void {
    if (!questions.has(question.slot) && questions.size >= maxQuestions) return // it stays due
    questions.set(question.slot, question)
    send(now())
  }

  /** Sends what is due, oldest first, as far as the budget goes; the rest has its turn when the budget allows it. */
  function send(at: number): void {
    sentAt = sentAt.filter(sent => sent <= at && at - sent < 1000)
    for (const [slot, question] of questions) {
      if (inFlight >= maxInFlight) return // the next answer goes on
      if (sentAt.length >= callsPerSecond) {
        sendLater()
        return
      }
      questions.delete(slot)
      if (question.claims.exp * 1000 <= at) continue // Keycloak calls it inactive for that alone
      sentAt.push(at)
      void look(question)
    }
  }

  function sendLater(): void {
    timer ??= setTimeout(() => {
      timer = null
      send(now())
    }, 1000 / callsPerSecond).unref()
  }

  async function look(question: Question): Promise<void> {
    const { slot, token } = question
    inFlight += 1
    slot.isAsking = true
    slot.askedAt = now()
    try {
      const { active } = await introspect(token)
      failing = null
      if (active) foundActive(question)
      else foundInactive(question)
    } catch (error) {
      failed(unreachable(introspectionUrl, error))
    } finally {
      inFlight -= 1
      slot.isAsking = false
      send(now())
    }
  }

  function foundActive({ session, claims, token }: Question): void {
    session.wasActive = true
    const ending = endings.get(session.key)
    if (ending === undefined) return
    ending.endedAt = null
    ending.tokens.delete(idOf(claims, token))
    if (ending.tokens.size === 0) endings.delete(session.key)
  }

  function foundInactive({ session, claims, token }: Question): void {
    // Keycloak calls every token inactive that is not for us: that tells nothing about its session.
    const isForUs = namesClient(claims.aud, clientId) || session.wasActive
    const ending = endings.get(session.key) ?? newEnding(session.key)
    const wasRefused = reasonIn(ending, claims, token) !== undefined
    if (ending.tokens.size >= maxTokensPerEnding) dropOldest(ending.tokens)
    ending.tokens.set(idOf(claims, token), isForUs ? "revoked" : "audience")
    ending.until = Math.max(ending.until, claims.exp)
    // By Keycloak's clock it may have expired.
    const isExpiring = claims.exp - clockToleranceSeconds <= now() / 1000
    if (!isForUs || wasRefused || isExpiring) return
    // Either the session has ended, or this token alone was revoked (RFC 7009): a token that Keycloak issues from now on,
    // or an older one that it still calls active, will tell.
    ending.endedAt = now() / 1000
    session.askedAt = Number.NEGATIVE_INFINITY
  }

  function newEnding(key: string): Ending {
    const ending = { askedAt: now(), isAsking: false, endedAt: null, tokens: new Map(), until: 0 }
    for (const [oldest, { until }] of endings) {
      if (endings.size < maxEndings && until + maxToleranceSeconds > now() / 1000) break
      endings.delete(oldest)
    }
    endings.set(key, ending)
    return ending
  }

  /** Told when it begins, not at every question. */
  function failed(error: GateError): void {
    if (error.code === "closed" || error.code === failing) return
    failing = error.code
    report({ type: "recheck_failed", error })
  }

  return {
    see,
    close() {
      questions.clear()
      if (timer !== null) clearTimeout(timer)
    },
  }
}

function reasonIn({ endedAt, tokens }: Ending, claims: Claims, token: string): "revoked" | "audience" | undefined {
  const found = tokens.get(idOf(claims, token))
  if (found !== undefined || endedAt === null) return found
  return typeof claims.iat === "number" && claims.iat > endedAt ? undefined : "revoked"
}

// One login of a person can serve several clients, and Keycloak ends it for each of them on its own.
function keyOf(claims: Claims, token: string): string {
  const { sid, azp } = claims
  return typeof sid === "string" && sid !== "" ? `${sid}\n${typeof azp === "string" ? azp : ""}` : idOf(claims, token)
}

// Not the whole token: one payload can have several signatures that are good (ECDSA's high-S twin).
function idOf({ jti }: Claims, token: string): string {
  return typeof jti === "string" && jti !== "" ? `\n${jti}` : token.slice(0, token.lastIndexOf("."))
}

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}
