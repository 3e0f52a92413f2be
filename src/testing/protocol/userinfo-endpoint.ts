import { type Answer, type Call, json, oauthError } from "../answer.js"
import type { RealmModel } from "../realm/realm-model.js"
import { formOf } from "./form.js"
import { readClaims, readToken } from "./presented-token.js"
import { mapClaims } from "./protocol-mappers.js"
import { issuerOf, tokenContext } from "./token-context.js"

/** `GET` or `POST …/userinfo`: refusals have no body, only a challenge. */
export async function userinfoEndpoint(realm: RealmModel, call: Call): Promise<Answer> {
  if (!realm.isEnabled) return oauthError(403, "access_denied", "Realm not enabled")
  const ofHeader = bearerOf(call.headers.authorization)
  const ofForm = call.method === "POST" ? formOf(call).get("access_token") : null
  if (ofHeader !== null && ofForm !== null)
    return refusal(realm, 400, "invalid_request", "More than one method used for including an access token")
  const token = ofHeader ?? ofForm
  if (token === null) return refusal(realm, 401)

  const issuer = issuerOf(call.origin, realm)
  const types = ["Bearer", "bearer"]
  const asked = await readClaims(realm, issuer, token, types)
  if (asked !== null && !String(asked.scope).split(" ").includes("openid"))
    return refusal(realm, 403, "insufficient_scope", "Missing openid scope")
  const presented = await readToken(realm, issuer, token, types)
  if (typeof presented === "string") return refusal(realm, 401, "invalid_token", presented)
  const { claims, client, account, session } = presented
  if (/^..lt/.test(String(claims.jti)))
    return refusal(realm, 401, "invalid_token", "Lightweight access token not allowed for userinfo endpoint")
  const notes = session?.notes ?? {}
  const context = tokenContext({ realm, issuer, client, account, session, notes }, String(claims.scope))
  const body = mapClaims({ sub: account.id }, "userinfo", context)
  const noStore = { "cache-control": "no-store, no-cache" }
  const algorithm = client.attributes["user.info.response.signature.alg"]
  if (!algorithm) return json(200, body, noStore)
  const signed = await realm.keys.sign({ ...body, iss: issuer, aud: client.clientId }, algorithm, "JWT")
  return { status: 200, headers: { "content-type": "application/jwt", ...noStore }, body: signed }
}

function bearerOf(header: string | undefined): string | null {
  return /^Bearer +(\S+)$/i.exec(header ?? "")?.[1] ?? null
}

function refusal(realm: RealmModel, status: number, error?: string, description?: string): Answer {
  const reason = error === undefined ? "" : `, error="${error}", error_description="${description}"`
  const challenge = `Bearer realm="${realm.name}"${reason}`
  const headers = { "content-type": "text/plain;charset=utf-8", "cache-control": "no-store" }
  return { status, headers: { ...headers, "www-authenticate": challenge }, body: "" }
}
