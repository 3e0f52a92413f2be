import { GateError, isGateError, tokenWarningOf, warnable } from "../errors.js"
import type { Report } from "../events.js"
import { clockDoubtful, createClockDoubt } from "./clock-doubt.js"

/** Tells of what callers are refused with, unless a state tells it for all of them. */
export interface Refusals {
  readonly refused: (error: unknown) => void
  /** The same verbs, refused after `close()`; what they throw is told. */
  readonly reported: <Verbs extends object>(verbs: Verbs) => Verbs
  /** `token`: the one that this was about, if it was a new one. */
  readonly tokenRefused: (error: unknown, token: string | null) => void
  /** On the path of every request. */
  readonly tokenAccepted: () => void
}

export interface RefusalsParts {
  readonly report: Report
  readonly issuer: string
  /** @throws {GateError} `closed` after `close()` */
  readonly assertOpen: () => void
  /** Whether the state of Keycloak, or of the store, explains this error. */
  readonly isTold: (error: GateError) => boolean
  /** Whether a wait of ours ran out that began with a request's. */
  readonly isLate: (error: GateError) => boolean
  /** Hears of each refusal that is not told of its own. */
  readonly count: () => void
  readonly hasKeys: () => boolean
  /** Milliseconds: what is known of Keycloak's clock less this machine's. */
  readonly clockOff: () => number
}

// Time for the request itself to time out: those who waited for its answer had their own limits.
const requestTimesOutWithinMs = 50

export function createRefusals(parts: RefusalsParts): Refusals {
  const { report, issuer, isTold, isLate, count, hasKeys, clockOff } = parts
  const doubt = createClockDoubt(tokens => report({ type: "clock_doubtful", error: clockDoubtful(tokens, clockOff()) }))

  function tell(error: GateError): void {
    if (isTold(error)) count()
    else report({ type: "refusal", error: inFull(error) })
  }

  function refused(error: unknown): void {
    if (!isGateError(error) || error.code === "closed") return
    if (isLate(error) && !isTold(error)) setTimeout(tell, requestTimesOutWithinMs, error).unref()
    else tell(error)
  }

  function reported(verb: (...given: unknown[]) => Promise<unknown>): typeof verb {
    return async (...given) => {
      try {
        parts.assertOpen()
        return await verb(...given)
      } catch (error) {
        refused(error)
        throw error
      }
    }
  }

  return {
    refused,
    reported: <Verbs extends object>(verbs: Verbs) =>
      Object.fromEntries(Object.entries(verbs).map(([name, verb]) => [name, reported(verb)])) as Verbs,
    tokenAccepted: doubt.accepted,
    tokenRefused(error, token) {
      if (token !== null && isGateError(error)) {
        const isProven = tokenWarningOf(error) !== null
        if (isProven && error.reason === "expired") doubt.expired(token)
        // Without keys nothing can be proven, and tokens of another issuer have none fetched.
        if (!isProven && error.reason === "issuer" && !hasKeys())
          warnable(error, { topic: "another issuer", text: anotherIssuer(issuer) })
      }
      refused(error)
    },
  }
}

/** The log hears what Keycloak told of a right password. What was thrown says to everybody the same. */
function inFull(error: GateError): GateError {
  const { code, cause } = error
  if (code !== "invalid_credentials" || !isGateError(cause)) return error
  const message = `${cause.message} The caller hears of a wrong password, since \`revealAccountState\` is off.`
  return new GateError(code, message, { cause })
}

function anotherIssuer(issuer: string): string {
  return (
    `Refused a token whose issuer is not ${issuer}, and none of that issuer has come yet. If all are refused, Keycloak's ` +
    "public address is not what `serverUrl` says: `await gate.ready()` tells the difference."
  )
}
