import { type Expectations, parseClaims } from "./bearer/claims.js"
import type { Principal } from "./bearer/principal.js"
import { createPrincipalCache } from "./bearer/principal-cache.js"
import { type Refusal, refusalFor } from "./bearer/refusal.js"
import { type ChangePassword, createChangePassword } from "./change-password.js"
import { createDeleteAccount, type DeleteAccount } from "./delete-account.js"
import {
  createDisableAccount,
  createEnableAccount,
  type DisableAccount,
  type EnableAccount,
} from "./disable-account.js"
import { isGateError } from "./errors.js"
import { createReport } from "./events.js"
import { createAccountCalls } from "./keycloak/account-calls.js"
import { createAccountListing } from "./keycloak/account-listing.js"
import { createAdminClient } from "./keycloak/admin-client.js"
import { secretNeeded } from "./keycloak/client-authentication.js"
import { createIntrospect, createIntrospection } from "./keycloak/introspection.js"
import { createKeySet, type Jwk } from "./keycloak/key-set.js"
import { createKeycloakClock } from "./keycloak/keycloak-clock.js"
import { createRealm } from "./keycloak/realm.js"
import { createRecheck } from "./keycloak/recheck.js"
import type { Asker } from "./keycloak/refused-us.js"
import { createServiceToken } from "./keycloak/service-token.js"
import { createSessionEnd } from "./keycloak/session-end.js"
import { subjectOf } from "./keycloak/session-subject.js"
import { createSetUpInspection } from "./keycloak/set-up.js"
import { createTokenClient } from "./keycloak/token-client.js"
import { createTokenVerifier, type VerifyToken } from "./keycloak/token-verifier.js"
import { createTransport } from "./keycloak/transport.js"
import { createUserinfo } from "./keycloak/userinfo.js"
import { createLoginWithPassword, type LoginWithPassword } from "./login-with-password.js"
import { createLogout, type Logout } from "./logout.js"
import { createLogoutEverywhere, type LogoutEverywhere } from "./logout-everywhere.js"
import { type GateOptions, parseOptions } from "./options.js"
import { createReady, type ReadyOptions, type Use } from "./ready.js"
import { createRefreshSession, type RefreshSession } from "./refresh-session.js"
import { createRegisterUser, type RegisterUser } from "./register-user.js"
import { createSendEmailVerification, type SendEmailVerification } from "./send-email-verification.js"
import { createSendPasswordReset, type SendPasswordReset } from "./send-password-reset.js"
import { createSetPassword, type SetPassword } from "./set-password.js"
import { type SyncUsersSteps, syncUsersSteps } from "./sync-users.js"
import { createUpdateAccount, type UpdateAccount } from "./update-account.js"
import { createAccountChange } from "./user/change-account.js"
import { createAccountCreation } from "./user/create-account.js"
import { createRulesCache } from "./user/registration-rules.js"
import { createUserSync } from "./user/sync-user.js"
import type { UserIdentity, UserStore } from "./user/user-store.js"
import { createVerifyBearer, type VerifyBearer } from "./verify-bearer.js"

