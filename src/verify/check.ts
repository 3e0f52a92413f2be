import type { Claims } from "./claims.js"
import type { Presented } from "./credentials.js"
import type { Principal } from "./principal.js"

/** A principal whose token is proven, on its way through the checks. */
export interface Proven {
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
