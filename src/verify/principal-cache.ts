import { newlyProven, type Proven } from "./check.js"
import type { Claims } from "./claims.js"
import type { Principal } from "./principal.js"

/** Principals of tokens that were verified before, found by the very header that brought them. */
export interface PrincipalCache {
  /** The principal of this header, if its token is still valid and its key still published. */
  readonly find: (header: string) => Proven | null
  /** Remembers a principal whose token was verified in full; nothing else may enter. */
  readonly add: (header: string, principal: Principal<null>, claims: Claims, key: object) => Proven
}

export interface PrincipalCacheParts {
  /** 0 remembers nothing. */
  readonly maxTokens: number
  readonly clockToleranceSeconds: number
  /** Whether the realm still publishes this key; without a request. */
  readonly isPublished: (key: object) => boolean
  /** Milliseconds since 1970. */
  readonly now: () => number
}

interface Entry extends Proven {
  readonly index: number
  readonly header: string
  readonly key: object
  /** Seconds since 1970: whole ones take no memory of their own. */
  readonly validFrom: number
  readonly validUntil: number
  /** Where in the clock's round. */
  readonly place: number
  wasUsed: boolean
}

/**
 * A bounded cache without any hashing of its own: a signature is noise, so 30 bits of its end are the index, and then the
 * whole header is compared. Two tokens that share an index push each other out; none is ever taken for the other.
 *
 * When it is full, the hand of a clock goes round and takes the first entry that was not used since it last came by.
 */
export function createPrincipalCache(parts: PrincipalCacheParts): PrincipalCache {
  const { maxTokens, clockToleranceSeconds, isPublished, now } = parts
  const entries = new Map<number, Entry>()
  const round: Entry[] = []
  let hand = 0

  function freePlace(): number {
    if (round.length < maxTokens) return round.length
    for (;;) {
      const place = hand
      hand = (hand + 1) % maxTokens
      const entry = round[place] as Entry
      if (!entry.wasUsed) {
        entries.delete(entry.index)
        return place
      }
      entry.wasUsed = false
    }
  }

  return {
    find(header) {
      const entry = entries.get(indexOf(header))
      if (entry === undefined || entry.header !== header) return null
      const time = now() / 1000
      if (time < entry.validFrom || time >= entry.validUntil || !isPublished(entry.key)) return null
      entry.wasUsed = true
      return entry
    },
    add(header, principal, claims, key) {
      const proven = newlyProven(principal, claims)
      if (maxTokens === 0) return proven
      const { lookedAt, subjectMark, sessionMark, tokenMark } = proven
      const { exp, iat, nbf } = claims
      const validFrom = Math.max(Number(iat ?? 0), Number(nbf ?? 0)) - clockToleranceSeconds
      const validUntil = exp + clockToleranceSeconds
      const index = indexOf(header)
      const place = entries.get(index)?.place ?? freePlace()
      // In the order in which `find` and the checks need them, each by name: a spread object keeps the rest elsewhere.
      const entry = {
        header,
        validFrom,
        validUntil,
        key,
        wasUsed: false,
        principal,
        lookedAt,
        withRow: null,
        sessionMark,
        subjectMark,
        tokenMark,
        claims,
        index,
        place,
      }
      entries.set(index, entry)
      round[place] = entry
      return entry
    },
  }
}

// Five characters of base64url hold 30 bits; the last one is left out, since a signature leaves some of its bits unused.
function indexOf(header: string): number {
  let index = 0
  for (let at = header.length - 6; at < header.length - 1; at++)
    index = (Math.imul(index, 73) + header.charCodeAt(at)) | 0
  return index
}
