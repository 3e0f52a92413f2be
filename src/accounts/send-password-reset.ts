import { GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import { invalidFields, readFields } from "../fields.js"
import type { AccountLife } from "./keycloak/account.js"
import { type MailOptions, readMailOptions } from "./mail-options.js"

/**
 * Has Keycloak send its mail with the link to set a new password to whoever has this e-mail.
 *
 * Tells nobody whether there is such an account: it resolves after the same time for one that exists, one that does not and
 * one that is disabled, with the mail still on its way. So a mail that can't be sent is for the operator alone: `onEvent`
 * hears `mail_not_sent` (without it a warning is printed). What can fail before, failing to look the account up, fails for
 * any e-mail. Each call sends a mail: put a rate limit before it.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when the e-mail or an option is unusable
 * @throws {GateError} `keycloak_unavailable`, `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html
 */
export type SendPasswordReset = (email: string, options?: MailOptions) => Promise<void>

export interface PasswordResetParts {
  readonly life: Pick<AccountLife, "findByEmail" | "sendPasswordReset">
  readonly report: Report
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
  readonly pause: (ms: number) => Promise<void>
}

// A look-up takes 10 to 50 ms and a little longer where it finds somebody; the answer waits for the next full step.
const answerStepMs = 250

export function createSendPasswordReset({ life, report, elapsed, pause }: PasswordResetParts): SendPasswordReset {
  const sending = new Set<string>()

  async function send(id: string, options: MailOptions): Promise<void> {
    if (sending.has(id)) return
    sending.add(id)
    try {
      await life.sendPasswordReset(id, options)
    } catch (error) {
      const isOurs = isGateError(error)
      if (isOurs && error.code === "closed") return
      const unexpected = () => new GateError("keycloak_unavailable", "A mail could not be sent.", { cause: error })
      report({ type: "mail_not_sent", error: isOurs ? error : unexpected() })
    } finally {
      sending.delete(id)
    }
  }

  return async (email, options = {}) => {
    const { values, problems } = readFields({ email }, { email: { maxLength: 255 } })
    if (problems.length > 0) throw invalidFields(problems)
    const mail = readMailOptions(options)
    const startedAt = elapsed()
    const accounts = await life.findByEmail(values.email ?? "")
    // Not awaited: `send` never rejects, and its time would tell.
    for (const { id, enabled } of accounts) if (enabled) void send(id, mail)
    await pause(answerStepMs - ((elapsed() - startedAt) % answerStepMs))
  }
}
