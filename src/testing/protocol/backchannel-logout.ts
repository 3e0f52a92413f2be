import { randomUUID } from "node:crypto"
import type { Client } from "../realm/clients.js"
import type { RealmModel } from "../realm/realm-model.js"
import type { Session } from "../realm/sessions.js"

// Then Keycloak gives a receiver up, and goes on to the next one.
const timeoutMs = 5000
const lifeSeconds = 120
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

/**
 * Tells each client that has a part in a session, and a URL, that it ends: one after the other, once, whatever they answer.
 * The session lives on meanwhile.
 */
export async function tellLogout(realm: RealmModel, issuer: string, session: Session): Promise<void> {
  for (const clientId of session.clients.keys()) {
    const client = realm.clients.get(clientId)
    const url = client?.isEnabled === true ? urlOf(realm, client) : null
    if (client === undefined || url === null) continue
    const body = `logout_token=${await logoutToken(realm, issuer, client, session)}`
    const headers = { "content-type": "application/x-www-form-urlencoded" }
    // Nobody hears what comes of it.
    await fetch(url, { method: "POST", headers, body, redirect: "manual", signal: AbortSignal.timeout(timeoutMs) })
      .then(answer => answer.arrayBuffer())
      .catch(() => undefined)
  }
}

function urlOf(realm: RealmModel, client: Client): string | null {
  const given = realm.logoutUrls.get(client.clientId)?.url ?? client.attributes["backchannel.logout.url"] ?? ""
  if (given === "") return null
  return URL.canParse(given) ? given : `${client.rootUrl}${given}`
}

function logoutToken(realm: RealmModel, issuer: string, client: Client, session: Session): Promise<string> {
  const { attributes, clientId } = client
  const isSessionNamed =
    realm.logoutUrls.get(clientId)?.sessionRequired ?? attributes["backchannel.logout.session.required"] === "true"
  const endsOffline = attributes["backchannel.logout.revoke.offline.tokens"] === "true"
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    exp: iat + lifeSeconds,
    iat,
    jti: randomUUID(),
    iss: issuer,
    aud: clientId,
    sub: session.account.id,
    typ: "Logout",
    ...(isSessionNamed && { sid: session.id }),
    events: { [logoutEvent]: {}, ...(endsOffline && { revoke_offline_access: true }) },
  }
  const algorithm = attributes["id.token.signed.response.alg"] || realm.settings.signatureAlgorithm
  return realm.keys.sign(claims, algorithm, "logout+jwt")
}
