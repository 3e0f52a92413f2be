import type { Report } from "../events.js"
import { type Marks, markOf } from "../verify/check.js"
import { createInForce } from "./in-force.js"
import type { IssuedUntil, KeptRevocation, RevocableClaims, Revocation } from "./revocation.js"
import { createSettledSessions, type SettledSessions } from "./settled-sessions.js"

/** How a revocation came to be known. */
interface Added {
  /** Seconds since 1970; default: as long as a token can live that it is about. */
  readonly until?: number
  /**
   * What this process saw when there were fewer revocations is older than what was revoked. Default: nothing that it has seen
   * need be, since it took a while to be told.
   */
  readonly seenBefore?: number
  /** It comes from what others remember: what is in force here already is nothing new. */
  readonly isRead?: boolean
}

/** What is revoked, as far as this process knows, for one issuer. */
export interface Revocations {
  readonly issuer: string
  /** How many were ever added: whoever was looked at since the last one need not be looked at again. */
  readonly count: () => number
  readonly add: (revocation: Revocation, added?: Added) => KeptRevocation
  /** Counts on without a revocation, to tell what is seen before from what is seen after; gives the new count. */
  readonly mark: () => number
  /** Whether anything that came since this token was last let pass may be about it. On the path of every request. */
  readonly mayConcern: (token: LookedAt) => boolean
  /** What is to become of a token that was last let pass when there were `lookedAt` revocations; -1: never. */
  readonly verdictOn: (claims: RevocableClaims, lookedAt: number) => Verdict
  /** Hears of each token that is refused here, so that what refuses it is kept until the token has expired. */
  readonly refused: (claims: RevocableClaims) => void
  /** Hears of each token that is new here: one that lives longer than was thought prolongs all that is in force. */
  readonly sawToken: (claims: RevocableClaims) => void
  readonly settled: SettledSessions
  readonly all: () => Iterable<KeptRevocation>
  /** Hears of all that is new, also of what others have told; call what it returns to end that. */
  readonly onAdded: (listener: Listener) => () => void
}

interface LookedAt extends Marks {
  readonly lookedAt: number
}

type Listener = (kept: KeptRevocation) => void

/** `"doubtful"`: Keycloak is to be asked about the token. */
type Verdict = "passed" | "revoked" | "doubtful"

export interface RevocationsParts {
  readonly issuer: string
  /** How long tokens live, as far as is known. */
  readonly longestTokenSeconds: number
  readonly clockToleranceSeconds: number
  readonly report: Report
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Hears of what a refused token prolongs, or, with null, that all in force is kept longer. */
  readonly keptLonger: (kept: KeptRevocation | null) => void
  /** Whether the application counts on revocations even before the first one. */
  readonly isUsed: () => boolean
}

interface Moment extends IssuedUntil {
  readonly number: number
  readonly seenBefore: number
  readonly until: number
}

/** The most of one kind. */
const maxOfAKind = 100_000
// Tokens are issued while a logout is being delivered (26.7.4), and by a clock that may differ from ours.
const slackSeconds = 60
// Whoever missed few is compared with those alone: look-ups in large Maps cost more than the rest of the way.
const maxRecent = 256

/**
 * All that refuses a token although its signature is good: one Map a kind, looked into only for tokens that were not looked
 * at since the last revocation.
 */
