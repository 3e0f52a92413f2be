import type { Report } from "../events.js"
import type { Connection } from "../keycloak/connection.js"
import { type Deadline, startDeadline } from "../keycloak/deadline.js"
import type { Share } from "../keycloak/places.js"
import type { Login } from "../login/login.js"
import type { OwnSessions } from "../sessions/sessions.js"
import type { UserIdentity } from "../users/user-store.js"
import type { Users } from "../users/users.js"
import { type ChangeAccount, createAccountChange } from "./change-account.js"
import { type CreateAccount, createCreateAccount } from "./create-account.js"
import { findAccount } from "./keycloak/account.js"
import { type Channel, openChannel } from "./keycloak/channel.js"
import { createAccount } from "./keycloak/create.js"
import { readRules } from "./keycloak/rules.js"
import { endSessions, endSessionsUntil } from "./keycloak/sessions.js"
import type { RegistrationSettings } from "./registration-defaults.js"
import { createRulesCache, type RulesCache } from "./registration-rules.js"
import { createSessionEnding, type SessionEnding } from "./session-ending.js"
import { createTurns } from "./turns.js"
import { createUnclearChanges, type UnclearChanges } from "./unclear-changes.js"
import { createUnfinished } from "./unfinished.js"
import { createUnfinishedRegistrations, type UnfinishedRegistrations } from "./unfinished-registrations.js"

export interface AccountParts<User> {
  readonly registration: RegistrationSettings
  readonly connection: Connection
  readonly login: Login
  readonly users: Users<User>
  /** Hears of sessions that end. */
  readonly sessions: OwnSessions
}

/** What every verb of the wing works with. */
export interface AccountContext<User> extends Pick<Connection, "elapsed"> {
  readonly issuer: string
  readonly registration: RegistrationSettings
  readonly login: Login
  readonly report: Report
  readonly pause: (ms: number) => Promise<void>
  /** The application's rows; null without a user store. */
  readonly rows: Users<User>["rows"]
  readonly custom: Users<User>["custom"]
  readonly removeUser: (identity: UserIdentity) => Promise<void>
  /** Does what ends all sessions of an account. */
  readonly endingAll: OwnSessions["endingAll"]
  readonly endedOne: OwnSessions["endedOne"]
  readonly rules: RulesCache
  readonly unclear: UnclearChanges
  readonly unfinished: UnfinishedRegistrations
  readonly createAccount: CreateAccount
  /** Accounts whose mail to set a new password is being sent. */
  readonly resetMails: Set<string>
  /** To ask Keycloak about accounts. */
  readonly channelIn: (share: Share) => Channel
  /** Begins one call of a verb, with one limit for all that it asks of Keycloak. */
  readonly begin: (share: Share) => AccountCall
}

/** A verb as a function over what all of them work with. */
export type AccountVerb<Verb> = Verb extends (...given: infer Given) => infer Result
  ? (context: AccountContext<unknown>, ...given: Given) => Result
  : never

interface AccountCall {
  readonly deadline: Deadline
  readonly channel: Channel
  readonly sessions: SessionEnding
  readonly changeAccount: ChangeAccount
}

/** What goes on beside the calls. */
export interface AccountWork {
  /** How many registrations and sessions are still to be finished. */
  readonly left: () => number
  readonly close: () => void
}

export function createAccountContext<User>(parts: AccountParts<User>): AccountContext<User> & AccountWork {
  const { registration, connection, login, users, sessions } = parts
  const { transport, clock, report, elapsed, timeoutMs } = connection
  const channelIn = (share: Share) => openChannel(connection, share)
  const beside = channelIn("background")
  const registering = channelIn("registration")
  const queue = createUnfinished(elapsed, connection.sharing.background)
  const inTurn = createTurns(timeoutMs)

  return {
    issuer: connection.realm.issuer,
    registration,
    login,
    report,
    elapsed,
    pause: transport.pause,
    rows: users.rows,
    custom: users.custom,
    removeUser: async identity => users.rows?.removeUser(identity),
    endingAll: sessions.endingAll,
    endedOne: sessions.endedOne,
    rules: createRulesCache(() => readRules(registering), elapsed, connection.sharing),
    unclear: createUnclearChanges(),
    unfinished: createUnfinishedRegistrations({ queue, findAccount: name => findAccount(beside, name), report }),
    createAccount: createCreateAccount({
      createAccount: account => createAccount(registering, account),
      findAccount: name => findAccount(registering, name),
      keycloakTime: clock.now,
    }),
    resetMails: new Set(),
    channelIn,
    begin(share) {
      const deadline = startDeadline(timeoutMs, elapsed, transport.pause)
      const channel = openChannel(connection, share, deadline)
      return {
        deadline,
        channel,
        sessions: createSessionEnding({
          deadline,
          endSessions: subject => sessions.endingAll(subject, () => endSessions(channel, subject)),
          // Nobody's call is under way by then.
          endSessionsUntil: (subject, until) =>
            login.endingSessions(subject, () => endSessionsUntil(beside, subject, until, sessions.endedOne)),
          queue,
          now: clock.atLatest,
          report,
        }),
        changeAccount: createAccountChange(channel, inTurn),
      }
    },
    left: queue.size,
    close: queue.close,
  }
}
