import { type GateError, invalidToken } from "../errors.js"

/** Notices that tokens which are proven good are all refused as expired. */
export interface ClockDoubt {
  /** On the path of every request. */
  readonly accepted: () => void
  readonly expired: (token: string) => void
}

/** So many different ones in a row: a single caller that repeats its old token tells nothing. */
const several = 3

/**
 * Where this machine's clock is ahead of Keycloak's by more than a token lives, everybody is refused for a token that is
 * fresh, and nothing else shows it: Keycloak's answers carry no date.
 *
 * `doubt` hears of it once for each run of refusals; an accepted token ends the run.
 */
export function createClockDoubt(doubt: (tokens: number) => void): ClockDoubt {
  const refused = new Set<string>()
  let isAccepted = false

  return {
    accepted() {
      isAccepted = true
    },
    expired(token) {
      if (isAccepted) refused.clear()
      isAccepted = false
      if (refused.size >= several) return
      // Without the signature, of which one token may have several.
      refused.add(token.slice(0, token.lastIndexOf(".")))
      if (refused.size === several) doubt(several)
    },
  }
}

/** `offMs`: what is known of Keycloak's clock less this machine's; 0 where nothing is. */
export function clockDoubtful(tokens: number, offMs: number): GateError {
  const cause =
    offMs < -1000
      ? `This machine's clock is ${Math.round(-offMs / 1000)} s ahead of Keycloak's.`
      : "Either all callers send old tokens, or this machine's clock is ahead of Keycloak's."
  return invalidToken(
    "expired",
    `${tokens} different tokens were refused as expired, all signed by the realm, and none was accepted meanwhile. ${cause} ` +
      "Compare the clocks, and turn on time synchronisation (timedatectl set-ntp true; Docker Desktop and WSL after sleep: " +
      "restart).",
  )
}
