import { trace, verifyChannel } from "../channels.js"
import type { BearerVerification } from "./verify-bearer.js"

/** The same, published on `keycloak-gate:verify` where somebody listens. */
export function tracedVerification<User>(
  verification: BearerVerification<User>,
  realm: string,
  elapsed: () => number,
): BearerVerification<User> {
  function traced<Verify extends (...given: never[]) => Promise<unknown>>(verify: Verify): Verify {
    return function (given: never, requirements: never) {
      // An explicit undefined is a guard's mistake. Rest parameters take 60 ns more, on the path of every request.
      // biome-ignore lint/complexity/noArguments: see above
      const isGuard = arguments.length > 1
      if (!verifyChannel.hasSubscribers) return isGuard ? verify(given, requirements) : verify(given)
      const message = { realm, code: null, reason: null, durationSeconds: null }
      return trace(verifyChannel, message, elapsed, () => (isGuard ? verify(given, requirements) : verify(given)))
    } as Verify
  }

  return {
    verifyBearer: traced(verification.verifyBearer),
    verifyToken: traced(verification.verifyToken),
    // What is recalled is told as what is verified.
    recall: authorization => (verifyChannel.hasSubscribers ? null : verification.recall(authorization)),
  }
}
