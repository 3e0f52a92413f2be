import { isGateError } from "../errors.js"
import { splitToken } from "../keycloak/compact-token.js"
import type { Connection } from "../keycloak/connection.js"
import type { Check } from "../verify/check.js"
import type { Principal } from "../verify/principal.js"
import type { Verification, VerificationSettings } from "../verify/verification.js"
import { createBackchannelLogout, type TakeLogoutToken } from "./backchannel-logout.js"
import { createReadLogoutToken } from "./logout-token.js"
import { createRefuseRevoked } from "./refuse-revoked.js"
import { concerns, type Revocation } from "./revocation.js"
import { createRevocations, type Revocations } from "./revocations.js"
import { type Revoke, readRevocation, thisVerySecond } from "./revoke.js"
import type { SharedRevocations, SharedState, SharedStore } from "./shared.js"

/** The verbs of a gate about sessions that ended, and those that live. */
export interface SessionVerbs {
  readonly revoke: Revoke
}

export interface SessionSettings {
  /** How long a revocation is kept. */
  readonly longestTokenSeconds: number
  /** Whether the application has said so, and so counts on it. */
  readonly isLongestGiven: boolean
  /** Null: this process is alone. */
  readonly shared: SharedRevocations | null
  /** How often Keycloak's events are read; null: never. */
  readonly watchEverySeconds: number | null
}

/** What ended, as far as this process knows, and what it does with that. */
export interface Sessions {
  readonly verbs: SessionVerbs
  readonly revocations: Revocations
  /** Refuses the tokens of what ended. */
  readonly check: Check
  /** Hears of sessions that the gate itself begins and ends. */
  readonly own: OwnSessions
  readonly takeLogoutToken: TakeLogoutToken
  /** Has principals that are kept looked at whenever something is revoked. */
  readonly watch: (revoke: RevokeKept) => void
  /** How it stands with the other processes; null without. */
  readonly shared: () => SharedState | null
  readonly close: () => void
}

/** Ends what is kept for principals of which this is true. */
type RevokeKept = (isRevoked: (principal: Principal<unknown>) => boolean) => void

export interface OwnSessions {
  /** A login of this gate: what ended the sessions of its person before has not ended this one. */
  readonly began: (tokens: { readonly accessToken: string; readonly refreshToken: string }) => void
  /** Keycloak has ended the session of this refresh token of its own. */
  readonly ended: (refreshToken: string) => Promise<void>
  /** Does what ends all sessions of a subject in Keycloak; what it has got until then is refused. */
  readonly endingAll: <Result>(subject: string, work: () => Promise<Result>) => Promise<Result>
  /** One session was ended by its id. */
  readonly endedOne: (session: string) => Promise<void>
}

/** `refused` hears of logout tokens that are refused. */
export function createSessions(
  { longestTokenSeconds, isLongestGiven, shared, watchEverySeconds }: SessionSettings,
  { clockToleranceSeconds, maxTokenBytes }: VerificationSettings,
  connection: Connection,
  { askAlive, verifyLogoutToken }: Verification,
  refused: (error: unknown) => void,
): Sessions {
  const { realm, sharing, transport, clock, report, now, elapsed } = connection
  const { issuer } = realm
  let store: SharedStore | null = null
  const revocations = createRevocations({
    issuer,
    longestTokenSeconds,
    clockToleranceSeconds,
    report,
    now,
    isUsed: () => isLongestGiven || shared !== null || watchEverySeconds !== null,
    keptLonger(kept) {
      if (kept === null) store?.prolonged()
      else void store?.publish(kept).catch(isGateError)
    },
  })
  store =
    shared?.join({
      issuer,
      take: ({ revocation, until }, how) => void revocations.add(revocation, { until, isRead: how === "read" }),
      all: revocations.all,
      report,
      now,
      elapsed,
    }) ?? null

  /** By default what this process has seen by now is older. */
  async function revoke(revocation: Revocation, seenBefore = revocations.count() + 1): Promise<void> {
    const kept = revocations.add(revocation, { seenBefore })
    await store?.publish(kept)
  }

  /** A verb has done its work in Keycloak: that others can't be told is no reason to say that it failed. */
  async function note(revocation: Revocation, seenBefore?: number): Promise<void> {
    await revoke(revocation, seenBefore).catch((error: unknown) => {
      if (!isGateError(error)) throw error
    })
  }

  let stopWatching: () => void = () => undefined
  let isClosed = false
  if (watchEverySeconds !== null) {
    // Most applications don't, and load nothing of it.
    void import("./events/watch-events.js").then(({ watchEvents }) => {
      function revoke(revocation: Revocation): void {
        const kept = revocations.add(revocation)
        void store?.publish(kept).catch(isGateError)
      }
      if (!isClosed)
        stopWatching = watchEvents({ everySeconds: watchEverySeconds, longestTokenSeconds, connection, revoke })
    })
  }

  const check = createRefuseRevoked({ revocations, askAlive, sharing, store })
  return {
    verbs: {
      async revoke(revoked) {
        await revoke(readRevocation(revoked, issuer, thisVerySecond(clock)))
      },
    },
    revocations,
    check,
    own: {
      began({ refreshToken }) {
        const session = sessionOf(refreshToken)
        if (session !== null) revocations.settled.alive(session, revocations.count())
      },
      async ended(refreshToken) {
        const session = sessionOf(refreshToken)
        if (session !== null) await note({ kind: "session", issuer, session })
      },
      async endingAll(subject, work) {
        const { before } = thisVerySecond(clock)
        const begunAt = revocations.mark()
        const end = () => {
          const { doubtUntil } = thisVerySecond(clock)
          return note({ kind: "subject", issuer, subject, before, doubtUntil }, begunAt)
        }
        const result = await work().catch(async (error: unknown) => {
          // Keycloak may have ended them, and is asked again to end them later.
          if (isGateError(error) && error.code === "keycloak_unavailable") await end()
          throw error
        })
        await end()
        return result
      },
      endedOne: session => note({ kind: "session", issuer, session }),
    },
    takeLogoutToken: createBackchannelLogout({
      read: createReadLogoutToken({
        verifySignature: verifyLogoutToken,
        issuer,
        clockToleranceSeconds,
        maxTokenBytes,
        now,
      }),
      // It took a while to come here: what was seen meanwhile may be newer.
      revoke: revocation => revoke(revocation, 0),
      store,
      clockToleranceSeconds,
      assertOpen: transport.assertOpen,
      refused,
      now,
    }),
    watch(revoke) {
      function isRevoked(principal: Principal<unknown>, lookedAt: number): boolean {
        const verdict = revocations.verdictOn(principal.claims, lookedAt)
        // Whoever can't be asked about is not kept.
        if (verdict === "doubtful") check.settle(principal).catch(() => revoke(one => one === principal))
        return verdict === "revoked"
      }
      revocations.onAdded(({ revocation }) => {
        // Who is kept was let pass before: Keycloak is not asked about what a request would be refused for.
        const lookedAt = revocations.count() - 1
        revoke(principal => concerns(revocation, principal.claims) && isRevoked(principal, lookedAt))
      })
    },
    shared: () => store?.state() ?? null,
    close() {
      isClosed = true
      stopWatching()
      store?.close()
    },
  }
}

/** The `sid` of a refresh token of Keycloak's; null for a text that says none. */
function sessionOf(refreshToken: string): string | null {
  try {
    const { sid } = splitToken(refreshToken).payload
    return typeof sid === "string" && sid !== "" ? sid : null
  } catch (error) {
    if (!isGateError(error)) throw error
    return null
  }
}
