import type { GateEvent, Report } from "../events.js"
import { warn } from "./warnings.js"

export interface ReportParts {
  readonly onEvent: Report | null
  readonly issuer: string
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** Where events go: to the application's `onEvent`, else what somebody should mend to `process.emitWarning`. */
export function createReport({ onEvent, issuer, elapsed }: ReportParts): Report {
  return onEvent === null ? event => warn(event, issuer, elapsed()) : tellQuietly(onEvent, elapsed)
}

/** An onEvent that fails must not turn a verified request into a failed one, nor end the process. */
function tellQuietly(onEvent: Report, elapsed: () => number): Report {
  let warnedAt = Number.NEGATIVE_INFINITY

  function failed(type: GateEvent["type"], thrown: unknown): void {
    if (elapsed() - warnedAt < 60_000) return
    warnedAt = elapsed()
    // Not what was thrown: it may hold anything, and the event with it.
    process.emitWarning(
      `onEvent failed (${kindOf(thrown)}) when it heard of ${type}. Nothing else fails for that. What it threw is not ` +
        "shown, since it may hold secrets: catch it there. This is told once a minute at most.",
      { type: "KeycloakGateWarning", code: "onEvent" },
    )
  }

  return event => {
    try {
      const returned: unknown = onEvent(event)
      if (typeof returned !== "object" || returned === null) return
      // An async function fits the type, and a rejection that nobody handles ends the process. `resolve` takes any thenable.
      new Promise(resolve => resolve(returned)).catch((error: unknown) => failed(event.type, error))
    } catch (error) {
      failed(event.type, error)
    }
  }
}

/** The name of what was thrown, if it is one that no value could pass for. */
function kindOf(thrown: unknown): string {
  try {
    const name = thrown instanceof Error ? thrown.name : typeof thrown
    return /^[A-Z][a-zA-Z]{0,30}$/.test(name) ? name : "no Error"
  } catch {
    return "no Error"
  }
}
