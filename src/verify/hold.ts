import { GateError, invalidToken, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import { readOptions } from "../option-reader.js"
import type { Principal } from "./principal.js"
import type { Requirements } from "./requirements.js"
import type { AskAgain } from "./session/ask-again.js"
import type { VerifyBareToken } from "./verify-bearer.js"

/** Why a hold has ended: its token ran out, Keycloak takes it no longer, or the gate was closed. */
export type HoldEnd = "expired" | "revoked" | "closed"

/** What `gate.hold` takes beside the token. */
export interface HoldOptions {
  /** What the principal needs, as of a guard; looked at again with each new token. Left out, every valid token will do. */
  readonly requirements?: Requirements
  /** Hears once why the hold has ended; not after its own `close()`. Close the connection here. */
  readonly onEnd: (reason: HoldEnd) => unknown
}

/** A principal on a connection that stays: a socket, a stream, a subscription. */
export interface Hold<User> {
  /** Whose connection this is, as the newest token says. */
  readonly principal: Principal<User>
  /**
   * Holds on with a newer token of the same person or client: of the same issuer, subject and kind, and with a later
   * `exp`. It may be of another session. A token that is refused leaves the hold as it was.
   *
   * @throws {GateError} `invalid_token` (reason `claims`) when it is somebody else's, or expires no later than the one before
   * @throws {GateError} `credentials_missing`, `invalid_token`, `insufficient_scope`, `keycloak_unavailable` and
   * `keycloak_refused_us`, as `verifyToken` does; `closed` after the gate's `close()`
   * @throws {GateError} `session_ended` when the hold has ended
   */
  readonly renew: (token: string | null | undefined) => Promise<Principal<User>>
  /** Lets go without a word to `onEnd`. Call it when the connection is gone. */
  readonly close: () => void
}

/**
 * Verifies a token, and then watches it for as long as a connection lives: `onEnd` hears when its token has expired, when
 * its session has ended as far as this gate learns of it, and when the gate is closed.
 *
 * `verification`'s `recheckSeconds` says how often Keycloak is asked about it. By default that is never in mode `"local"`,
 * and every 30 seconds in the others. An outage of Keycloak ends no hold. Seconds of `clockToleranceSeconds` are added to
 * a token's `exp` where nobody is asked. No timer of a hold keeps the process alive.
 *
 * @throws {GateError} `credentials_missing`, `invalid_token`, `insufficient_scope`, `keycloak_unavailable`,
 * `keycloak_refused_us` and `closed`, as `verifyToken` does
 * @throws {GateError} `config_invalid` when an option or a requirement is wrong, explicitly undefined requirements included
 * @example
 * const hold = await gate.hold(token, { onEnd: reason => socket.close(4401, reason) })
 * socket.on("close", hold.close)
 */
export type HoldToken<User> = (token: string | null | undefined, options: HoldOptions) => Promise<Hold<User>>

type IsRevoked<User> = (principal: Principal<User>) => boolean

/** All holds of a gate. */
export interface Holds<User> {
  readonly hold: HoldToken<User>
  /** Ends those that this is true of. */
  readonly revoke: (isRevoked: IsRevoked<User>) => void
  /** How many questions about holds wait for their turn. */
  readonly backlog: () => number
  readonly close: () => void
}

export interface HoldParts<User> {
  readonly verifyToken: VerifyBareToken<User>
  /** @throws {GateError} `closed` after `close()` */
  readonly assertOpen: () => void
  /** null: nobody is asked, and a token lives until it expires. */
  readonly askAgain: AskAgain | null
  readonly clockToleranceSeconds: number
  readonly report: Report
  /** Hears of what a renewal is refused with beside its token. */
  readonly refused: (error: unknown) => void
  /** Calls `onEnd`, and goes on whatever it throws. */
  readonly tell: (onEnd: HoldOptions["onEnd"], reason: HoldEnd) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

interface Held<User> {
  principal: Principal<User>
  readonly onEnd: HoldOptions["onEnd"]
  /** By `elapsed`: when the next question is due; Infinity while one waits or is under way. */
  askAt: number
  timer: NodeJS.Timeout | undefined
}

// Of the eight that work beside the requests has; the other half is for rechecks, `syncUsers` and the like.
const maxInFlight = 4
// A timer goes by a clock that stands still while the machine sleeps, and holds no more than 24 days.
const longestWaitMs = 60_000
// By Keycloak's clock a token may have expired that much earlier, also because a question takes time.
const lastSeconds = 5

/** Keeps watch over tokens whose connections stay. */
export function createHolds<User>(parts: HoldParts<User>): Holds<User> {
  const { verifyToken, assertOpen, askAgain, clockToleranceSeconds, report, refused, tell, now, elapsed } = parts
  const holds = new Set<Held<User>>()
  /** Those about which Keycloak is to be asked, in the order in which they came due. */
  const due = new Set<Held<User>>()
  /** For each token that is being verified: what was revoked meanwhile. */
  const verifying = new Set<IsRevoked<User>[]>()
  let inFlight = 0
  let failing: string | null = null

  // Keycloak calls a token inactive once it has expired, and whoever asks Keycloak goes by its word.
  const graceSeconds = askAgain === null ? clockToleranceSeconds : 0

  function leftMs({ principal }: Held<User>, seconds = graceSeconds): number {
    return (principal.claims.exp + seconds) * 1000 - now()
  }

  /** Watches a new hold, or one with a new token. */
  function watch(held: Held<User>): void {
    if (askAgain === null) held.askAt = Number.POSITIVE_INFINITY
    else held.askAt = elapsed() + (askAgain.isDueAtOnce ? 0 : askAgain.everySeconds * 1000)
    lookLater(held)
  }

  function lookLater(held: Held<User>): void {
    clearTimeout(held.timer)
    const waitMs = Math.min(leftMs(held), held.askAt - elapsed(), longestWaitMs)
    held.timer = setTimeout(look, Math.max(1, waitMs), held)
    held.timer.unref()
  }

  function look(held: Held<User>): void {
    if (leftMs(held) <= 0) {
      end(held, "expired")
      return
    }
    if (elapsed() >= held.askAt) {
      held.askAt = Number.POSITIVE_INFINITY
      due.add(held)
      ask()
    }
    lookLater(held)
  }

  /** Few questions at a time, however many holds there are. */
  function ask(): void {
    for (const held of due) {
      if (inFlight >= maxInFlight) return
      due.delete(held)
      inFlight += 1
      askAbout(held).finally(() => {
        inFlight -= 1
        ask()
      })
    }
  }

  async function askAbout(held: Held<User>): Promise<void> {
    const { principal } = held
    const askedAt = elapsed()
    try {
      await askAgain?.ask(principal)
      failing = null
    } catch (error) {
      // A renewal has brought another token meanwhile, of which this answer says nothing.
      if (!holds.has(held) || held.principal !== principal) return
      if (isRefusal(error)) {
        end(held, leftMs(held, -lastSeconds) <= 0 ? "expired" : "revoked")
        // Nobody sends this token now, so that no refused request tells of a set-up that is wrong.
        if (error.reason === "audience") refused(error)
        return
      }
      failed(error)
    }
    if (!holds.has(held) || held.principal !== principal) return
    held.askAt = askedAt + (askAgain?.everySeconds ?? 0) * 1000
    lookLater(held)
  }

  /** Told when it begins, not at every question. */
  function failed(error: unknown): void {
    if (!isGateError(error) || error.code === "closed" || error.code === failing) return
    failing = error.code
    report({ type: "recheck_failed", error })
  }

  function letGo(held: Held<User>): boolean {
    clearTimeout(held.timer)
    due.delete(held)
    return holds.delete(held)
  }

  function end(held: Held<User>, reason: HoldEnd): void {
    if (letGo(held)) tell(held.onEnd, reason)
  }

  function assertHeld(held: Held<User>): void {
    assertOpen()
    if (holds.has(held)) return
    throw new GateError(
      "session_ended",
      "This hold has ended, and no token renews it: hold the new token with gate.hold().",
    )
  }

  /**
   * Takes a token in the very step in which it is verified. What was revoked while its row was read, which comes last, no
   * check of the verification knows.
   */
  async function taking<Taken>(
    verified: () => Promise<Principal<User>>,
    assertWanted: () => void,
    take: (principal: Principal<User>) => Taken,
  ): Promise<Taken> {
    const missed: IsRevoked<User>[] = []
    verifying.add(missed)
    try {
      const principal = await verified()
      assertWanted()
      if (missed.some(isRevoked => isRevoked(principal))) {
        const error = invalidToken("revoked", "Refused a token that was revoked while it was verified for a hold.")
        refused(error)
        throw error
      }
      return take(principal)
    } finally {
      verifying.delete(missed)
    }
  }

  function take(principal: Principal<User>, onEnd: HoldOptions["onEnd"]): Held<User> {
    const held: Held<User> = { principal, onEnd, askAt: Number.POSITIVE_INFINITY, timer: undefined }
    holds.add(held)
    watch(held)
    return held
  }

  function takeNewer(held: Held<User>, next: Principal<User>): Principal<User> {
    const wrong = whyNoSuccessor(held.principal, next)
    if (wrong !== null) {
      refused(wrong)
      throw wrong
    }
    held.principal = next
    due.delete(held)
    watch(held)
    return next
  }

  return {
    async hold(token, options) {
      const { onEnd, verify } = readHold(options, verifyToken)
      const held = await taking(
        () => verify(token),
        assertOpen,
        principal => take(principal, onEnd),
      )
      return Object.freeze({
        get principal() {
          return held.principal
        },
        async renew(newer: string | null | undefined) {
          assertHeld(held)
          return taking(
            () => verify(newer),
            () => assertHeld(held),
            next => takeNewer(held, next),
          )
        },
        close: () => void letGo(held),
      })
    },
    revoke(isRevoked) {
      for (const missed of verifying) missed.push(isRevoked)
      for (const held of [...holds]) if (isRevoked(held.principal)) end(held, "revoked")
    },
    backlog: () => due.size,
    close() {
      for (const held of [...holds]) end(held, "closed")
    },
  }
}

function readHold<User>(options: HoldOptions, verifyToken: VerifyBareToken<User>) {
  const { onEnd, requirements } = readOptions(
    "hold",
    options,
    given => {
      if (!given.has("onEnd")) given.note("onEnd", "expected a function, which closes the connection; got undefined")
      return { onEnd: given.function("onEnd") as HoldOptions["onEnd"], requirements: given.value("requirements") }
    },
    "`onEnd`",
  )
  // Not whether it is undefined: a guard that is read from the wrong place must not let everybody in.
  const verify: (token: string | null | undefined) => Promise<Principal<User>> =
    "requirements" in options ? token => verifyToken(token, requirements as Requirements) : token => verifyToken(token)
  return { onEnd, verify }
}

function whyNoSuccessor(before: Principal<unknown>, next: Principal<unknown>): GateError | null {
  const isSame = next.issuer === before.issuer && next.subject === before.subject && next.kind === before.kind
  if (!isSame) return invalidToken("claims", "Refused a token that was to renew a hold: it belongs to somebody else.")
  if (next.claims.exp > before.claims.exp) return null
  return invalidToken("claims", "Refused a token that was to renew a hold: it expires no later than the one before it.")
}

function isRefusal(error: unknown): error is GateError {
  return isGateError(error) && error.code === "invalid_token"
}
