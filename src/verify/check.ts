import type { Claims } from "./claims.js"
import type { Presented } from "./credentials.js"
import type { Principal } from "./principal.js"

/** A principal whose token is proven, on its way through the checks. */
export interface Proven extends Marks {
  readonly principal: Principal<null>
  readonly claims: Claims
  /** How many revocations there were when it was last let pass; -1: never. */
  lookedAt: number
  /** With the row that was there at once when it was last recalled. */
  withRow: Principal<unknown> | null
}

/** Looks on each request at principals whose tokens are proven. */
export interface Check {
  /** Whether it lets one pass at once; false leaves it to `assert`. On the path of every request. */
  readonly passes: (proven: Proven) => boolean
  /** Throws where it is refused all the same. Who looks at once returns nothing, and then nobody waits. */
  readonly assert: (proven: Proven, presented: Presented) => Promise<void> | void
}

/**
 * Small numbers that stand for ids: where they differ, the ids do. Whoever compares them touches no memory but the entry of
 * the token, which costs less than to look into its claims.
 */
export interface Marks {
  readonly subjectMark: number
  readonly sessionMark: number
  readonly tokenMark: number
}

/** A principal that no check has seen. */
export function newlyProven(principal: Principal<null>, claims: Claims): Proven {
  const { sub, sid, jti } = claims
  return {
    principal,
    claims,
    lookedAt: -1,
    withRow: null,
    subjectMark: markOf(sub),
    sessionMark: markOf(sid),
    tokenMark: markOf(jti),
  }
}

/** Ids of Keycloak's end in noise. */
export function markOf(id: unknown): number {
  if (typeof id !== "string") return 0
  let mark = 0
  for (let at = Math.max(0, id.length - 6); at < id.length; at++) mark = (Math.imul(mark, 73) + id.charCodeAt(at)) | 0
  return mark
}