/** Everything the library does, for one realm and one client; all members are bound and safe to destructure. */
export interface Gate<User> {
  readonly registerUser: RegisterUser<User>
  readonly loginWithPassword: LoginWithPassword
  readonly verifyBearer: VerifyBearer<User>
  readonly refreshSession: RefreshSession
  readonly logout: Logout
  readonly logoutEverywhere: LogoutEverywhere
  readonly updateAccount: UpdateAccount<User>
  readonly setPassword: SetPassword
  readonly changePassword: ChangePassword
  readonly sendPasswordReset: SendPasswordReset
  readonly sendEmailVerification: SendEmailVerification
  readonly disableAccount: DisableAccount
  readonly enableAccount: EnableAccount
  readonly deleteAccount: DeleteAccount
  /**
   * Resolves when Keycloak is set up for what this application does; otherwise throws one error that names everything
   * that is wrong, why, and the mend. Never required: the gate is lazy and heals by itself.
   *
   * @throws {GateError} `keycloak_unavailable` or `keycloak_refused_us`; `cause` is an AggregateError of all findings
   */
  readonly ready: (options?: ReadyOptions) => Promise<void>
  /** The HTTP answer to an error of this library, or `null` for an error that is not ours. */
  readonly refusalFor: (error: unknown) => Refusal | null
  /** Stops background work and aborts requests in flight; every later call throws `closed`. */
  readonly close: () => void
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
export function createGate<User>(options: GateOptions<User> & { readonly userStore: UserStore<User> }): Gate<User>
export function createGate(options: GateOptions<never> & { readonly userStore?: undefined }): Gate<null>
export function createGate<User>(options: GateOptions<User>): Gate<User | null>
export function createGate<User>(options: GateOptions<User>): Gate<User | null> {
  const settings = parseOptions<User>(options)
  const { clientId, clientSecret, admin, userStore, audience, clockToleranceSeconds, mode } = settings
  const now = Date.now
  const realm = createRealm(settings)
  const report = createReport(settings.onEvent, realm.issuer)
  const transport = createTransport(settings.timeoutMs)
  const keySet = createKeySet({ ...settings, transport, certsUrl: realm.certsUrl, now })

  const askerAt = (url: string): Asker => ({ url, realm: realm.name, clientId, clientSecret })
  const tokens = createTokenClient({ ...settings, realm, transport })
  const adminTokens = admin === null ? tokens : createTokenClient({ ...settings, ...admin, realm, transport })

  const expected: Expectations = { issuer: realm.issuer, audience, clockToleranceSeconds, now }
  const checkClaims = (payload: Readonly<Record<string, unknown>>) => parseClaims(payload, expected)
  const verifyLocally = createTokenVerifier({ ...settings, keySet, issuer: realm.issuer })
  const introspector = askerAt(realm.introspectionUrl)
  const introspect = createIntrospect(introspector, transport)
  const verified = createPrincipalCache({
    // Whoever wants Keycloak asked on every request wants no verdict of before.
    maxTokens: mode === "local" ? settings.maxCachedTokens : 0,
    clockToleranceSeconds,
    isPublished: key => keySet.peek((key as Jwk).kid) === key,
    now,
  })
  const verifyToken: Readonly<Record<typeof mode, () => VerifyToken>> = {
    local: () => verifyLocally,
    introspection: () => createIntrospection({ ...settings, asker: introspector, introspect, expected }),
    userinfo: () =>
      createUserinfo({ ...settings, asker: askerAt(realm.userinfoUrl), transport, verifyLocally, checkClaims, now }),
  }
  const { recheckSeconds } = settings
  const recheck =
    recheckSeconds === null
      ? null
      : createRecheck({ ...settings, recheckSeconds, introspect, introspectionUrl: introspector.url, report, now })

  const sync = userStore === null ? null : createUserSync(userStore)
  async function syncUser(principal: Principal<null>): Promise<User | null> {
    if (principal.kind === "user") return sync?.syncUser(principal) ?? null
    if (settings.syncServiceAccounts) await sync?.syncUser(principal)
    return null
  }

  const canRegister = admin !== null || clientSecret !== null
  const clock = createKeycloakClock(now)
  const serviceGrant = clock.comparing(async () => {
    if (!canRegister) throw secretNeeded("Registering people and managing their accounts")
    return adminTokens.clientCredentialsGrant()
  })
  const serviceToken = createServiceToken(serviceGrant, now)
  const adminClient = { realm, clientId: admin?.clientId ?? clientId, transport, serviceToken }
  const accounts = createAdminClient(adminClient)
  const removeUser = async (identity: UserIdentity): Promise<void> => userStore?.removeUser(identity)
  async function undo(subject: string): Promise<void> {
    await accounts.deleteAccount(subject)
    await removeUser({ issuer: realm.issuer, subject })
  }
  const creation = createAccountCreation({ accounts, undo, now, report })

  const life = createAccountCalls({ ...adminClient, clock, mailClientId: clientId })
  const changeAccount = createAccountChange(life)

  function reportRefusal(error: unknown): void {
    if (isGateError(error) && error.code !== "closed") report({ type: "refusal", error })
  }

  /** Reports what a verb throws, and refuses every call after `close()`. */
  function reported<Parameters extends unknown[], Result>(verb: (...parameters: Parameters) => Promise<Result>) {
    return async (...parameters: Parameters): Promise<Result> => {
      try {
        transport.assertOpen()
        return await verb(...parameters)
      } catch (error) {
        reportRefusal(error)
        throw error
      }
    }
  }

  const verifyBearer = createVerifyBearer<User>({
    realm: realm.name,
    maxTokenBytes: settings.maxTokenBytes,
    assertOpen: transport.assertOpen,
    verifyToken: verifyToken[mode](),
    parseClaims: checkClaims,
    refuseEnded: recheck?.see ?? null,
    verified,
    syncUser: sync === null ? null : syncUser,
    report: reportRefusal,
  })
  const registerUser = createRegisterUser<User | null>({
    issuer: realm.issuer,
    accounts,
    creation,
    saveRegistered: async (profile, extra) => sync?.saveRegistered(profile, extra) ?? null,
    removeUser,
    // Half a minute by default, for databases that wait for a lock or a connection.
    storeTimeoutMs: 6 * settings.timeoutMs,
    given: settings.registration,
    report,
    now,
  })
  const loginWithPassword = createLoginWithPassword({
    passwordGrant: tokens.passwordGrant,
    neededScopes: mode === "userinfo" ? ["openid"] : [],
  })
  const endSession = createSessionEnd(askerAt(realm.logoutUrl), transport)
  const inspectSetUp = createSetUpInspection({
    ...settings,
    realm,
    transport,
    keySet,
    client: { asker: askerAt(realm.tokenUrl), tokens },
    admin: admin === null ? null : { asker: { ...askerAt(realm.tokenUrl), ...admin }, tokens: adminTokens },
    now,
  })
  const syncSteps: SyncUsersSteps<User> | null = sync && {
    issuer: realm.issuer,
    store: userStore as UserStore<User>,
    saveListed: sync.saveListed,
    listing: createAccountListing({ realm, clientId: admin?.clientId ?? clientId, transport, serviceToken, clock }),
  }
  const usesByDefault: readonly Use[] =
    clientSecret === null ? ["verifyBearer"] : ["verifyBearer", "loginWithPassword", "registerUser"]

  return Object.freeze({
    registerUser: reported(registerUser),
    loginWithPassword: reported(loginWithPassword),
    verifyBearer,
    refreshSession: reported(createRefreshSession(tokens.refreshGrant)),
    logout: reported(createLogout(endSession)),
    logoutEverywhere: reported(createLogoutEverywhere(accounts.endSessions)),
    updateAccount: reported(
      createUpdateAccount<User | null>({
        issuer: realm.issuer,
        changeAccount,
        readRules: createRulesCache(accounts.readRules, now).get,
        saveUser: async profile => sync?.saveRegistered(profile, undefined) ?? null,
      }),
    ),
    setPassword: reported(createSetPassword({ setPassword: life.setPassword, endSessions: accounts.endSessions })),
    changePassword: reported(
      createChangePassword({
        login: loginWithPassword,
        subjectOf,
        endSession,
        endSessions: accounts.endSessions,
        life,
      }),
    ),
    sendPasswordReset: reported(createSendPasswordReset({ life, report })),
    sendEmailVerification: reported(createSendEmailVerification(life.sendEmailVerification)),
    disableAccount: reported(createDisableAccount({ changeAccount, endSessions: accounts.endSessions })),
    enableAccount: reported(createEnableAccount(changeAccount)),
    deleteAccount: reported(
      createDeleteAccount({
        issuer: realm.issuer,
        changeAccount,
        deleteAccount: accounts.deleteAccount,
        removeUser: async identity => sync?.removeUser(identity, clock.atLatest()),
      }),
    ),
    // Not reported: whoever calls it reads the error.
    ready: createReady(inspectSetUp, usesByDefault),
    refusalFor,
    close() {
      transport.close()
      creation.close()
      recheck?.close()
    },
    realm: realm.name,
    [syncUsersSteps]: syncSteps,
  })
}
