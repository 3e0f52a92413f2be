import { type GateError, isGateError } from "../errors.js"
import type { Deadline } from "../keycloak/deadline.js"

const pausesMs = [100, 500]

/** Does work that may be done twice, up to three times within the call's time, where the failure may be a passing one. */
export async function tryAgain<Result>(deadline: Deadline, work: () => Promise<Result>): Promise<Result> {
  for (const pauseMs of pausesMs) {
    try {
      return await work()
    } catch (error) {
      if (!mayPass(error) || !deadline.hasTime(pauseMs)) throw error
    }
    await deadline.pause(pauseMs)
  }
  return await work()
}

/** An outage; not one in which Keycloak, or the line before it, asks for patience. */
export function mayPass(error: unknown): boolean {
  return isOutage(error) && error.reason !== "overload" && error.retryAfterSeconds === null
}

export function isOutage(error: unknown): error is GateError {
  return isGateError(error) && error.code === "keycloak_unavailable"
}
