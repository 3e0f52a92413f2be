import type { KeptRevocation, Revocation } from "../sessions/revocation.js"

/** What of the names of a realm's keys and channels begins with the prefix; documented in docs/ended-sessions.md. */
export interface RedisNames {
  /** The sorted set: a member a revocation, its score the second until which it is kept. */
  readonly revoked: string
  /** The channel of what is new. */
  readonly news: string
  readonly logoutToken: (jti: string) => string
}

/** One hash tag, so that all keys of a realm are on one server. */
export function namesOf(prefix: string, issuer: string): RedisNames {
  const realm = `${prefix}:{${issuer}}`
  return { revoked: `${realm}:revoked`, news: `${realm}:news`, logoutToken: jti => `${realm}:logout-token:${jti}` }
}

/** Kind and value of a revocation, as a JSON list. */
export function toMember(revocation: Revocation): string {
  return JSON.stringify(partsOf(revocation))
}

function partsOf(revocation: Revocation): readonly (string | number)[] {
  const { kind } = revocation
  switch (kind) {
    case "session":
      return [kind, revocation.session]
    case "client":
      return [kind, revocation.session, revocation.client]
    case "token":
      return [kind, revocation.tokenId]
    case "subject":
      return [kind, revocation.subject, revocation.before, revocation.doubtUntil]
    case "issuer":
      return [kind, revocation.before, revocation.doubtUntil]
  }
}

const longestMember = 4096
// A hundred years: later than any token, and none of what a number can be that is no moment.
const longestSeconds = 3_155_760_000

/** Null for what is none: others may write into this Redis, too. */
export function readKept(member: string, score: string, issuer: string): KeptRevocation | null {
  const until = momentOf(Number(score))
  if (until === null || member.length > longestMember) return null
  const revocation = readRevocation(parsed(member), issuer)
  return revocation === null ? null : { revocation, until }
}

function readRevocation(parts: unknown, issuer: string): Revocation | null {
  if (!Array.isArray(parts)) return null
  const [kind, ...values] = parts
  const [one, other] = values
  if (kind === "issuer") {
    const [before, doubtUntil] = values.map(momentOf)
    return isMoment(before) && isMoment(doubtUntil) ? { kind, issuer, before, doubtUntil } : null
  }
  if (!isId(one)) return null
  if (kind === "session") return { kind, issuer, session: one }
  if (kind === "token") return { kind, issuer, tokenId: one }
  if (kind === "client") return isId(other) ? { kind, issuer, session: one, client: other } : null
  if (kind !== "subject") return null
  const [before, doubtUntil] = values.slice(1).map(momentOf)
  return isMoment(before) && isMoment(doubtUntil) ? { kind, issuer, subject: one, before, doubtUntil } : null
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== ""
}

function momentOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && Math.abs(value) < longestSeconds ? value : null
}

function isMoment(value: number | null | undefined): value is number {
  return typeof value === "number"
}

/** What a process has told the others: what came to be in Redis by its write. */
export interface News {
  readonly from: string
  /** Whether it was revoked just now, rather than written again after an outage. */
  readonly isNew: boolean
  /** Null for what is none. */
  readonly kept: readonly (KeptRevocation | null)[]
}

/** Null for a message that is none of ours. */
export function readNews(message: string, issuer: string): News | null {
  const news = parsed(message) as { from?: unknown; how?: unknown; kept?: unknown } | null | undefined
  if (!Array.isArray(news?.kept) || typeof news.from !== "string") return null
  const texts = news.kept.map(String)
  const kept: (KeptRevocation | null)[] = []
  for (let at = 0; at < texts.length; at += 2) kept.push(readKept(texts[at + 1] ?? "", texts[at] ?? "", issuer))
  return { from: news.from, isNew: news.how === "new", kept }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // foreign text, which is told as such
  }
}
