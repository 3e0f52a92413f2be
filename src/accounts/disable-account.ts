import { GateError, isGateError } from "../errors.js"
import { readSubject, unknownSubject } from "../users/subject.js"
import type { ChangeAccount } from "./change-account.js"
import type { SessionEnding } from "./session-ending.js"

/**
 * Shuts an account and ends its sessions, offline ones too.
 *
 * After `keycloak_unavailable` the account may be shut, and its sessions still open. Calling again finishes it. Sessions of an
 * account that was shut are ended later even if nobody calls again. Access tokens stay valid until they expire where
 * verification is `"local"`. Keycloak writes an account only if all of its attributes meet the rules of today, so one that
 * does not has to be mended first; its sessions are ended all the same.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text or unknown
 * @throws {GateError} `account_rejected` (with `fields`) when what the account holds breaks the realm's rules
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 */
export type DisableAccount = (subject: string) => Promise<void>

/**
 * Opens an account that was disabled, by whoever it was. After `keycloak_unavailable` it may be open; calling again finishes it.
 *
 * @throws {GateError} as `disableAccount`
 */
export type EnableAccount = (subject: string) => Promise<void>

export interface DisableParts {
  readonly changeAccount: ChangeAccount
  readonly sessions: SessionEnding
}

export function createDisableAccount({ changeAccount, sessions }: DisableParts): DisableAccount {
  return async subject => {
    const id = readSubject(subject)
    try {
      await setEnabled(changeAccount, id, false)
    } catch (error) {
      if (isGateError(error) && error.code === "account_rejected") await sessions.end(id)
      throw error
    }
    await sessions.end(id)
  }
}

export function createEnableAccount(changeAccount: ChangeAccount): EnableAccount {
  return async subject => setEnabled(changeAccount, readSubject(subject), true)
}

async function setEnabled(changeAccount: ChangeAccount, id: string, enabled: boolean): Promise<void> {
  const account = await changeAccount(id, account => (account.enabled === enabled ? {} : { enabled }))
  if (account === null) throw unknownSubject()
  if (account.enabled === enabled) return
  throw new GateError(
    "keycloak_unavailable",
    `Somebody else keeps ${enabled ? "disabling" : "enabling"} the account at the same time; try again.`,
  )
}
