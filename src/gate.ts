import type { AccountHalf, AccountVerbs } from "./accounts/accounts.js"
import { createDrain } from "./accounts/drain.js"
import type { Report } from "./events.js"
import { type GateInternals, internalsKey } from "./gate-internals.js"
import { createAdminApi } from "./keycloak/admin-api.js"
import { secretNeeded } from "./keycloak/client-authentication.js"
import type { Deadline } from "./keycloak/deadline.js"
import { createKeycloakClock } from "./keycloak/keycloak-clock.js"
import { createSessionEnd } from "./keycloak/logout-endpoint.js"
import { networkFailure } from "./keycloak/network-error.js"
import type { Share } from "./keycloak/places.js"
import { createReachability } from "./keycloak/reachability.js"
import { createRealm } from "./keycloak/realm.js"
import { createServiceToken, serviceTokenWithin } from "./keycloak/service-token.js"
import type { KeycloakClient } from "./keycloak/set-up-errors.js"
import { createTokenClient } from "./keycloak/token-endpoint.js"
import { createTransport } from "./keycloak/transport.js"
import { createLoginWithPassword, type LoginWithPassword } from "./login/login-with-password.js"
import { createLogout, type Logout } from "./login/logout.js"
import { createRefreshSession, type RefreshSession } from "./login/refresh-session.js"
import { type GateOptions, parseOptions } from "./options/gate-options.js"
import { type Refusal, refusalFor } from "./refusal.js"
import { createSetUpInspection } from "./setup/inspect-set-up.js"
import { createReady, type ReadyOptions, type Use } from "./setup/ready.js"
import { createBoundedStore } from "./users/bounded-store.js"
import { createAccountListing } from "./users/sync/keycloak-listing.js"
import type { SyncUsersSteps } from "./users/sync/sync-run.js"
import { createUserSync } from "./users/user-rows.js"
import type { UserStore } from "./users/user-store.js"
import { type Expectations, parseClaims } from "./verify/claims.js"
import type { Principal } from "./verify/principal.js"
import { createPrincipalCache } from "./verify/principal-cache.js"
import { createAskAlive } from "./verify/session/account-alive.js"
import { createIntrospect, createIntrospection } from "./verify/session/introspection.js"
import { createRecheck } from "./verify/session/recheck.js"
import { createUserinfo, subjectOf } from "./verify/session/userinfo.js"
import type { Jwk } from "./verify/token/fetch-keys.js"
import { createKeySet } from "./verify/token/key-set.js"
import { createTokenVerifier, type VerifyToken } from "./verify/token/token-verifier.js"
import { createVerifyBearer, type VerifyBearer } from "./verify/verify-bearer.js"
import { createRefusals } from "./watch/refusals.js"
import { createReport } from "./watch/report.js"

/** Everything the library does, for one realm and one client; all members are bound and safe to destructure. */
export interface Gate<User> extends AccountVerbs<User> {
  readonly loginWithPassword: LoginWithPassword
  readonly verifyBearer: VerifyBearer<User>
  readonly refreshSession: RefreshSession
  readonly logout: Logout
  /**
   * Resolves when Keycloak is set up for what this application does; otherwise throws one error that names everything
   * that is wrong, why, and the mend. Never required: the gate is lazy and heals by itself.
   *
   * @throws {GateError} `keycloak_unavailable` or `keycloak_refused_us`; `cause` is an AggregateError of all findings
   */
  readonly ready: (options?: ReadyOptions) => Promise<void>
  /** The HTTP answer to an error of this library, or `null` for an error that is not ours. */
  readonly refusalFor: (error: unknown) => Refusal | null
  /**
   * Refuses every later call (`closed`) and aborts what is under way, but for registrations: they have `timeoutMs` to end.
   * Nothing of the gate holds the process once this has resolved.
   */
  readonly close: () => Promise<void>
  /** How it stands with Keycloak and with what the gate has still to do, as far as it knows; asks nobody. */
  readonly health: () => Health
  /** The realm's name, for challenges. */
  readonly realm: string
}

