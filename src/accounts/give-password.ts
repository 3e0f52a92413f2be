import { type GateError, isGateError } from "../errors.js"
import type { Deadline } from "../keycloak/deadline.js"
import { isPasswordHistory } from "../keycloak/words.js"
import { type NewPassword, setPassword } from "./keycloak/account.js"
import type { Channel } from "./keycloak/channel.js"
import { isOutage, tryAgain } from "./try-again.js"

/** Unclear: Keycloak may have set it, but no answer said so. */
export type PasswordOutcome = "set" | "unknown account" | { readonly unclear: GateError }

/**
 * Sets a password although answers may get lost: setting it twice is setting it once.
 *
 * @throws {GateError} what Keycloak refuses it with, where the password was certainly not set
 */
export async function givePassword(
  channel: Channel,
  deadline: Deadline,
  id: string,
  password: NewPassword,
): Promise<PasswordOutcome> {
  const lost: GateError[] = []
  try {
    const outcome = await tryAgain(deadline, async () => {
      const outcome = await setPassword(channel, id, password)
      if (typeof outcome === "string") return outcome
      lost.push(outcome.lost)
      throw outcome.lost
    })
    return outcome === "done" ? "set" : "unknown account"
  } catch (error) {
    const [first] = lost
    if (first !== undefined && (isOutage(error) || isUsedBefore(error))) return { unclear: first }
    throw error
  }
}

/** A realm that remembers passwords refuses the one that it has just taken, as it does one of before (26.7.4). */
function isUsedBefore(error: unknown): boolean {
  return isGateError(error) && error.fields?.some(({ rule }) => isPasswordHistory(rule)) === true
}
