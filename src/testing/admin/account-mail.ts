import { type Answer, type Call, empty, json } from "../answer.js"
import type { Account } from "../realm/accounts.js"
import type { RealmModel } from "../realm/realm-model.js"
import { parseList } from "./json-body.js"

export type MailKind = "execute-actions-email" | "send-verify-email" | "reset-password-email"

const noSender =
  "Invalid sender address 'null'. If the address contains UTF-8 characters in the local part please ensure the SMTP " +
  "server supports the SMTPUTF8 extension and enable 'Allow UTF-8' in the email realm configuration."

export function sendMail(realm: RealmModel, account: Account, kind: MailKind, call: Call): Answer {
  const refused = (errorMessage: string) => json(400, { errorMessage })
  if (account.email === null) return refused("User email missing")
  if (!account.enabled) return refused("User is disabled")
  const clientId = call.query.get("client_id")
  const redirect = call.query.get("redirect_uri")
  if (redirect !== null && clientId === null) return refused("Client id missing")
  const client = realm.clients.get(clientId ?? "account")
  if (client === undefined) return refused("Client doesn't exist")
  if (!client.isEnabled) return refused("Client is not enabled")
  if (redirect !== null && !client.redirectUris.some(allowed => isAllowed(redirect, allowed)))
    return refused("Invalid redirect uri.")

  const parsed = kind === "execute-actions-email" ? parseList(call) : { value: actionsOf[kind] }
  if ("refusal" in parsed) return parsed.refusal
  const actions = parsed.value.map(String)
  if (!actions.every(action => realm.requiredActions.get(action)?.isEnabled))
    return refused("Provided invalid required actions")
  if (!realm.settings.sendsMail) {
    const failed = `Failed to send execute actions email: ${noSender}`
    return json(500, { errorMessage: kind === "send-verify-email" ? "Failed to send verify email" : failed })
  }
  const subject = kind === "send-verify-email" ? "Verify email" : "Update Your Account"
  realm.mails.push(Object.freeze({ to: account.email, subject, actions: Object.freeze(actions) }))
  return empty(204)
}

const actionsOf: Readonly<Record<Exclude<MailKind, "execute-actions-email">, readonly string[]>> = {
  "send-verify-email": ["VERIFY_EMAIL"],
  "reset-password-email": ["UPDATE_PASSWORD"],
}

function isAllowed(redirect: string, allowed: string): boolean {
  return allowed.endsWith("*") ? redirect.startsWith(allowed.slice(0, -1)) : redirect === allowed
}
