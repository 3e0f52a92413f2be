import { type GateError, isGateError, isOfSetUp, tokenWarningOf } from "../errors.js"
import type { GateEvent } from "../events.js"

/** What is printed about an event. */
interface Warning {
  /** Warnings of one kind and realm are one warning. */
  readonly kind: string
  readonly code: string
  readonly text: string
  /** How long after one warning of its kind the next one is printed. */
  readonly everyMs: number
}

const once = Number.POSITIVE_INFINITY
const atMostOnceAMinute = 60_000
// Of what anybody can cause: whoever did so first must not have used it up for ever.
const atMostOnceAnHour = 3_600_000
const always = 0

// Of the whole process: an application may have a gate per request scope, and one log. By kind and realm, when it was
// printed last, in the order of that.
const printedAt = new Map<string, number>()
const maxKinds = 1000

/**
 * Prints what somebody should mend, through `process.emitWarning`: a state whenever it begins or ends, a fault of the set-up
 * once. A flood of bad tokens can't fill the log, nor use up or word a warning: an unproven token makes none.
 */
export function warn(event: GateEvent, issuer: string, atMs: number): void {
  const warning = warningOf(event)
  if (warning === null) return
  const { code, text, everyMs } = warning
  const kind = `${warning.kind} ${issuer}`
  // Other gates of this process have noticed the end of an outage as well.
  if (event.type === "keycloak_up" && !printedAt.delete(`keycloak_down ${issuer}`)) return
  const before = printedAt.get(kind)
  if (before !== undefined && atMs - before < everyMs) return
  remember(kind, atMs)
  process.emitWarning(text, { type: "KeycloakGateWarning", code })
}

function remember(kind: string, atMs: number): void {
  printedAt.delete(kind)
  for (const oldest of printedAt.keys()) {
    if (printedAt.size < maxKinds) break
    printedAt.delete(oldest)
  }
  printedAt.set(kind, atMs)
}

function warningOf(event: GateEvent): Warning | null {
  const state = { kind: event.type, code: event.type }
  switch (event.type) {
    case "keycloak_down": {
      const text = `Keycloak is down for ${event.endpoints.join(", ")}. ${event.error.message}`
      return { ...state, text, everyMs: atMostOnceAMinute }
    }
    case "keycloak_up": {
      const { downSeconds, downSince, refused } = event
      const text = `Keycloak is up again. It was down for ${downSeconds} s, since ${downSince.toISOString()}; calls refused: ${refused}.`
      return { ...state, text, everyMs: always }
    }
    case "shared_down":
      return { ...state, text: event.error.message, everyMs: atMostOnceAMinute }
    case "shared_up": {
      const { downSeconds, downSince } = event
      const text = `Redis (option \`shared\`) is up again. It was down for ${downSeconds} s, since ${downSince.toISOString()}.`
      return { ...state, text, everyMs: always }
    }
    case "keys_ageing":
    case "store_slow":
      return { ...state, text: event.error.message, everyMs: always }
    case "clock_doubtful":
      return { ...state, text: event.error.message, everyMs: atMostOnceAMinute }
    case "revocation_dropped": {
      const text =
        `More than ${event.most} revocations of one kind are in force, and the oldest was forgotten: what it refused is ` +
        "accepted again until it expires. Shorter access tokens, and a `longestTokenSeconds` as short as they are, make room."
      return { ...state, text, everyMs: atMostOnceAMinute }
    }
    case "long_tokens": {
      const { lifeSeconds, longestTokenSeconds } = event
      const text =
        `An access token lives ${lifeSeconds} s, longer than \`longestTokenSeconds\` (${longestTokenSeconds}), which says how long ` +
        `a revocation is kept. Set \`longestTokenSeconds: ${lifeSeconds}\`, or have Keycloak issue shorter ones.`
      return { ...state, text, everyMs: once }
    }
    // What its caller was refused with is told as a refusal.
    case "legacy_login":
      return null
    default:
      return "error" in event ? ofError(event.type, event.error) : null
  }
}

function ofError(type: string, error: GateError): Warning | null {
  const { code, reason, message: text } = error
  const warning = {
    kind: `${type} ${code} ${reason ?? ""}`,
    code: reason === undefined ? code : `${code}:${reason}`,
    text,
  }
  if (code === "keycloak_unavailable") return { ...warning, everyMs: atMostOnceAMinute }
  if (code === "invalid_token") {
    const may = tokenWarningOf(error)
    if (may === null || !(isSetUpReason(reason) || isOfSetUp(error))) return null
    const everyMs = may.topic === "too large" ? atMostOnceAnHour : once
    return { ...warning, kind: `${warning.kind} ${may.topic}`, text: may.text ?? text, everyMs }
  }
  if (code === "account_setup_required") return { ...warning, everyMs: atMostOnceAnHour }
  if (code === "invalid_credentials") return isGateError(error.cause) ? ofError(type, error.cause) : null
  if (code !== "keycloak_refused_us" && code !== "config_invalid") return null
  return { ...warning, kind: `${warning.kind} ${faultOf(text)}`, everyMs: once }
}

/** What is wrong with a set-up, rather than with one caller. */
function isSetUpReason(reason: GateError["reason"]): boolean {
  return (
    reason === "too_large" ||
    reason === "audience" ||
    reason === "issuer" ||
    reason === "claims" ||
    reason === "not_yet_valid"
  )
}

const distinctFaults = new Set<string>()
const maxFaults = 50

/**
 * Tells the faults of one code apart, by our own sentence without what Keycloak said: the second one is warned of although
 * the first was. Not without end, should a caller have a hand in the sentence after all.
 */
function faultOf(text: string): string {
  const fault = text.split(" (Keycloak answered", 1)[0]?.slice(0, 200) ?? ""
  if (distinctFaults.size < maxFaults) distinctFaults.add(fault)
  return distinctFaults.has(fault) ? fault : ""
}
