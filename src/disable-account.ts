import { GateError, isGateError } from "./errors.js"
import type { ChangeAccount } from "./user/change-account.js"
import { readSubject, unknownSubject } from "./user/subject.js"

/**
 * Shuts an account and ends its sessions, offline ones too; disabling it again ends what may be left.
 *
 * Access tokens stay valid until they expire where verification is `"local"`. Keycloak writes an account only if all of
 * its attributes meet the rules of today, so one that does not has to be mended first; its sessions are ended all the same.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the subject is no usable text or unknown
 * @throws {GateError} `registration_rejected` (with `fields`) when what the account holds breaks the realm's rules
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`;
 * call it again then: the account may be shut with its sessions still open
 */
export type DisableAccount = (subject: string) => Promise<void>

/**
 * Opens an account that was disabled, by whoever it was.
 *
 * @throws {GateError} as `disableAccount`
 */
export type EnableAccount = (subject: string) => Promise<void>

export interface DisableSteps {
  readonly changeAccount: ChangeAccount
  readonly endSessions: (subject: string) => Promise<void>
}

export function createDisableAccount({ changeAccount, endSessions }: DisableSteps): DisableAccount {
  return async subject => {
    const id = readSubject(subject)
    try {
      await setEnabled(changeAccount, id, false)
    } catch (error) {
      if (isGateError(error) && error.code === "registration_rejected") await endSessions(id)
      throw error
    }
    await endSessions(id)
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
