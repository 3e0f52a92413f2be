import type { Report } from "../events.js"
import type { AdminApi } from "../keycloak/admin-api.js"
import { type Deadline, startDeadline } from "../keycloak/deadline.js"
import type { KeycloakClock } from "../keycloak/keycloak-clock.js"
import type { Share } from "../keycloak/places.js"
import type { Realm } from "../keycloak/realm.js"
import { subjectOf } from "../keycloak/session.js"
import type { Transport } from "../keycloak/transport.js"
import type { LoginWithPassword } from "../login/login-with-password.js"
import type { Logout } from "../login/logout.js"
import type { UserSync } from "../users/user-rows.js"
import type { UserIdentity } from "../users/user-store.js"
import { createAccountChange } from "./change-account.js"
import { type ChangePassword, createChangePassword } from "./change-password.js"
import { createCreateAccount } from "./create-account.js"
import { createDeleteAccount, type DeleteAccount } from "./delete-account.js"
import {
  createDisableAccount,
  createEnableAccount,
  type DisableAccount,
  type EnableAccount,
} from "./disable-account.js"
import { createAccountCalls } from "./keycloak/account.js"
import { createAdminClient } from "./keycloak/registration.js"
import { createAccountSessions } from "./keycloak/sessions.js"
import { createLogoutEverywhere, type LogoutEverywhere } from "./logout-everywhere.js"
import { createRegisterUser, type RegisterUser } from "./register-user.js"
import type { RegistrationSettings } from "./registration-defaults.js"
import { createRulesCache } from "./registration-rules.js"
import { createSendEmailVerification, type SendEmailVerification } from "./send-email-verification.js"
import { createSendPasswordReset, type SendPasswordReset } from "./send-password-reset.js"
import { createSessionEnding } from "./session-ending.js"
import { createSetPassword, type SetPassword } from "./set-password.js"
import { tryAgain } from "./try-again.js"
import { createTurns } from "./turns.js"
import { createUnclearChanges } from "./unclear-changes.js"
import { createUnfinished } from "./unfinished.js"
import { createUnfinishedRegistrations } from "./unfinished-registrations.js"
import { createUpdateAccount, type UpdateAccount } from "./update-account.js"

/** The verbs of a gate that need Keycloak's Admin API. */
export interface AccountVerbs<User> {
  readonly registerUser: RegisterUser<User>
  readonly logoutEverywhere: LogoutEverywhere
  readonly updateAccount: UpdateAccount<User>
  readonly setPassword: SetPassword
  readonly changePassword: ChangePassword
  readonly sendPasswordReset: SendPasswordReset
  readonly sendEmailVerification: SendEmailVerification
  readonly disableAccount: DisableAccount
  readonly enableAccount: EnableAccount
  readonly deleteAccount: DeleteAccount
}

