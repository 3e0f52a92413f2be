import { GateError, isGateError } from "../../errors.js"
import { accountPath } from "../../keycloak/admin-api.js"
import { refused } from "../../keycloak/set-up-errors.js"
import type { Channel } from "./channel.js"

export interface Mail {
  readonly redirectUri?: string | undefined
  readonly lifespanSeconds?: number | undefined
}

export type MailOutcome = "sent" | "unknown" | "disabled" | "without_email"

/** The mail with the link to set a new password. */
export async function mailPasswordReset(channel: Channel, id: string, mail: Mail): Promise<MailOutcome> {
  return sendMail(channel, `${accountPath(id)}/execute-actions-email`, mail, ["UPDATE_PASSWORD"])
}

/** The mail with the link that verifies the e-mail. */
export async function mailEmailVerification(channel: Channel, id: string, mail: Mail): Promise<MailOutcome> {
  return sendMail(channel, `${accountPath(id)}/send-verify-email`, mail)
}

const outcomes = {
  done: "sent",
  absent: "unknown",
  account_disabled: "disabled",
  email_missing: "without_email",
} as const

async function sendMail(
  { api, mailClientId }: Channel,
  path: string,
  { redirectUri, lifespanSeconds }: Mail,
  actions?: readonly string[],
): Promise<MailOutcome> {
  const query = new URLSearchParams({
    ...(redirectUri !== undefined && { client_id: mailClientId, redirect_uri: redirectUri }),
    ...(lifespanSeconds !== undefined && { lifespan: String(lifespanSeconds) }),
  })
  const outcome = await api
    .command("PUT", `${path}?${query}`, actions, ["account_disabled", "email_missing", "redirect_refused"])
    .catch((error: unknown) => {
      throw mailProblem(error)
    })
  if (outcome !== "redirect_refused") return outcomes[outcome]
  throw refused(
    `Keycloak refuses the \`redirectUri\` of a mail. Add it under Clients → ${mailClientId} → Settings → Valid redirect URIs`,
  )
}

/** An outage that may be one of the mail server alone: Keycloak's answer is a 500 either way. */
function mailProblem(error: unknown): unknown {
  if (!isGateError(error) || error.code !== "keycloak_unavailable") return error
  return new GateError(
    "keycloak_unavailable",
    `${error.message} If only mails fail, Keycloak can't send them: Realm settings → Email → Test connection.`,
    { retryAfterSeconds: error.retryAfterSeconds, cause: error },
  )
}
