import type { Report } from "../events.js"
import { createQuietCall } from "./quiet-call.js"
import { warn } from "./warnings.js"

export interface ReportParts {
  readonly onEvent: Report | null
  readonly issuer: string
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** Where events go: to the application's `onEvent`, else what somebody should mend to `process.emitWarning`. */
export function createReport({ onEvent, issuer, elapsed }: ReportParts): Report {
  if (onEvent === null) return event => warn(event, issuer, elapsed())
  const call = createQuietCall("onEvent", elapsed)
  return event => call(onEvent, event, event.type)
}