export interface AccountParts<User> {
  readonly settings: {
    readonly clientId: string
    readonly timeoutMs: number
    readonly registration: RegistrationSettings
  }
  readonly realm: Realm
  readonly transport: Transport
  readonly adminApi: (share: Share, deadline?: Deadline) => AdminApi
  readonly clock: KeycloakClock
  readonly sync: UserSync<User> | null
  readonly loginWithPassword: LoginWithPassword
  readonly endSession: Logout
  readonly report: Report
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** What the gate itself needs of this half. */
export interface AccountHalf {
  /** How much is still to be finished beside the requests. */
  readonly unfinished: () => number
  readonly close: () => void
}

/**
 * The half of the gate that manages accounts: joined here and loaded by gate.ts with the first call of one of its verbs,
 * since most processes only verify.
 */
export function createAccountVerbs<User>(parts: AccountParts<User>): AccountVerbs<User | null> & AccountHalf {
  const { settings, realm, transport, adminApi, clock, sync, report, elapsed } = parts
  const { issuer } = realm
  function accountsIn(share: Share, deadline?: Deadline) {
    const api = adminApi(share, deadline)
    const life = createAccountCalls({ api, clock, mailClientId: settings.clientId })
    return { ...createAdminClient({ realm, transport, api }), ...life, ...createAccountSessions(api) }
  }
  const accounts = accountsIn("registration")
  const accountsLater = accountsIn("background")
  const queue = createUnfinished(elapsed)
  const { findAccount, endSessionsUntil } = accountsLater
  const unfinished = createUnfinishedRegistrations({ queue, findAccount, report })
  const unclear = createUnclearChanges()
  const removeUser = async (identity: UserIdentity) => sync?.removeUser(identity)
  const inTurn = createTurns(settings.timeoutMs)
  const rules = createRulesCache(accounts.readRules, elapsed)

  /** What one call of a verb may ask of Keycloak, with one limit for all of it. */
  function callIn(share: Share) {
    const deadline = startDeadline(settings.timeoutMs, elapsed, transport.pause)
    const life = accountsIn(share, deadline)
    const { endSessions } = life
    const now = clock.atLatest
    const sessions = createSessionEnding({ deadline, endSessions, endSessionsUntil, queue, now, report })
    return { deadline, life, sessions, changeAccount: createAccountChange(life, inTurn) }
  }

  /** A verb that is made for each of its calls, so that each has a limit of its own. */
  function limited<Parameters extends unknown[], Result>(
    share: Share,
    verb: (call: ReturnType<typeof callIn>) => (...parameters: Parameters) => Promise<Result>,
  ) {
    return (...parameters: Parameters): Promise<Result> => verb(callIn(share))(...parameters)
  }

  return {
    registerUser: createRegisterUser<User | null>({
      issuer,
      createAccount: createCreateAccount(accounts, clock.now),
      accounts,
      accountsLater,
      rules,
      unfinished,
      saveRegistered: async (profile, extra) => sync?.saveRegistered(profile, extra) ?? null,
      removeUser,
      defaults: settings.registration,
      report,
    }),
    logoutEverywhere: limited("accounts", ({ sessions }) => createLogoutEverywhere(sessions.end)),
    updateAccount: limited("accounts", ({ deadline, changeAccount }) => {
      const reading = sync?.beginReading() ?? 0
      return createUpdateAccount<User | null>({
        issuer,
        changeAccount,
        readRules: () => deadline.within(rules.get()),
        allowEmailLikeUsernames: settings.registration.allowEmailLikeUsernames,
        saveUser: async profile => sync?.saveRead(profile, reading) ?? null,
      })
    }),
    setPassword: limited("accounts", createSetPassword),
    changePassword: limited("anonymous", call =>
      createChangePassword({
        ...call,
        unclear,
        login: parts.loginWithPassword,
        subjectOf,
        endSession: parts.endSession,
      }),
    ),
    // The mail goes out after the call, with a limit of its own.
    sendPasswordReset: createSendPasswordReset({
      life: {
        findByEmail: email => callIn("anonymous").life.findByEmail(email),
        sendPasswordReset: (id, mail) => callIn("anonymous").life.sendPasswordReset(id, mail),
      },
      report,
      elapsed,
      pause: transport.pause,
    }),
    sendEmailVerification: limited("accounts", ({ life }) => createSendEmailVerification(life.sendEmailVerification)),
    disableAccount: limited("accounts", createDisableAccount),
    enableAccount: limited("accounts", ({ changeAccount }) => createEnableAccount(changeAccount)),
    deleteAccount: limited("accounts", ({ changeAccount }) =>
      createDeleteAccount({
        issuer,
        changeAccount,
        // The store's time counts for nobody: what comes after it has a limit of its own.
        async deleteAccount(subject) {
          const { deadline, life } = callIn("accounts")
          await tryAgain(deadline, () => life.deleteAccount(subject))
        },
        removeUser,
      }),
    ),
    unfinished: queue.size,
    close: queue.close,
  }
}
