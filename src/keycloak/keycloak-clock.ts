import { splitToken } from "./compact-token.js"

/** Keycloak's own time, as far as this process can tell. */
export interface KeycloakClock {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The same, never too early: tokens count in whole seconds, so it may be more than a second late. */
  readonly atLatest: () => number
  /** Wraps a grant, to compare the clocks whenever Keycloak issues a token of our own. */
  readonly comparing: <Granted extends { readonly accessToken: string }>(
    grant: () => Promise<Granted>,
  ) => () => Promise<Granted>
}

/**
 * This machine's clock, unless a token's time of issue disproves it: a clock that is ahead would date what Keycloak says
 * now later than the tokens that it issues next, and their news would be taken for old.
 */
export function createKeycloakClock(now: () => number): KeycloakClock {
  let ahead = 0
  let aheadAtMost = 0
  return {
    now: () => now() + ahead,
    atLatest: () => now() + Math.max(0, aheadAtMost),
    comparing: grant => async () => {
      const askedAt = now()
      const granted = await grant()
      const issuedAt = issueTime(granted.accessToken)
      if (issuedAt !== null) {
        const least = issuedAt - now()
        const most = issuedAt + 1000 - askedAt // `iat` has whole seconds
        aheadAtMost = most
        ahead = least > 0 || most < 0 ? least : 0
      }
      return granted
    },
  }
}

/** Null for a token that tells none: whoever uses it finds out what is wrong with it. */
function issueTime(token: string): number | null {
  try {
    const { iat } = splitToken(token).payload
    return typeof iat === "number" && Number.isFinite(iat) ? iat * 1000 : null
  } catch {
    return null
  }
}
