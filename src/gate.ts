import { type AccountVerbs, createAccounts } from "./accounts/accounts.js"
import { createLegacyLogins } from "./adoption/after-refusal.js"
import { type GateInternals, internalsKey } from "./gate-internals.js"
import { createConnection } from "./keycloak/connection.js"
import { networkFailure } from "./keycloak/network-error.js"
import { createRealm } from "./keycloak/realm.js"
import { createLogin, type LoginVerbs } from "./login/login.js"
import { type GateOptions, parseOptions } from "./options/gate-options.js"
import { type Refusal, refusalFor } from "./refusal.js"
import { createSessions, type SessionVerbs } from "./sessions/sessions.js"
import type { SharedState } from "./sessions/shared.js"
import { createSetUp, type SetUpVerbs } from "./setup/set-up.js"
import type { UserStore } from "./users/user-store.js"
import { createUsers } from "./users/users.js"
import { createHolds, type HoldToken } from "./verify/hold.js"
import { tracedVerification } from "./verify/traced-verification.js"
import { createVerification } from "./verify/verification.js"
import { createVerifyBearer, type VerifyBareToken, type VerifyBearer } from "./verify/verify-bearer.js"
import { createBackground } from "./watch/background.js"
import { createQuietCall } from "./watch/quiet-call.js"
import { createRefusals } from "./watch/refusals.js"
import { createReport } from "./watch/report.js"
import { tracedVerbs } from "./watch/traced-verbs.js"

/** Everything the library does, for one realm and one client; all members are bound and safe to destructure. */
export interface Gate<User> extends AccountVerbs<User>, LoginVerbs, SessionVerbs, SetUpVerbs {
  readonly verifyBearer: VerifyBearer<User>
  readonly verifyToken: VerifyBareToken<User>
  readonly hold: HoldToken<User>
  /** The HTTP answer to an error of this library, or `null` for an error that is not ours. */
  readonly refusalFor: (error: unknown) => Refusal | null
  /**
   * Refuses every later call (`closed`) and aborts what is under way, but for registrations: they have `timeoutMs` to end.
   * Holds end at once.
   * Nothing of the gate holds the process once this has resolved.
   */
  readonly close: () => Promise<void>
  /** How it stands with Keycloak and with what the gate has still to do, as far as it knows; asks nobody. */
  readonly health: () => Health
  /** The realm's name, for challenges. */
  readonly realm: string
}

/** How it stands with Keycloak, as far as the gate knows. */
export interface Health {
  /** Whether Keycloak answered of late; `"unknown"` before anything was asked. */
  readonly keycloak: "up" | "down" | "unknown"
  /** When that began. */
  readonly since: Date | null
  /** The keys that tokens are verified with, and how long they are of use if none follow; null before the first ones. */
  readonly keys: { readonly ageSeconds: number; readonly usableForSeconds: number } | null
  /** How many registrations failed half-way and are still to be finished. */
  readonly unfinished: number
  /** How many questions about tokens wait for their turn: those of `recheckSeconds`, and those about holds. */
  readonly recheckBacklog: number
  /** `shared`: whether Redis answers, and since when; null without. */
  readonly shared: SharedState | null
}

// One signature and no overloads: TypeScript tells of a wrong option once for each of them.

/** Options, and no others: a name that is none of them has to have a value that there is none of. */
type Exactly<Given> = GateOptions<unknown> & {
  readonly [Name in Exclude<keyof Given, keyof GateOptions<unknown>>]: `createGate has no option ${Name & string}`
}

/** The row of the user store among these options; null where there is none, or may be none. */
type RowOf<Given> = Given extends { readonly userStore: UserStore<infer User> }
  ? User
  : Given extends { readonly userStore: undefined }
    ? null
    : Given extends { readonly userStore?: UserStore<infer User> | undefined }
      ? User | null
      : null

/**
 * A gate in front of one Keycloak realm, for one client of it.
 *
 * Nothing is asked of Keycloak yet: it may be down, and the first good answer mends everything.
 *
 * @throws {GateError} `config_invalid` naming every option that is wrong
 * @example
 * const gate = createGate({ serverUrl: "https://sso.example.com", realm: "shop", clientId: "shop-api", userStore })
 */
