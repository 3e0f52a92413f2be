import { type GateError, invalidToken } from "../../errors.js"
import type { Report } from "../../events.js"
import { unreachable } from "../../keycloak/network-error.js"
import type { Background } from "../../keycloak/share.js"
import type { Claims } from "../claims.js"
import { type Introspect, namesClient, notForUs, revoked } from "./introspection.js"

/** Looks at Keycloak's verdicts on the sessions of verified tokens, beside the requests and never in their way. */
export interface Recheck {
  /**
   * Notes a verified token, so that Keycloak is asked about it when that is due.
   *
   * @throws {GateError} `invalid_token` with reason `revoked` (or `audience`) for what was found inactive before, and
   * `expired` for what only the tolerance keeps alive once Keycloak's last word on it is too old
   */
  readonly see: (claims: Claims, text: string) => void
  /** Whether a token that was seen before is neither due nor refused. */
  readonly isQuiet: (claims: Claims) => boolean
  /** How many questions wait for their turn. */
  readonly backlog: () => number
  readonly close: () => void
}

export interface RecheckParts {
  readonly introspect: Introspect
  readonly introspectionUrl: string
  readonly clientId: string
  readonly recheckSeconds: number
  readonly background: Background
  readonly report: Report
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** A session of one client, or a token that has none. Its moments are by `elapsed`. */
interface Session {
  readonly key: string
  /** When the last question was sent whose answer told of the session. */
  askedAt: number
  isAsking: boolean
  /** How often an "inactive" cast doubt on all its tokens; each of them is then asked about at once. */
  doubts: number
  /** Tokens that were last known to be active before this are refused until they are asked about. */
  trustedSince: number
  ending: Ending | null
}

/** A token that should have been active was not. Either its session has ended, or this token alone was revoked. */
interface Ending {
  /** Seconds since 1970. Tokens issued until then are refused, but for those that were found active since. */
  readonly endedAt: number
  /** Which of the session's doubts this is. */
  readonly doubt: number
  /** Seconds since 1970: when the last of these tokens expires, as far as can be known. */
  until: number
}

/** What was heard of one token. Its moments are by `elapsed`. */
interface Token {
  readonly session: Session
  askedAt: number
  /** The last moment at which Keycloak is known to have taken it for active; it did so when it issued the token. */
  activeAt: number
  wasActive: boolean
  /** After how many doubts it was last asked about, and last found active. */
  askedIn: number
  activeIn: number
  /** In that time it is neither due nor refused, unless the doubts of all sessions are more than these. */
  quietSince: number
  quietUntil: number
  quietIn: number
  /** Why it is refused whatever becomes of its session. */
  found: "revoked" | "audience" | null
}

interface Question {
  readonly token: Token
  readonly claims: Claims
  readonly text: string
}

// Keycloak answers thousands of these in a second; several processes share it with people who log in.
const callsPerSecond = 50
const maxInFlight = 8
// Only verified tokens get this far, so a bound is met by that many real sessions, not by a flood of forged tokens.
const maxQuestions = 1000
const maxSessions = 50_000
const maxTokens = 50_000
const maxEndings = 50_000
// Above what `clockToleranceSeconds` may add to a token's life.
const maxToleranceSeconds = 300
// By Keycloak's clock a token may have expired that much earlier, also because a question takes time.
const lastSeconds = 5
const never = Number.NEGATIVE_INFINITY

/**
 * Bounded staleness for local verification: a token in use is asked about every `recheckSeconds`, and refused once
 * Keycloak has called it inactive.
 *
 * Each token is asked about, since one can be revoked alone. What is found of one counts for its session: those issued
 * before are refused at once, and let in again one by one as Keycloak calls them active. An "inactive" that has another
 * cause than the session's end ends nothing: a token of others, or one in its last seconds. The latter still casts doubt
 * on tokens that nobody has asked about for `recheckSeconds`.
 *
 * The last verdict stays while Keycloak can't be asked. A session is the one of one client (`azp`): Keycloak ends it for
 * each client on its own.
 *
 * @see RFC 7662
 */
export function createRecheck(parts: RecheckParts): Recheck {
  const { introspect, introspectionUrl, clientId, recheckSeconds, background, report, now, elapsed } = parts
  const intervalMs = recheckSeconds * 1000
  // Requests take one look-up: claims that are remembered with their principal lead to their token.
  const known = new WeakMap<Claims, Token>()
  const tokens = new Map<string, Token>()
  const sessions = new Map<string, Session>()
  // Apart from the living, and from the cache of verified tokens, so that neither can push an ended one out.
  const endedSessions = new Map<string, Session>()
  /** What waits to be sent. Sessions take turns, so that one with many tokens keeps no other waiting. */
  const questions = new Map<Session, Map<Token, Question>>()
  let waiting = 0
  /** Of all sessions. */
  let doubts = 0
  let sentAt: number[] = []
  let inFlight = 0
  let timer: NodeJS.Timeout | null = null
  let failing: string | null = null
  /** Seconds that Keycloak's clock is ahead of ours, as its newest tokens show. */
  let ahead = 0

  function see(claims: Claims, text: string): void {
    if (isQuiet(claims)) return
    const token = known.get(claims) ?? tokenOf(claims, text)
    const at = elapsed()
    const refused = whyRefused(token, claims)
    if (isDue(token, refused !== null)) {
      if (!isExpired(claims)) ask({ token, claims, text })
      else if (refused === null && ageOf(token.activeAt) > intervalMs) throw expired()
    } else if (refused === null) {
      token.quietIn = doubts
      token.quietSince = at
      token.quietUntil = Math.min(token.session.askedAt, lastHeardOf(token)) + intervalMs
    }
    if (refused === null) return
    const { ending } = token.session
    if (ending !== null) ending.until = Math.max(ending.until, claims.exp)
    throw refused === "audience" ? notForUs(clientId) : revoked()
  }

  function isQuiet(claims: Claims): boolean {
    const token = known.get(claims)
    if (token === undefined || token.quietIn !== doubts) return false
    const at = elapsed()
    return at < token.quietUntil && at >= token.quietSince
  }

  function whyRefused(token: Token, claims: Claims): Token["found"] {
    if (token.found !== null) return token.found
    return token.activeAt < token.session.trustedSince || isEnded(token, claims) ? "revoked" : null
  }

  function isEnded({ session: { ending }, activeIn }: Token, claims: Claims): boolean {
    return ending !== null && activeIn < ending.doubt && issuedAt(claims) <= ending.endedAt
  }

  function isDue(token: Token, isRefused: boolean): boolean {
    if (token.askedIn !== token.session.doubts) return true
    if (isRefused) return ageOf(token.askedAt) >= intervalMs
    return ageOf(token.session.askedAt) >= intervalMs || ageOf(lastHeardOf(token)) > intervalMs
  }

  function ageOf(moment: number): number {
    const age = elapsed() - moment
    return age < 0 ? Number.POSITIVE_INFINITY : age
  }

  // Keycloak calls it inactive for that alone.
  function isExpired({ exp }: Claims): boolean {
    return exp * 1000 <= now()
  }

  function tokenOf(claims: Claims, text: string): Token {
    const { key, id } = namesOf(claims, text)
    const token = tokens.get(id) ?? newToken(id, sessionOf(key), claims)
    known.set(claims, token)
    return token
  }

  function newToken(id: string, session: Session, claims: Claims): Token {
    ahead = Math.max(ahead, issuedAt(claims) - now() / 1000)
    const activeAt = elapsed() - (keycloakSeconds() - issuedAt(claims)) * 1000
    const token = {
      session,
      askedAt: never,
      activeAt,
      wasActive: false,
      askedIn: 0,
      activeIn: 0,
      found: null,
      quietSince: 0,
      quietUntil: 0,
      quietIn: 0,
    }
    keep(tokens, maxTokens, id, token)
    return token
  }

  function sessionOf(key: string): Session {
    const session = endedSessions.get(key) ?? sessions.get(key)
    if (session !== undefined) return session
    const unknown = { key, askedAt: never, isAsking: false, doubts: 0, trustedSince: never, ending: null }
    keep(sessions, maxSessions, key, unknown)
    return unknown
  }

  function ask(question: Question): void {
    const { token } = question
    const ofSession = questions.get(token.session)
    // Half of the places are for the first question about a session. Who finds none stays due.
    if (waiting >= (ofSession === undefined ? maxQuestions : maxQuestions / 2) || ofSession?.has(token)) return
    waiting += 1
    if (ofSession === undefined) questions.set(token.session, new Map([[token, question]]))
    else ofSession.set(token, question)
    send()
  }

  /** Sends what is due, oldest first, as far as the budget goes; the rest has its turn when the budget allows it. */
  function send(): void {
    const at = elapsed()
    sentAt = sentAt.filter(sent => sent <= at && at - sent < 1000)
    for (const [session, ofSession] of questions) {
      if (session.isAsking) continue
      if (inFlight >= maxInFlight) return // the next answer goes on
      if (sentAt.length >= callsPerSecond) {
        sendLater()
        return
      }
      const question = ofSession.values().next().value as Question
      const { token, claims } = question
      waiting -= 1
      ofSession.delete(token)
      questions.delete(session)
      if (ofSession.size > 0) questions.set(session, ofSession)
      // Another answer may have made it needless.
      if (isExpired(claims) || !isDue(token, whyRefused(token, claims) !== null)) continue
      sentAt.push(at)
      background(look(question, at))
    }
  }

  function sendLater(): void {
    timer ??= setTimeout(() => {
      timer = null
      send()
    }, 1000 / callsPerSecond).unref()
  }

  async function look(question: Question, at: number): Promise<void> {
    const { token, text } = question
    const { session } = token
    inFlight += 1
    session.isAsking = true
    token.askedAt = at
    token.askedIn = session.doubts
    try {
      const { active } = await introspect(text)
      failing = null
      if (active) foundActive(token)
      else foundInactive(question)
    } catch (error) {
      session.askedAt = at
      failed(unreachable(introspectionUrl, error))
    } finally {
      inFlight -= 1
      session.isAsking = false
      send()
    }
  }

  function foundActive(token: Token): void {
    const { session, askedAt } = token
    session.askedAt = askedAt
    token.activeAt = askedAt
    token.activeIn = session.doubts
    token.wasActive = true
    token.found = null
  }

  function foundInactive({ token, claims }: Question): void {
    const { session } = token
    const isNew = token.found === null && !isEnded(token, claims)
    const isForUs = token.wasActive || namesClient(claims.aud, clientId)
    token.found = isForUs ? "revoked" : "audience"
    token.quietUntil = never
    // Keycloak calls every token inactive that is not for us. A lightweight one does not show whom it is for.
    if (!isNew || (!isForUs && claims.aud !== undefined)) return
    doubts += 1
    session.doubts += 1
    token.askedIn = session.doubts
    if (isForUs && claims.exp - lastSeconds > keycloakSeconds()) end(session, claims)
    else session.trustedSince = elapsed() - intervalMs
  }

  function end(session: Session, { iat, exp }: Claims): void {
    const endedAt = keycloakSeconds()
    session.ending = { endedAt, doubt: session.doubts, until: exp + endedAt - (iat ?? endedAt) }
    for (const [oldest, { ending }] of endedSessions) {
      const isOver = ending === null || ending.until + maxToleranceSeconds <= now() / 1000
      if (endedSessions.size < maxEndings && !isOver) break
      endedSessions.delete(oldest)
    }
    endedSessions.delete(session.key)
    endedSessions.set(session.key, session)
  }

  // At the latest: behind ours it may be as well.
  function keycloakSeconds(): number {
    return now() / 1000 + ahead
  }

  /** Told when it begins, not at every question. */
  function failed(error: GateError): void {
    if (error.code === "closed" || error.code === failing) return
    failing = error.code
    report({ type: "recheck_failed", error })
  }

  return {
    see,
    isQuiet,
    backlog: () => waiting,
    close() {
      questions.clear()
      waiting = 0
      if (timer !== null) clearTimeout(timer)
    },
  }
}

/** Seconds since 1970, by Keycloak's clock; long ago where the token does not say. */
function issuedAt({ iat }: Claims): number {
  return typeof iat === "number" ? iat : never
}

/** When Keycloak last was asked about it, or issued it. */
function lastHeardOf({ askedAt, activeAt }: Token): number {
  return Math.max(askedAt, activeAt)
}

// One login of a person can serve several clients, and Keycloak ends it for each of them on its own.
function namesOf({ sid, azp, jti }: Claims, text: string): { readonly key: string; readonly id: string } {
  // Not the whole token: one payload can have several signatures that are good (ECDSA's high-S twin).
  const name = `\n${isFilled(jti) ? jti : text.slice(0, text.lastIndexOf("."))}`
  if (!isFilled(sid)) return { key: name, id: name }
  const key = `${sid}\n${isFilled(azp) ? azp : ""}`
  return { key, id: key + name }
}

function isFilled(claim: unknown): claim is string {
  return typeof claim === "string" && claim !== ""
}

function expired(): GateError {
  return invalidToken(
    "expired",
    "Refused a token that is past its `exp`, though within `clockToleranceSeconds`: Keycloak called it active last before " +
      "`recheckSeconds`, and calls every expired token inactive.",
  )
}

function keep<Value>(map: Map<string, Value>, max: number, key: string, value: Value): void {
  if (map.size >= max && !map.has(key)) dropOldest(map)
  map.set(key, value)
}

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}
