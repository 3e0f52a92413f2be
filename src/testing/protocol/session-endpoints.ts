import { type Answer, type Call, empty, json, NotKnown, oauthError } from "../answer.js"
import type { RealmModel } from "../realm/realm-model.js"
import { tellLogout } from "./backchannel-logout.js"
import { authenticateClient, isAnswer } from "./client-authentication.js"
import { formOf, hasDuplicates } from "./form.js"
import { sessionOf } from "./presented-token.js"
import { issuerOf } from "./token-context.js"
import { readRefreshToken } from "./token-endpoint.js"

/** `POST …/logout` with a refresh token, as applications without redirects use it. */
export async function logoutEndpoint(realm: RealmModel, call: Call): Promise<Answer> {
  if (!realm.isEnabled) return oauthError(403, "access_denied", "Realm not enabled")
  const form = formOf(call)
  const token = form.get("refresh_token")
  if (token === null) throw new NotKnown("has no logout page: send a refresh token.")
  const client = authenticateClient(realm, call, form)
  if (isAnswer(client)) return client
  if (client.isBearerOnly) return bearerOnly()
  const found = await readRefreshToken(realm, issuerOf(call.origin, realm), client, token)
  const isOver = "status" in found && /Session not active|session not found|not active/.test(found.body)
  if ("status" in found && !isOver) return found
  if ("session" in found) {
    await tellLogout(realm, issuerOf(call.origin, realm), found.session)
    realm.sessions.end(found.session)
  }
  return empty(204, { "cache-control": "no-cache" })
}

/** `POST …/revoke`: an access token alone, or a refresh token with its session. */
export async function revocationEndpoint(realm: RealmModel, call: Call): Promise<Answer> {
  if (!realm.isEnabled) return oauthError(403, "access_denied", "Realm not enabled")
  const form = formOf(call)
  const client = authenticateClient(realm, call, form)
  if (isAnswer(client)) return client
  if (client.isBearerOnly) return bearerOnly()
  const token = form.get("token")
  if (token === null) return oauthError(400, "invalid_request", "Token not provided")
  if (hasDuplicates(form)) return oauthError(400, "invalid_request", "duplicated parameter")
  const invalid = json(200, { error: "invalid_token", error_description: "Invalid token" })
  const claims = await realm.keys.verified(token)
  if (claims === null || claims.iss !== issuerOf(call.origin, realm)) return invalid
  if (!["Bearer", "Refresh", "Offline"].includes(String(claims.typ)))
    return oauthError(400, "unsupported_token_type", "Unsupported token type")
  if (claims.azp !== client.clientId) return oauthError(400, "invalid_request", "Unmatching clients")
  const session = sessionOf(realm, claims)
  if (claims.sid !== undefined && session === null) return invalid
  if (claims.typ === "Bearer") realm.revokedTokens.add(String(claims.jti))
  else if (session !== null) realm.sessions.end(session)
  return empty(200)
}

function bearerOnly(): Answer {
  return oauthError(400, "invalid_client", "Bearer-only not allowed")
}