export function createGate<User = unknown, Given extends Exactly<Given> = GateOptions<User>>(
  options: Given,
): Gate<unknown extends User ? RowOf<Given> : User>
export function createGate<User>(options: GateOptions<User>): Gate<User | null> {
  const settings = parseOptions<User>(options)
  // Looked up at each call, so that fake clocks work: moments by the wall clock, intervals by one that is never set back.
  const now = () => Date.now()
  const elapsed = () => performance.now()
  const realm = createRealm(settings.connection)
  const tell = createReport({ onEvent: settings.onEvent, issuer: realm.issuer, elapsed })
  const background = createBackground(settings.background, elapsed)
  const connection = createConnection({ settings: settings.connection, realm, tell, background, now, elapsed })
  const { transport, reachability, clock, report } = connection
  const verification = createVerification(settings.verification, connection)
  const users = createUsers<User>(settings.users, connection, verification.askAlive)
  const sessions = createSessions(settings.sessions, settings.verification, connection, verification, error =>
    refusals.refused(error),
  )
  const { legacyLogin } = settings
  const { store, rows, sync } = users
  const adoption = store === null || rows === null ? null : { connection, store, rows, custom: users.custom }
  const legacy =
    legacyLogin === null || adoption === null ? null : createLegacyLogins({ ...adoption, settings: legacyLogin })
  const login = createLogin(settings.login, connection, {
    neededScopes: verification.neededScopes,
    sessions: sessions.own,
    afterRefusal: legacy?.afterRefusal ?? null,
  })
  const accounts = createAccounts<User>({
    registration: settings.registration,
    connection,
    login,
    users,
    sessions: sessions.own,
  })
  const refusals = createRefusals({
    report,
    issuer: realm.issuer,
    assertOpen: transport.assertOpen,
    isTold: error => reachability.explains(error) || users.hasTold(error),
    isLate: error => networkFailure(error) === "late",
    count: reachability.countRefused,
    hasKeys: () => verification.keys.state() !== null,
    clockOff: () => clock.now() - now(),
  })
  const bearerVerification = createVerifyBearer<User>({
    realm: realm.name,
    maxTokenBytes: verification.maxTokenBytes,
    verification: { ...verification.ofIssuer, checks: [...verification.ofIssuer.checks, sessions.check] },
    assertOpen: transport.assertOpen,
    syncUser: users.syncUser,
    peekUser: users.peekUser,
    accepted: refusals.tokenAccepted,
    report: refusals.tokenRefused,
  })
  const { verifyBearer, verifyToken, recall } = tracedVerification(bearerVerification, realm.name, elapsed)
  const tellHolder = createQuietCall("onEnd", elapsed)
  const holds = createHolds<User | null>({
    verifyToken,
    assertOpen: transport.assertOpen,
    askAgain: verification.askAgain,
    clockToleranceSeconds: settings.verification.clockToleranceSeconds,
    report,
    refused: refusals.refused,
    tell: (onEnd, reason) => tellHolder(onEnd, reason, `the end of a hold (${reason})`),
    now,
    elapsed,
  })
  sessions.watch(holds.revoke)
  const internals: GateInternals<User | null> = {
    verifyBearer,
    recall,
    report: refusals.refused,
    clientId: connection.clientId,
    takeLogoutToken: sessions.takeLogoutToken,
    sync,
    adoption: () => adoption,
  }
  const { registration } = settings
  const setUp = createSetUp({ connection, verification: settings.verification, registration, keys: verification.keys })

  const told = <Verbs extends object>(verbs: Verbs) => tracedVerbs(refusals.reported(verbs), realm.name, elapsed)
  let closing: Promise<void> | null = null
  async function end(): Promise<void> {
    transport.stop()
    holds.close()
    legacy?.close()
    verification.close()
    await accounts.ended(connection.timeoutMs)
    transport.close()
    users.close()
    accounts.close()
    login.close()
    sessions.close()
  }

  return Object.freeze({
    ...told(login.verbs),
    ...told(accounts.verbs),
    ...told(sessions.verbs),
    verifyBearer,
    verifyToken,
    hold: holds.hold,
    // Not reported: whoever calls them reads what they tell.
    ...setUp,
    refusalFor,
    close() {
      closing ??= end()
      return closing
    },
    health: () => ({
      ...reachability.state(),
      keys: verification.keys.state(),
      unfinished: accounts.unfinished(),
      recheckBacklog: verification.backlog() + holds.backlog(),
      shared: sessions.shared(),
    }),
    realm: realm.name,
    [internalsKey]: internals,
  })
}
