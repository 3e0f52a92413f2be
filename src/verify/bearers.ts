import type { Connection } from "../keycloak/connection.js"
import type { Check } from "./check.js"
import { createHolds, type HoldParts, type Holds, type HoldToken } from "./hold.js"
import { tracedVerification } from "./traced-verification.js"
import type { Verification, VerificationSettings } from "./verification.js"
import {
  createVerifyBearer,
  type Recall,
  type VerifyBareToken,
  type VerifyBearer,
  type VerifyBearerSteps,
} from "./verify-bearer.js"

/** The verbs of a gate about who brings a token. */
export interface BearerVerbs<User> {
  readonly verifyBearer: VerifyBearer<User>
  readonly verifyToken: VerifyBareToken<User>
  readonly hold: HoldToken<User>
}

export interface Bearers<User> extends Pick<Holds<User>, "revoke" | "backlog" | "close"> {
  readonly verbs: BearerVerbs<User>
  readonly recall: Recall<User>
}

export interface BearerParts<User> extends Pick<VerifyBearerSteps<User>, "syncUser" | "peekUser"> {
  readonly settings: VerificationSettings
  readonly verification: Verification
  /** What looks at each request beside the verification itself. */
  readonly check: Check
  readonly refusals: {
    readonly refused: HoldParts<User>["refused"]
    readonly tokenAccepted: VerifyBearerSteps<User>["accepted"]
    readonly tokenRefused: VerifyBearerSteps<User>["report"]
  }
  readonly tellHolder: HoldParts<User>["tell"]
}

/** Everything that takes a token, over one verification. */
export function createBearers<User>(parts: BearerParts<User>, connection: Connection): Bearers<User | null> {
  const { settings, verification, check, syncUser, peekUser, refusals, tellHolder } = parts
  const { realm, transport, report, now, elapsed } = connection
  const { assertOpen } = transport
  const { ofIssuer } = verification
  const bearerVerification = createVerifyBearer<User>({
    realm: realm.name,
    maxTokenBytes: verification.maxTokenBytes,
    verification: { ...ofIssuer, checks: [...ofIssuer.checks, check] },
    assertOpen,
    syncUser,
    peekUser,
    accepted: refusals.tokenAccepted,
    report: refusals.tokenRefused,
  })
  const { verifyBearer, verifyToken, recall } = tracedVerification(bearerVerification, realm.name, elapsed)
  const { hold, revoke, backlog, close } = createHolds<User | null>({
    verifyToken,
    assertOpen,
    askAgain: verification.askAgain,
    clockToleranceSeconds: settings.clockToleranceSeconds,
    report,
    refused: refusals.refused,
    tell: tellHolder,
    now,
    elapsed,
  })
  return { verbs: { verifyBearer, verifyToken, hold }, recall, revoke, backlog, close }
}