export interface Health {
  /** Whether Keycloak answered of late; `"unknown"` before anything was asked. */
  readonly keycloak: "up" | "down" | "unknown"
  /** When that began. */
  readonly since: Date | null
  /** The keys that tokens are verified with, and how long they are of use if none follow; null before the first ones. */
  readonly keys: { readonly ageSeconds: number; readonly usableForSeconds: number } | null
  /** How many registrations failed half-way and are still to be finished. */
  readonly unfinished: number
  /** `recheckSeconds`: how many questions about tokens wait for their turn. */
  readonly recheckBacklog: number
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
export function createGate<User>(options: GateOptions<User> & { readonly userStore: UserStore<User> }): Gate<User>
export function createGate(options: GateOptions<never> & { readonly userStore?: undefined }): Gate<null>
export function createGate<User>(options: GateOptions<User>): Gate<User | null>
export function createGate<User>(options: GateOptions<User>): Gate<User | null> {
  const settings = parseOptions<User>(options)
  const { clientId, clientSecret, admin, userStore, audience, clockToleranceSeconds, mode, recheckSeconds } = settings
  // Looked up at each call, so that fake clocks work: moments by the wall clock, intervals by one that is never set back.
  const now = () => Date.now()
  const elapsed = () => performance.now()
  const realm = createRealm(settings)
  const tell = createReport({ ...settings, issuer: realm.issuer, elapsed })
  const reachability = createReachability({ ...settings, tell, now, elapsed })
  /** An outage is told as one, and not once more by whom it stops. */
  const report: Report = event => {
    if (event.type !== "recheck_failed" || !reachability.explains(event.error)) tell(event)
  }
  const transport = createTransport({ ...settings, reachability, report, elapsed })
  const keySet = createKeySet({ ...settings, transport, certsUrl: realm.certsUrl, report, elapsed })

  const clientAt = (url: string): KeycloakClient => ({ url, realm: realm.name, clientId, clientSecret })
  const tokens = createTokenClient({ ...settings, realm, transport })
  const adminTokens = admin === null ? tokens : createTokenClient({ ...settings, ...admin, realm, transport })

  const expected: Expectations = { issuer: realm.issuer, audience, clockToleranceSeconds, now }
  const checkClaims = (payload: Readonly<Record<string, unknown>>) => parseClaims(payload, expected)
  const verifyLocally = createTokenVerifier({ ...settings, keySet, issuer: realm.issuer })
  const introspector = clientAt(realm.introspectionUrl)
  const introspect = createIntrospect(introspector, transport, recheckSeconds === null ? "verification" : "background")
  const verified = createPrincipalCache({
    // Whoever wants Keycloak asked on every request wants no verdict of before.
    maxTokens: mode === "local" ? settings.maxCachedTokens : 0,
    clockToleranceSeconds,
    isPublished: key => keySet.publishes(key as Jwk),
    now,
  })
  const verifyToken: Readonly<Record<typeof mode, () => VerifyToken>> = {
    local: () => verifyLocally,
    introspection: () => createIntrospection({ ...settings, client: introspector, introspect, expected, elapsed }),
    userinfo: () =>
      createUserinfo({
        ...settings,
        client: clientAt(realm.userinfoUrl),
        transport,
        verifyLocally,
        checkClaims,
        now,
        elapsed,
      }),
  }
  const recheck =
    recheckSeconds === null
      ? null
      : createRecheck({
          ...settings,
          recheckSeconds,
          introspect,
          introspectionUrl: introspector.url,
          report,
          now,
          elapsed,
        })

  const clock = createKeycloakClock(now, elapsed)
  const askAlive = createAskAlive({
    clientId,
    introspect: clientSecret === null ? null : createIntrospect(introspector, transport, "verification"),
    askUserinfo: token => subjectOf(token, clientAt(realm.userinfoUrl), transport),
  })
  const store = userStore && createBoundedStore<User>({ ...settings, store: userStore, report, elapsed })
  const sync = store && createUserSync<User>({ store, askAlive, clock, report })
  async function syncUser(principal: Principal<null>): Promise<User | null> {
    if (principal.kind === "user") return sync?.syncUser(principal) ?? null
    if (settings.syncServiceAccounts) await sync?.syncUser(principal)
    return null
  }

  const canRegister = admin !== null || clientSecret !== null
  const serviceGrant = clock.comparing(async () => {
    if (!canRegister) throw secretNeeded("Registering people and managing their accounts")
    return adminTokens.clientCredentialsGrant()
  })
  const serviceToken = createServiceToken(serviceGrant, elapsed)
  const adminApi = (share: Share, deadline?: Deadline) =>
    createAdminApi({
      realm,
      clientId: admin?.clientId ?? clientId,
      transport,
      share,
      serviceToken: deadline === undefined ? serviceToken : serviceTokenWithin(serviceToken, deadline),
    })

  const refusals = createRefusals({
    report,
    issuer: realm.issuer,
    isTold: error => reachability.explains(error) || store?.hasTold(error) === true,
    isLate: error => networkFailure(error) === "late",
    count: reachability.countRefused,
    hasKeys: () => keySet.state() !== null,
    clockOff: () => clock.now() - now(),
  })

  /** Reports what a verb throws, and refuses every call after `close()`. */
  function reported<Parameters extends unknown[], Result>(verb: (...parameters: Parameters) => Promise<Result>) {
    return async (...parameters: Parameters): Promise<Result> => {
      try {
        transport.assertOpen()
        return await verb(...parameters)
      } catch (error) {
        refusals.refused(error)
        throw error
      }
    }
  }

  const { verifyBearer, recall } = createVerifyBearer<User>({
    realm: realm.name,
    maxTokenBytes: settings.maxTokenBytes,
    assertOpen: transport.assertOpen,
    verifyToken: verifyToken[mode](),
    parseClaims: checkClaims,
    refuseEnded: recheck?.see ?? null,
    verified,
    syncUser: sync === null ? null : syncUser,
    accepted: refusals.tokenAccepted,
    report: refusals.tokenRefused,
  })
  const loginWithPassword = createLoginWithPassword({
    passwordGrant: clock.comparing(tokens.passwordGrant),
    neededScopes: mode === "userinfo" ? ["openid"] : [],
  })
  const endSession = createSessionEnd(clientAt(realm.logoutUrl), transport)
  let accountVerbs: Promise<AccountVerbs<User | null> & AccountHalf> | null = null
  let accountHalf: AccountHalf | null = null
  /** One verb of the half that manages accounts, which is loaded with the first call of any of them. */
  function onAccounts<Name extends keyof AccountVerbs<User>>(name: Name): AccountVerbs<User | null>[Name] {
    const verb = reported(async (...parameters: unknown[]) => {
      accountVerbs ??= import("./accounts/accounts.js").then(({ createAccountVerbs }) =>
        createAccountVerbs({
          settings,
          realm,
          transport,
          adminApi,
          clock,
          sync,
          loginWithPassword,
          endSession,
          report,
          elapsed,
        }),
      )
      const verbs = await accountVerbs
      accountHalf = verbs
      transport.assertOpen()
      return (verbs[name] as (...parameters: unknown[]) => Promise<unknown>)(...parameters)
    })
    return verb as AccountVerbs<User | null>[Name]
  }

  const drain = createDrain()
  const register = onAccounts("registerUser")
  const registerUser: typeof register = (...parameters) => drain.hold(register(...parameters))
  let closing: Promise<void> | null = null
  async function end(): Promise<void> {
    transport.stop()
    keySet.close()
    recheck?.close()
    await drain.ended(settings.timeoutMs)
    transport.close()
    store?.close()
    accountHalf?.close()
  }

  const inspectSetUp = createSetUpInspection({
    ...settings,
    realm,
    transport,
    keySet,
    client: { asker: clientAt(realm.tokenUrl), tokens },
    admin: admin === null ? null : { asker: { ...clientAt(realm.tokenUrl), ...admin }, tokens: adminTokens },
    now,
  })
  const listing = createAccountListing(adminApi("background"), clock)
  const syncSteps: SyncUsersSteps<User> | null = store && sync && { issuer: realm.issuer, store, rows: sync, listing }
  const internals: GateInternals<User | null> = {
    verifyBearer,
    recall,
    report: refusals.refused,
    sync: syncSteps,
  }
  const usesByDefault: readonly Use[] =
    clientSecret === null ? ["verifyBearer"] : ["verifyBearer", "loginWithPassword", "registerUser"]

  return Object.freeze({
    loginWithPassword: reported(loginWithPassword),
    verifyBearer,
    refreshSession: reported(createRefreshSession(clock.comparing(tokens.refreshGrant))),
    logout: reported(createLogout(endSession)),
    registerUser,
    logoutEverywhere: onAccounts("logoutEverywhere"),
    updateAccount: onAccounts("updateAccount"),
    setPassword: onAccounts("setPassword"),
    changePassword: onAccounts("changePassword"),
    sendPasswordReset: onAccounts("sendPasswordReset"),
    sendEmailVerification: onAccounts("sendEmailVerification"),
    disableAccount: onAccounts("disableAccount"),
    enableAccount: onAccounts("enableAccount"),
    deleteAccount: onAccounts("deleteAccount"),
    // Not reported: whoever calls it reads the error.
    ready: createReady(inspectSetUp, usesByDefault),
    refusalFor,
    close() {
      closing ??= end()
      return closing
    },
    health: () => ({
      ...reachability.state(),
      keys: keySet.state(),
      unfinished: accountHalf?.unfinished() ?? 0,
      recheckBacklog: recheck?.backlog() ?? 0,
    }),
    realm: realm.name,
    [internalsKey]: internals,
  })
}
