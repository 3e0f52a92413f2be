import { trace, verifyChannel } from "../channels.js"
import type { BearerVerification } from "./verify-bearer.js"

/** The same, published on `keycloak-gate:verify` where somebody listens. */
export function tracedVerification<User>(
  verification: BearerVerification<User>,
  realm: string,
  elapsed: () => number,
): BearerVerification<User> {
  function traced<Verify extends (...given: never[]) => Promise<unknown>>(verify: Verify): Verify {
    return ((...given) => {
      if (!verifyChannel.hasSubscribers) return verify(...given)
      const message = { realm, code: null, reason: null, durationSeconds: null }
      return trace(verifyChannel, message, elapsed, () => verify(...given))
    }) as Verify
  }

  return {
    verifyBearer: traced(verification.verifyBearer),
    verifyToken: traced(verification.verifyToken),
    // What is recalled is told as what is verified.
    recall: authorization => (verifyChannel.hasSubscribers ? null : verification.recall(authorization)),
  }
}
