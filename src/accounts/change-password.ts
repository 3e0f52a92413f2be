import { GateError, isGateError } from "../errors.js"
import { type FieldRule, invalidFields, readFields, readFlags } from "../fields.js"
import { type Session, subjectOf } from "../keycloak/session.js"
import { readSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { givePassword } from "./give-password.js"
import { readAccount } from "./keycloak/account.js"

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
 * Once the password is changed it resolves. Sessions that could not be ended by then are ended later, as far as they began
 * before the change; if that is given up, `onEvent` hears `sessions_not_ended`. After `keycloak_unavailable` the new password
 * may be in force. Calling again with the same two passwords finishes the change either way, on this process within ten
 * minutes. Later or elsewhere the person logs in with the new one, and `logoutEverywhere` ends the sessions.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when a field is missing, empty, of a wrong type, too long or holds
 * control characters; nothing is sent then
 * @throws {GateError} `invalid_credentials` when Keycloak refuses the current password
 * @throws {GateError} `account_disabled`, `account_setup_required` for a right password, only with `revealAccountState`
 * @throws {GateError} `account_rejected` (with `fields`) when the password policy refuses the new password, or the account is
 * `read_only`
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `setPassword`
 * @example
 * await gate.changePassword({ username: "ada", currentPassword, newPassword })
 */
export type ChangePassword = (change: PasswordChange) => Promise<void>

export const changePassword: AccountVerb<ChangePassword> = async ({ begin, login, unclear }, change) => {
  const { deadline, channel, sessions } = begin("anonymous")

  async function usernameOf(subject: string): Promise<string> {
    const account = await readAccount(channel, subject)
    if (account === null) throw notProven()
    return account.username
  }

  const { subject, currentPassword, newPassword, otp, endSessions, ...read } = readChange(change)
  const username = subject === undefined ? read.username : await usernameOf(subject)
  const wanted = { username, newPassword }
  // Proofs are logins, whose sessions nobody holds.
  const proofs: Session[] = []
  let areEnded = false

  /** The account whose password this is. */
  async function prove(password: string): Promise<string> {
    deadline.assertTime()
    const session = await login.verbs.loginWithPassword({ username, password, otp, scope: "openid" })
    proofs.push(session)
    const id = subjectOf(session)
    if (subject !== undefined && subject !== id) throw notProven()
    return id
  }

  /** Resolves once the new password is in force. */
  async function setPassword(id: string): Promise<void> {
    const password = { value: newPassword, temporary: false }
    const outcome = await givePassword(channel, deadline, id, password).catch((error: unknown) => {
      throw underNewName(error)
    })
    if (outcome === "set") return
    if (outcome === "unknown account") throw notProven()
    // A one-time code is good for one login, and a login with the current password tells nothing about another one.
    const canTell = otp === undefined && newPassword !== currentPassword
    if (canTell && (await prove(newPassword).then(() => true, isNoProof))) return
    unclear.note(wanted)
    if (endSessions) sessions.endLater(id, outcome.unclear)
    throw perhapsChanged(outcome.unclear)
  }

  try {
    let isSet = false
    const id = await prove(currentPassword).catch((error: unknown) => {
      if (!isRefused(error) || !unclear.has(wanted)) throw error
      isSet = true
      return prove(newPassword)
    })
    await login.endingSessions(id, async () => {
      if (!isSet) await setPassword(id)
      unclear.settle(wanted)
      areEnded = endSessions
      if (endSessions) await sessions.endInTheEnd(id)
    })
  } finally {
    // What can't be ended in time dies by itself, after Keycloak's idle time.
    if (!areEnded) {
      const ended = proofs.map(({ refreshToken }) => login.verbs.logout(refreshToken))
      await deadline.within(Promise.allSettled(ended)).catch(isNoProof)
    }
  }
}

const textRules = {
  username: { maxLength: 255, optional: true },
  subject: { maxLength: 255, optional: true },
  currentPassword: { maxLength: 256, blank: true },
  newPassword: { maxLength: 256, blank: true },
  otp: { maxLength: 32, optional: "or empty" },
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

function isRefused(error: unknown): boolean {
  return isGateError(error) && error.code === "invalid_credentials"
}

/** False for whatever says nothing about a password. */
function isNoProof(error: unknown): false {
  if (!isGateError(error)) throw error
  return false
}

function perhapsChanged(cause: GateError): GateError {
  return new GateError(
    "keycloak_unavailable",
    "Keycloak's answers to a new password were lost, and it can't be asked whether the password is in force. " +
      "Changing it again in the same way finishes it.",
    { retryAfterSeconds: cause.retryAfterSeconds, cause },
  )
}

/** Keycloak's policy speaks of `password`; the person sent it as `newPassword`. */
function underNewName(error: unknown): unknown {
  if (!isGateError(error) || error.code !== "account_rejected") return error
  const fields = error.fields?.map(one => (one.field === "password" ? { ...one, field: "newPassword" } : one)) ?? []
  return new GateError(error.code, error.message, { fields, cause: error })
}