export function createRevocations(parts: RevocationsParts): Revocations {
  const { issuer, clockToleranceSeconds, report, now, keptLonger, isUsed } = parts
  let longest = parts.longestTokenSeconds
  let count = 0
  let isFull = false
  let isLongTold = false
  const ids = { max: maxOfAKind, untilOf: (until: number) => until, now, dropped }
  const sessions = createInForce<number>(ids)
  const clients = createInForce<number>(ids)
  const tokens = createInForce<number>(ids)
  const subjects = createInForce<Moment>({ max: maxOfAKind, untilOf: ({ until }) => until, now, dropped })
  let everybody: Moment | null = null
  const settled = createSettledSessions()
  /** Of the last ones, in a ring by their numbers: by which mark they know their tokens, and the mark. */
  const recentKinds = new Uint8Array(maxRecent)
  const recentMarks = new Int32Array(maxRecent)
  const listeners = new Set<Listener>()

  function dropped(): void {
    if (!isFull) report({ type: "revocation_dropped", most: maxOfAKind })
    isFull = true
  }

  function untilOf(revocation: Revocation): number {
    const latest = "doubtUntil" in revocation ? Math.max(revocation.before, revocation.doubtUntil) : 0
    return Math.max(latest, now() / 1000) + longest + clockToleranceSeconds + slackSeconds
  }

  function add(revocation: Revocation, added: Added = {}): KeptRevocation {
    const kept = { revocation, until: Math.ceil(added.until ?? untilOf(revocation)) }
    if (!put(kept, added)) return kept
    countOn(revocation)
    tellLongTokens()
    for (const listener of listeners) listener(kept)
    return kept
  }

  function countOn(revocation: Revocation | null): number {
    const [kind, id] = revocation === null ? [noMark, null] : markedBy(revocation)
    recentKinds[count % maxRecent] = kind
    recentMarks[count % maxRecent] = markOf(id)
    return ++count
  }

  /** Whether it is new. */
  function put({ revocation, until }: KeptRevocation, added: Added): boolean {
    switch (revocation.kind) {
      case "session":
        return putId(sessions, revocation.session, until)
      case "client":
        return putId(clients, inSession(revocation.session, revocation.client), until)
      case "token":
        return putId(tokens, revocation.tokenId, until)
      case "subject": {
        const moment = joined(subjects.get(revocation.subject) ?? null, revocation, until, added)
        if (moment !== null) subjects.set(revocation.subject, moment)
        return moment !== null
      }
      case "issuer": {
        const moment = joined(everybody, revocation, until, added)
        everybody = moment ?? everybody
        return moment !== null
      }
    }
  }

  function putId(kind: typeof sessions, id: string, until: number): boolean {
    const before = kind.get(id)
    if (before !== undefined && before >= until) return false
    kind.set(id, until)
    if (kind.size() < maxOfAKind) isFull = false
    return before === undefined
  }

  /** Null where it is nothing new. */
  function joined(
    known: Moment | null,
    { before, doubtUntil }: IssuedUntil,
    until: number,
    { isRead = false, seenBefore = 0 }: Added,
  ): Moment | null {
    const isCovered = known !== null && before <= known.before && doubtUntil <= known.doubtUntil
    // In the same second somebody may have logged in after one logout and before the next.
    if (isCovered && (isRead || doubtUntil < known.before)) return null
    return {
      before: Math.max(before, known?.before ?? 0),
      doubtUntil: Math.max(doubtUntil, known?.doubtUntil ?? 0),
      until: Math.max(until, known?.until ?? 0),
      number: count + 1,
      seenBefore: Math.max(seenBefore, known?.seenBefore ?? 0),
    }
  }

  function verdictOn(claims: RevocableClaims, lookedAt: number): Verdict {
    const { sub, sid, azp, jti } = claims
    if (typeof jti === "string" && tokens.get(jti) !== undefined) return "revoked"
    if (typeof sid === "string") {
      if (sessions.get(sid) !== undefined) return "revoked"
      const mayBeOfClient = clients.size() > 0 && typeof azp === "string"
      if (mayBeOfClient && clients.get(inSession(sid, azp)) !== undefined) return "revoked"
    }
    const ofSubject = subjects.get(sub)
    const bySubject = ofSubject === undefined ? "passed" : verdictBy(ofSubject, claims, lookedAt)
    if (bySubject === "revoked" || everybody === null) return bySubject
    const byIssuer = verdictBy(everybody, claims, lookedAt)
    return byIssuer === "passed" ? bySubject : byIssuer
  }

  function mayConcern({ lookedAt, subjectMark, sessionMark, tokenMark }: LookedAt): boolean {
    if (lookedAt < 0 || count - lookedAt > maxRecent) return true
    for (let number = lookedAt; number < count; number++) {
      const kind = recentKinds[number % maxRecent]
      if (kind === noMark) continue
      const mark = kind === bySession ? sessionMark : kind === bySubject ? subjectMark : tokenMark
      if (kind === byNone || mark === recentMarks[number % maxRecent]) return true
    }
    return false
  }

  function verdictBy(moment: Moment, claims: RevocableClaims, lookedAt: number): Verdict {
    const { before, doubtUntil, number, seenBefore } = moment
    const issuedAt = typeof claims.iat === "number" ? Math.floor(claims.iat) : Number.NEGATIVE_INFINITY
    if (issuedAt >= before && issuedAt > doubtUntil) return "passed"
    const name = nameOf(claims)
    const aliveAt = name === null ? undefined : settled.of(name)
    if (aliveAt !== undefined && aliveAt >= number) return "passed"
    if (issuedAt < before || aliveAt === -1) return "revoked"
    if ((aliveAt ?? lookedAt) < 0 || (aliveAt ?? lookedAt) >= seenBefore) return "doubtful"
    if (name !== null) settled.ended(name)
    return "revoked"
  }

  function refused({ sid, azp, jti, exp }: RevocableClaims): void {
    const tokenEnd = exp + clockToleranceSeconds
    function keep(kind: typeof sessions, id: string, revocation: Revocation): void {
      if ((kind.get(id) ?? tokenEnd) >= tokenEnd) return
      const until = Math.ceil(tokenEnd + slackSeconds)
      kind.set(id, until)
      keptLonger({ revocation, until })
    }
    if (typeof jti === "string") keep(tokens, jti, { kind: "token", issuer, tokenId: jti })
    if (typeof sid !== "string") return
    keep(sessions, sid, { kind: "session", issuer, session: sid })
    if (typeof azp === "string")
      keep(clients, inSession(sid, azp), { kind: "client", issuer, session: sid, client: azp })
  }

  function sawToken({ iat, exp }: RevocableClaims): void {
    const life = typeof iat === "number" ? Math.ceil(exp - iat) : 0
    if (life <= longest) return
    const more = life - longest
    longest = life
    for (const kind of [sessions, clients, tokens]) kind.changeAll(until => until + more)
    subjects.changeAll(moment => ({ ...moment, until: moment.until + more }))
    if (everybody !== null) everybody = { ...everybody, until: everybody.until + more }
    if (count > 0) keptLonger(null)
    tellLongTokens()
  }

  function tellLongTokens(): void {
    const { longestTokenSeconds } = parts
    if (isLongTold || longest <= longestTokenSeconds || (count === 0 && !isUsed())) return
    isLongTold = true
    report({ type: "long_tokens", lifeSeconds: longest, longestTokenSeconds })
  }

  function* all(): Iterable<KeptRevocation> {
    for (const [session, until] of sessions.all()) yield { revocation: { kind: "session", issuer, session }, until }
    for (const [id, until] of clients.all()) {
      const [session = "", client = ""] = id.split("\n")
      yield { revocation: { kind: "client", issuer, session, client }, until }
    }
    for (const [tokenId, until] of tokens.all()) yield { revocation: { kind: "token", issuer, tokenId }, until }
    for (const [subject, { before, doubtUntil, until }] of subjects.all())
      yield { revocation: { kind: "subject", issuer, subject, before, doubtUntil }, until }
    if (everybody === null || everybody.until * 1000 <= now()) return
    const { before, doubtUntil, until } = everybody
    yield { revocation: { kind: "issuer", issuer, before, doubtUntil }, until }
  }

  return {
    issuer,
    count: () => count,
    add,
    mayConcern,
    mark: () => countOn(null),
    verdictOn,
    refused,
    sawToken,
    settled,
    all,
    onAdded(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

const [noMark, byNone, bySession, bySubject, byToken] = [0, 1, 2, 3, 4]

/** By which mark a revocation knows its tokens, and the id behind it; by none: it is about all. */
function markedBy(revocation: Revocation): [kind: number, id: string | null] {
  switch (revocation.kind) {
    case "session":
    case "client":
      return [bySession, revocation.session]
    case "subject":
      return [bySubject, revocation.subject]
    case "token":
      return [byToken, revocation.tokenId]
    case "issuer":
      return [byNone, null]
  }
}

/** By what a session is settled: a token without one stands for itself. */
export function nameOf({ sid, jti }: RevocableClaims): string | null {
  if (typeof sid === "string") return sid
  return typeof jti === "string" ? jti : null
}

function inSession(session: string, client: string): string {
  return `${session}\n${client}`
}
