import { loadOnce } from "../load-once.js"
import type { AccountContext, AccountParts, AccountWork } from "./account-context.js"
import type { ChangePassword } from "./change-password.js"
import type { DeleteAccount } from "./delete-account.js"
import type { DisableAccount } from "./disable-account.js"
import { createDrain } from "./drain.js"
import type { EnableAccount } from "./enable-account.js"
import type { EndSession } from "./end-session.js"
import type { LogoutEverywhere } from "./logout-everywhere.js"
import type { RegisterUser } from "./register-user.js"
import type { SendEmailVerification } from "./send-email-verification.js"
import type { SendPasswordReset } from "./send-password-reset.js"
import type { Sessions } from "./sessions.js"
import type { SetPassword } from "./set-password.js"
import type { UpdateAccount } from "./update-account.js"

/** The verbs of a gate that need Keycloak's Admin API. */
export interface AccountVerbs<User> {
  readonly registerUser: RegisterUser<User>
  readonly updateAccount: UpdateAccount<User>
  readonly setPassword: SetPassword
  readonly changePassword: ChangePassword
  readonly sendPasswordReset: SendPasswordReset
  readonly sendEmailVerification: SendEmailVerification
  readonly disableAccount: DisableAccount
  readonly enableAccount: EnableAccount
  readonly deleteAccount: DeleteAccount
  readonly logoutEverywhere: LogoutEverywhere
  readonly sessions: Sessions
  readonly endSession: EndSession
}

export interface Accounts<User> {
  readonly verbs: AccountVerbs<User>
  /** How much is still to be finished beside the calls. */
  readonly unfinished: () => number
  /** Waits for the registrations that are under way, but no longer than that. */
  readonly ended: (limitMs: number) => Promise<void>
  readonly close: () => void
}

/** Each verb is loaded with its first call, since most processes only verify. */
export function createAccounts<User>(parts: AccountParts<User>): Accounts<User | null> {
  const { assertOpen } = parts.connection.transport
  const drain = createDrain()
  let work: AccountWork | null = null
  const join = loadOnce(async () => {
    const { createAccountContext } = await import("./account-context.js")
    const context = createAccountContext(parts)
    work = context
    return context
  })

  function verb<Given extends unknown[], Result>(
    load: () => Promise<(context: AccountContext<User>, ...given: Given) => Promise<Result>>,
  ) {
    return async (...given: Given): Promise<Result> => {
      const [run, context] = await Promise.all([load(), join()])
      assertOpen()
      return run(context, ...given)
    }
  }

  /** A verb that may end all sessions of its subject. */
  function ending<Rest extends unknown[]>(run: (subject: string, ...rest: Rest) => Promise<void>) {
    return (subject: string, ...rest: Rest) => parts.login.endingSessions(subject, () => run(subject, ...rest))
  }

  const registerUser = verb(async () => (await import("./register-user.js")).registerUser<User | null>)

  return {
    verbs: {
      registerUser: (registration, extra) => drain.hold(registerUser(registration, extra)),
      updateAccount: verb(async () => (await import("./update-account.js")).updateAccount<User | null>),
      setPassword: ending(verb(async () => (await import("./set-password.js")).setPassword)),
      changePassword: verb(async () => (await import("./change-password.js")).changePassword),
      sendPasswordReset: verb(async () => (await import("./send-password-reset.js")).sendPasswordReset),
      sendEmailVerification: verb(async () => (await import("./send-email-verification.js")).sendEmailVerification),
      disableAccount: ending(verb(async () => (await import("./disable-account.js")).disableAccount)),
      enableAccount: verb(async () => (await import("./enable-account.js")).enableAccount),
      deleteAccount: ending(verb(async () => (await import("./delete-account.js")).deleteAccount)),
      logoutEverywhere: ending(verb(async () => (await import("./logout-everywhere.js")).logoutEverywhere)),
      sessions: verb(async () => (await import("./sessions.js")).sessions),
      endSession: ending(verb(async () => (await import("./end-session.js")).endSession)),
    },
    unfinished: () => work?.left() ?? 0,
    ended: drain.ended,
    close: () => work?.close(),
  }
}
