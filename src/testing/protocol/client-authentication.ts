import { type Answer, type Call, NotKnown, oauthError } from "../answer.js"
import type { Client } from "../realm/clients.js"
import type { RealmModel } from "../realm/realm-model.js"

const badClient = "Invalid client or Invalid client credentials"

/** The client that sent a request, or the answer to one that could not prove itself. */
export function authenticateClient(realm: RealmModel, call: Call, form: URLSearchParams): Client | Answer {
  if (form.has("client_assertion")) throw new NotKnown("knows client secrets only, no signed assertions.")
  const basic = basicCredentials(call.headers.authorization)
  const clientId = form.get("client_id") ?? basic?.clientId ?? null
  const client = clientId === null ? undefined : realm.clients.get(clientId)
  if (client === undefined || !client.isEnabled) return oauthError(401, "invalid_client", badClient)
  const refusal = client.isPublic ? null : refusalOf(client, form.get("client_secret") ?? basic?.secret)
  if (refusal !== null) return refusal
  return client.protocol === "openid-connect" ? client : oauthError(400, "invalid_client", "Wrong client protocol.")
}

function refusalOf(client: Client, secret: string | undefined): Answer | null {
  switch (client.authenticator) {
    case "client-secret":
      return secret === client.secret ? null : oauthError(401, "unauthorized_client", badClient)
    case "client-jwt":
    case "client-secret-jwt":
      return oauthError(400, "invalid_client", "Parameter client_assertion_type is missing")
    case "client-x509":
      return oauthError(401, "invalid_client", badClient)
    default:
      throw new NotKnown(`does not know how a client proves itself by "${client.authenticator}".`)
  }
}

export function isAnswer(value: object): value is Answer {
  return "status" in value && "body" in value
}

/** Basic credentials as clients send them: each part form-encoded first (RFC 6749 §2.3.1). */
export function basicCredentials(header: string | undefined): { clientId: string; secret: string } | null {
  const [, encoded] = /^Basic +([\w+/=-]+)$/i.exec(header ?? "") ?? []
  const pair = Buffer.from(encoded ?? "", "base64").toString()
  const colon = pair.indexOf(":")
  if (colon < 0) return null
  return { clientId: formDecoded(pair.slice(0, colon)), secret: formDecoded(pair.slice(colon + 1)) }
}

function formDecoded(text: string): string {
  return new URLSearchParams(`x=${text.replaceAll("&", "%26")}`).get("x") ?? ""
}
