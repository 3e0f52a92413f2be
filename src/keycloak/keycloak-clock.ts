import { splitToken } from "./compact-token.js"

/** Keycloak's own time, as far as this process can tell: milliseconds since 1970. */
export interface KeycloakClock {
  /** This machine's clock unless it is proven wrong, and then as late as proven: what is dated by it is never dated ahead. */
  readonly now: () => number
  /** Never too early: tokens count in whole seconds, so it may be more than a second late. */
  readonly atLatest: () => number
  /** Never too late, as far as tokens have shown Keycloak's time; else this machine's. */
  readonly atEarliest: () => number
  /** Wraps a grant, to compare the clocks whenever Keycloak issues a token. */
  readonly comparing: <Asked extends unknown[], Granted extends { readonly accessToken: string }>(
    grant: (...asked: Asked) => Promise<Granted>,
  ) => (...asked: Asked) => Promise<Granted>
  /** Keycloak's clock has shown this: a verified token says so. */
  readonly sawTime: (time: number) => void
}

/**
 * What Keycloak says now must not be dated later than the tokens that it issues next: their news would be taken for old.
 *
 * Every token tells Keycloak's time to within a second. What they tell is kept against `elapsed`, which nobody sets, so that
 * a step of this machine's clock changes nothing.
 */
export function createKeycloakClock(now: () => number, elapsed: () => number): KeycloakClock {
  // Keycloak's time less `elapsed`, by the last token of ours: Keycloak's clock may be set too.
  let least = Number.NEGATIVE_INFINITY
  let most = Number.POSITIVE_INFINITY

  return {
    now() {
      const [here, since] = [now(), elapsed()]
      return here < least + since || here > most + since ? Math.floor(least + since) : here
    },
    atLatest() {
      const since = elapsed()
      return most === Number.POSITIVE_INFINITY ? Math.max(now(), Math.ceil(least + since)) : Math.ceil(most + since)
    },
    atEarliest: () => (least === Number.NEGATIVE_INFINITY ? now() : Math.floor(least + elapsed())),
    comparing:
      grant =>
      async (...asked) => {
        const askedAt = elapsed()
        const granted = await grant(...asked)
        const issuedAt = issueTime(granted.accessToken)
        if (issuedAt === null) return granted
        least = issuedAt - elapsed()
        most = issuedAt + 1000 - askedAt // `iat` has whole seconds
        return granted
      },
    sawTime(time) {
      least = Math.max(least, Math.min(time - elapsed(), most))
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
