import { GateError, isGateError } from "./errors.js"
import { type FieldRule, invalidFields, readFields, readFlags } from "./fields.js"
import type { PasswordCredentials, Session } from "./login-with-password.js"
import type { AccountLife } from "./user/account-life.js"
import { readSubject } from "./user/subject.js"

/** What a person sends to change the own password, and whose it is. */
export interface PasswordChange {
  /** Username or e-mail; may be absent where `subject` says whose password it is. */
  readonly username?: string | undefined
  /** The account it has to be, from a verified token; the account's own username is then used. */
  readonly subject?: string | undefined
  readonly currentPassword: string
  /** 1–256 characters. */
  readonly newPassword: string
  /** The one-time code, where the account has an authenticator. */
  readonly otp?: string | undefined
  /** Whether all sessions of the account end, this person's others and offline ones too; default true. */
  readonly endSessions?: boolean | undefined
}

/**
 * Changes the password of whoever proves the current one, and ends all sessions of the account: everybody logs in anew.
 *
 * The current password is proven by a login, so a wrong one counts against Keycloak's lock, and all of `loginWithPassword`
 * holds: one answer for a wrong password, an unknown, locked or disabled account, a missing one-time code and a temporary
 * password. Only then is the new one looked at, so nothing about it or the account is told to anybody else. A one-time code
 * is used up even if the new password is refused.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when a field is missing, empty, of a wrong type, too long or holds
 * control characters; nothing is sent then
 * @throws {GateError} `invalid_credentials` when Keycloak refuses the current password
 * @throws {GateError} `account_disabled`, `account_setup_required` for a right password, only with `revealAccountState`
 * @throws {GateError} `registration_rejected` (with `fields`) when the password policy refuses the new password
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `setPassword`
 * @example
 * await gate.changePassword({ username: "ada", currentPassword, newPassword })
 */
export type ChangePassword = (change: PasswordChange) => Promise<void>

export interface ChangePasswordSteps {
  readonly login: (credentials: PasswordCredentials) => Promise<Session>
  /** Whose session it is. */
  readonly subjectOf: (session: Session) => string
  readonly endSession: (refreshToken: string) => Promise<void>
  readonly endSessions: (subject: string) => Promise<void>
  readonly life: Pick<AccountLife, "readAccount" | "setPassword">
}

export function createChangePassword(steps: ChangePasswordSteps): ChangePassword {
  const { life } = steps

  async function usernameOf(subject: string): Promise<string> {
    const account = await life.readAccount(subject)
    if (account === null) throw notProven()
    return account.username
  }

  async function setPassword(id: string, value: string): Promise<void> {
    try {
      if (!(await life.setPassword(id, { value, temporary: false }))) throw notProven()
    } catch (error) {
      throw underNewName(error)
    }
  }

  return async change => {
    const { subject, currentPassword, newPassword, otp, endSessions, ...read } = readChange(change)
    const username = subject === undefined ? read.username : await usernameOf(subject)
    const session = await steps.login({ username, password: currentPassword, otp, scope: "openid" })
    let isChanged = false
    try {
      const id = steps.subjectOf(session)
      if (subject !== undefined && subject !== id) throw notProven()
      await setPassword(id, newPassword)
      isChanged = true
      if (endSessions) await steps.endSessions(id)
    } finally {
      // The proof was a login, whose session nobody holds. If it can't be ended it dies by itself, after Keycloak's idle time.
      if (!isChanged || !endSessions) await steps.endSession(session.refreshToken).catch(() => undefined)
    }
  }
}

const textRules = {
  username: { maxLength: 255, optional: true },
  subject: { maxLength: 255, optional: true },
  currentPassword: { maxLength: 256, blank: true },
  newPassword: { maxLength: 256, blank: true },
  otp: { maxLength: 32, optional: true },
} satisfies Record<string, FieldRule>

function readChange(change: PasswordChange) {
  const isNamed = change?.subject !== undefined
  const { values, problems } = readFields(change, {
    ...textRules,
    username: { ...textRules.username, optional: isNamed },
  })
  const flags = readFlags(change, ["endSessions"])
  if (problems.length + flags.length > 0) throw invalidFields([...problems, ...flags])
  const { username = "", currentPassword = "", newPassword = "", otp } = values
  const subject = isNamed ? readSubject(values.subject) : undefined
  return { username, subject, currentPassword, newPassword, otp, endSessions: change.endSessions ?? true }
}

/** As `loginWithPassword` answers a wrong password. */
function notProven(): GateError {
  return new GateError(
    "invalid_credentials",
    "The credentials are not those of the account whose password is to change.",
  )
}

/** Keycloak's policy speaks of `password`; the person sent it as `newPassword`. */
function underNewName(error: unknown): unknown {
  if (!isGateError(error) || error.code !== "registration_rejected") return error
  const fields = error.fields?.map(one => (one.field === "password" ? { ...one, field: "newPassword" } : one)) ?? []
  return new GateError(error.code, error.message, { fields, cause: error })
}
