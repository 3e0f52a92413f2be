import { invalidFields } from "../fields.js"
import { readSubject, unknownSubject } from "../users/subject.js"
import type { AccountVerb } from "./account-context.js"
import { mailEmailVerification } from "./keycloak/mails.js"
import { type MailOptions, readMailOptions } from "./mail-options.js"

/**
 * Has Keycloak send its mail with the link that verifies the account's e-mail.
 *
 * Resolves once Keycloak's mail server has taken the mail. It is sent once: after `keycloak_unavailable` it may be on its way,
 * and calling again sends another. A token says `email_verified` from the next login or refresh on.
 *
 * @throws {GateError} `invalid_request` (with `fields`) when an argument is unusable, the subject is unknown, or the account
 * is disabled (rule `disabled`) or has no e-mail (rule `without_email`)
 * @throws {GateError} `keycloak_refused_us` when the client does not allow the `redirectUri`
 * @throws {GateError} `keycloak_unavailable` when Keycloak, or its mail server, can't be reached
 * @throws {GateError} `keycloak_refused_us`, `config_invalid`, `closed` as for `updateAccount`
 */
export type SendEmailVerification = (subject: string, options?: Pick<MailOptions, "redirectUri">) => Promise<void>

export const sendEmailVerification: AccountVerb<SendEmailVerification> = async ({ begin }, subject, options = {}) => {
  const id = readSubject(subject)
  const { redirectUri } = readMailOptions(options)
  const outcome = await mailEmailVerification(begin("accounts").channel, id, { redirectUri })
  if (outcome === "unknown") throw unknownSubject()
  if (outcome !== "sent") throw invalidFields([{ field: "subject", rule: outcome, params: [] }])
}
