import { GateError, isGateError } from "../errors.js"
import { invalidFields, readFields } from "../fields.js"
import type { AccountContext, AccountVerb } from "./account-context.js"
import { findByEmail } from "./keycloak/account.js"
import { mailPasswordReset } from "./keycloak/mails.js"
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

// A look-up takes 10 to 50 ms and a little longer where it finds somebody; the answer waits for the next full step.
const answerStepMs = 250

export const sendPasswordReset: AccountVerb<SendPasswordReset> = async (context, email, options = {}) => {
  const { begin, elapsed, pause } = context
  const { values, problems } = readFields({ email }, { email: { maxLength: 255 } })
  if (problems.length > 0) throw invalidFields(problems)
  const mail = readMailOptions(options)
  const startedAt = elapsed()
  const found = await findByEmail(begin("anonymous").channel, values.email ?? "")
  // Not awaited: `send` never rejects, and its time would tell.
  for (const { id, enabled } of found) if (enabled) void send(context, id, mail)
  await pause(answerStepMs - ((elapsed() - startedAt) % answerStepMs))
}

async function send(context: AccountContext<unknown>, id: string, mail: MailOptions): Promise<void> {
  const { begin, resetMails, report } = context
  if (resetMails.has(id)) return
  resetMails.add(id)
  try {
    // It goes out after the call, with a limit of its own.
    await mailPasswordReset(begin("anonymous").channel, id, mail)
  } catch (error) {
    const isOurs = isGateError(error)
    if (isOurs && error.code === "closed") return
    const unexpected = () => new GateError("keycloak_unavailable", "A mail could not be sent.", { cause: error })
    report({ type: "mail_not_sent", error: isOurs ? error : unexpected() })
  } finally {
    resetMails.delete(id)
  }
}
