import { createHash } from "node:crypto"
import { splitToken } from "../keycloak/compact-token.js"
import type { Session } from "../keycloak/session.js"
import { orAnew, type Sharing } from "../keycloak/share.js"

/** Answers on their way and of a moment ago, for whoever else comes with the same refresh token. */
export interface RecentRefreshes {
  /** The session that this token is or was renewed to, with the time that is left; asks unless there is one. */
  readonly renewed: (refreshToken: string, ask: () => Promise<Session>) => Promise<Session>
  /** Forgets all sessions of a person. */
  readonly forgetSubject: (subject: string) => void
  /** Forgets the session of this token. */
  readonly forgetSession: (refreshToken: string) => void
  readonly clear: () => void
}

interface Recent extends SessionOwner {
  readonly session: Session
  /** Both by `elapsed`. */
  readonly receivedAt: number
  readonly until: number
}

interface SessionOwner {
  readonly subject: string
  readonly sessionId: string
}

interface UnderWay {
  readonly owner: SessionOwner | null
  readonly answer: Promise<Session>
  /** What was ended meanwhile. */
  readonly ended: IsEnded[]
}

type IsEnded = (owner: SessionOwner) => boolean

const maxRecent = 10_000
// Of one session within the grace: tokens that lead back to each other would go on for ever.
const maxRenewals = 100

/** `elapsed`: milliseconds of a clock that is never set back. */
export function createRecentRefreshes(
  graceSeconds: number,
  elapsed: () => number,
  { background, timeoutMs }: Sharing,
): RecentRefreshes {
  // Under the hash of the token, in the order of their end.
  const recent = new Map<string, Recent>()
  // Under the token.
  const underWay = new Map<string, UnderWay>()

  function makeRoom(): void {
    for (const [hash, { until }] of recent) {
      if (until > elapsed() && recent.size < maxRecent) return
      recent.delete(hash)
    }
  }

  function add(refreshToken: string, session: Session, ended: readonly IsEnded[]): void {
    const owner = ownerOf(session.refreshToken)
    if (graceSeconds === 0 || owner === null || ended.some(isEnded => isEnded(owner))) return
    makeRoom()
    const receivedAt = elapsed()
    recent.set(hashOf(refreshToken), { ...owner, session, receivedAt, until: receivedAt + graceSeconds * 1000 })
  }

  function forget(isEnded: IsEnded): void {
    for (const [refreshToken, { owner, ended }] of underWay) {
      ended.push(isEnded)
      // Whoever comes from now on asks anew.
      if (owner !== null && isEnded(owner)) underWay.delete(refreshToken)
    }
    for (const [hash, one] of recent) if (isEnded(one)) recent.delete(hash)
  }

  function remembered(refreshToken: string): Recent | null {
    const found = recent.get(hashOf(refreshToken))
    // A time before it was received: a test's clock has begun anew.
    return found === undefined || found.until <= elapsed() || found.receivedAt > elapsed() ? null : found
  }

  function find(refreshToken: string): Session | null {
    let found = remembered(refreshToken)
    // A third tab that still has the token before the last gets the newest session, too.
    for (let renewals = 0; found !== null && renewals < maxRenewals; renewals++) {
      const next = remembered(found.session.refreshToken)
      if (next === null || next === found) break
      found = next
    }
    return found === null ? null : lessTime(found.session, Math.ceil((elapsed() - found.receivedAt) / 1000))
  }

  function begin(refreshToken: string, ask: () => Promise<Session>): Promise<Session> {
    const ended: IsEnded[] = []
    const answer = ask()
      .then(session => {
        add(refreshToken, session, ended)
        return session
      })
      .finally(() => {
        if (underWay.get(refreshToken)?.ended === ended) underWay.delete(refreshToken)
      })
    underWay.set(refreshToken, { owner: ownerOf(refreshToken), answer, ended })
    background(answer)
    return answer
  }

  return {
    async renewed(refreshToken, ask) {
      const known = find(refreshToken)
      if (known !== null) return known
      const asked = underWay.get(refreshToken)
      if (asked === undefined) return begin(refreshToken, ask)
      return orAnew(asked.answer, timeoutMs, () => {
        const current = underWay.get(refreshToken)
        return current === undefined || current === asked ? begin(refreshToken, ask) : current.answer
      })
    },
    forgetSubject: subject => forget(owner => owner.subject === subject),
    forgetSession(refreshToken) {
      const sessionId = ownerOf(refreshToken)?.sessionId
      if (sessionId !== undefined) forget(owner => owner.sessionId === sessionId)
    },
    clear: () => recent.clear(),
  }
}

/** Null where an access or refresh token would have ended by now. */
function lessTime(session: Session, passedSeconds: number): Session | null {
  const expiresInSeconds = session.expiresInSeconds - passedSeconds
  const endless = session.refreshExpiresInSeconds === 0
  const refreshExpiresInSeconds = endless ? 0 : session.refreshExpiresInSeconds - passedSeconds
  if (expiresInSeconds <= 0 || (!endless && refreshExpiresInSeconds <= 0)) return null
  return { ...session, expiresInSeconds, refreshExpiresInSeconds }
}

/** Whose session a refresh token of Keycloak's belongs to, and which; null for a text that does not say both. */
function ownerOf(refreshToken: string): SessionOwner | null {
  try {
    const { sub, sid } = splitToken(refreshToken).payload
    return typeof sub === "string" && typeof sid === "string" ? { subject: sub, sessionId: sid } : null
  } catch {
    return null
  }
}

function hashOf(refreshToken: string): string {
  return createHash("sha256").update(refreshToken).digest("base64url")
}
