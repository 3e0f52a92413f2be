import { GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import type { Deadline } from "../keycloak/deadline.js"
import { isOutage, tryAgain } from "./try-again.js"
import type { Unfinished } from "./unfinished.js"

/** Ends all sessions of an account, offline ones too, now or in the end. */
export interface SessionEnding {
  /** Ends them within the call's time. An outage is thrown, and they are ended later by themselves. */
  readonly end: (subject: string) => Promise<void>
  /** Ends them within the call's time, or later by themselves, whatever the failure: what came before can't be undone. */
  readonly endInTheEnd: (subject: string) => Promise<void>
  /** Ends those that have begun until now, later. */
  readonly endLater: (subject: string, error: GateError) => void
}

export interface SessionEndingParts {
  readonly deadline: Deadline
  readonly endSessions: (subject: string) => Promise<void>
  /** Beside the requests: those that began until then, and none that began since. */
  readonly endSessionsUntil: (subject: string, until: Date) => Promise<void>
  /** Keycloak's time, never too early. */
  readonly now: () => number
  readonly queue: Unfinished
  readonly report: Report
}

export function createSessionEnding(parts: SessionEndingParts): SessionEnding {
  function endLater(subject: string, error: GateError, until = new Date(parts.now())): void {
    let cause: unknown = error
    parts.queue.add({
      goOn: () =>
        parts.endSessionsUntil(subject, until).then(
          () => true,
          (failure: unknown) => {
            cause = failure
            if (isOutage(failure)) throw failure
            return false
          },
        ),
      giveUp: () => parts.report({ type: "sessions_not_ended", subject, error: notEnded(subject, until, cause) }),
    })
  }

  async function end(subject: string, goesOnAfter: (error: unknown) => error is GateError): Promise<void> {
    const until = new Date(parts.now())
    try {
      await tryAgain(parts.deadline, () => parts.endSessions(subject))
    } catch (error) {
      if (goesOnAfter(error)) endLater(subject, error, until)
      throw error
    }
  }

  return {
    end: subject => end(subject, isOutage),
    endInTheEnd: subject =>
      end(subject, isGateError).catch((error: unknown) => {
        if (!isGateError(error)) throw error
      }),
    endLater,
  }
}

function notEnded(subject: string, until: Date, cause: unknown): GateError {
  const code = isGateError(cause) && cause.code === "keycloak_refused_us" ? cause.code : "keycloak_unavailable"
  return new GateError(
    code,
    `Sessions of account ${subject} that began until ${until.toISOString()} may live on: Keycloak could not be asked to end ` +
      "them. `logoutEverywhere` ends all that there are.",
    { cause },
  )
}
