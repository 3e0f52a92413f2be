import { invalidFields, readFields, readFlags } from "../fields.js"
import { readSubject, unknownSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { givePassword } from "./give-password.js"

/** How a password is set. */
export interface SetPasswordOptions {
  /** Keycloak asks for another password before the next login, and `loginWithPassword` refuses this one; default false. */
  readonly temporary?: boolean | undefined
  /**
   * Whether the sessions of the account end, offline ones too: default true, because Keycloak itself leaves them open, and
   * whoever knew the old password with them.
   */
  readonly endSessions?: boolean | undefined
}

/**
 * Gives an account another password without asking for the current one, as an administrator does, and ends its sessions.
 *
 * Let a person change the own password with `changePassword`, which proves the current one first. After
 * `keycloak_unavailable` the new password may be in force and sessions still open. Calling again finishes it, unless the realm
 * remembers passwords and takes each only once: then `logoutEverywhere` does. Sessions that began before are ended later even
 * if nobody calls again.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text or unknown, the password is
 * missing, empty, longer than 256 characters or holds control characters, or an option is no boolean
 * @throws {GateError} `account_rejected` (with `fields`) when Keycloak's password policy refuses it, or the account is
 * `read_only`
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 */
export type SetPassword = (subject: string, password: string, options?: SetPasswordOptions) => Promise<void>

export const setPassword: AccountVerb<SetPassword> = async ({ begin }, subject, password, options = {}) => {
  const id = readSubject(subject)
  const { values, problems } = readFields({ password }, { password: { maxLength: 256, blank: true } })
  const flags = readFlags(options, ["temporary", "endSessions"])
  if (problems.length + flags.length > 0) throw invalidFields([...problems, ...flags])
  const { temporary = false, endSessions = true } = options
  const { channel, deadline, sessions } = begin("accounts")
  const outcome = await givePassword(channel, deadline, id, { value: values.password ?? "", temporary })
  if (outcome === "unknown account") throw unknownSubject()
  if (outcome !== "set") {
    if (endSessions) sessions.endLater(id, outcome.unclear)
    throw outcome.unclear
  }
  if (endSessions) await sessions.end(id)
}
