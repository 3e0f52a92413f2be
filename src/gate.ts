import { type AccountVerbs, createAccounts } from "./accounts/accounts.js"
import { createAdoption } from "./adoption/adoption.js"
import { type Health, healthOf } from "./gate-health.js"
import { type GateInternals, internalsKey } from "./gate-internals.js"
import { createConnection } from "./keycloak/connection.js"
import { networkFailure } from "./keycloak/network-error.js"
import { createRealm } from "./keycloak/realm.js"
import { createLogin, type LoginVerbs } from "./login/login.js"
import { type GateOptions, parseOptions } from "./options/gate-options.js"
import type { ExactOptions, RowOf } from "./options/given-options.js"
import { type Refusal, refusalFor } from "./refusal.js"
import { createSessions, type SessionVerbs } from "./sessions/sessions.js"
import { createSetUp, type SetUpVerbs } from "./setup/set-up.js"
import { createUsers } from "./users/users.js"
import { type BearerVerbs, createBearers } from "./verify/bearers.js"
import { createVerification } from "./verify/verification.js"
import { createBackground } from "./watch/background.js"
import { createQuietCall } from "./watch/quiet-call.js"
import { createRefusals } from "./watch/refusals.js"
import { createReport } from "./watch/report.js"
import { tracedVerbs } from "./watch/traced-verbs.js"

/** Everything the library does, for one realm and one client; all members are bound and safe to destructure. */
export interface Gate<User> extends BearerVerbs<User>, AccountVerbs<User>, LoginVerbs, SessionVerbs, SetUpVerbs {
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

/**
 * A gate in front of one Keycloak realm, for one client of it.
 *
 * Nothing is asked of Keycloak yet: it may be down, and the first good answer mends everything.
 *
 * @throws {GateError} `config_invalid` naming every option that is wrong
 * @example
 * const gate = createGate({ serverUrl: "https://sso.example.com", realm: "shop", clientId: "shop-api", userStore })
 */
// One signature and no overloads: TypeScript tells of a wrong option once for each of them.
export function createGate<User = unknown, Given extends ExactOptions<Given> = GateOptions<User>>(
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
  const adoption = createAdoption<User>(settings.legacyLogin, users, connection)
  const login = createLogin(settings.login, connection, {
    neededScopes: verification.neededScopes,
    sessions: sessions.own,
    afterRefusal: adoption.afterRefusal,
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
  const tellHolder = createQuietCall("onEnd", elapsed)
  const bearers = createBearers<User>(
    {
      settings: settings.verification,
      verification,
      check: sessions.check,
      syncUser: users.syncUser,
      peekUser: users.peekUser,
      refusals,
      tellHolder: (onEnd, reason) => tellHolder(onEnd, reason, `the end of a hold (${reason})`),
    },
    connection,
  )
  sessions.watch(bearers.revoke)
  const internals: GateInternals<User | null> = {
    verifyBearer: bearers.verbs.verifyBearer,
    recall: bearers.recall,
    report: refusals.refused,
    clientId: connection.clientId,
    takeLogoutToken: sessions.takeLogoutToken,
    sync: users.sync,
    adoption: () => adoption.parts,
  }
  const { registration } = settings
  const setUp = createSetUp({
    connection,
    verification: settings.verification,
    registration,
    longestTokenSeconds: settings.sessions.longestTokenSeconds,
    keys: verification.keys,
  })

  const told = <Verbs extends object>(verbs: Verbs) => tracedVerbs(refusals.reported(verbs), realm.name, elapsed)
  let closing: Promise<void> | null = null
  async function end(): Promise<void> {
    transport.stop()
    bearers.close()
    adoption.close()
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
    ...bearers.verbs,
    // Not reported: whoever calls them reads what they tell.
    ...setUp,
    refusalFor,
    close() {
      closing ??= end()
      return closing
    },
    health: () => healthOf({ connection, verification, bearers, accounts, sessions }),
    realm: realm.name,
    [internalsKey]: internals,
  })
}
