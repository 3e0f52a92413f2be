import { type Answer, type Call, json, oauthError } from "../answer.js"
import type { RealmModel } from "../realm/realm-model.js"
import { decodePart } from "../realm/signing-keys.js"
import { authenticateClient, isAnswer } from "./client-authentication.js"
import { formOf, hasDuplicates } from "./form.js"
import { type PresentedToken, readToken } from "./presented-token.js"
import { type MutableClaims, mapClaims } from "./protocol-mappers.js"
import { issuerOf, tokenContext } from "./token-context.js"

/** `POST …/token/introspect`: active only for a caller that the token's audience names. */
export async function introspectionEndpoint(realm: RealmModel, call: Call): Promise<Answer> {
  const form = formOf(call)
  if (!realm.isEnabled) return oauthError(403, "access_denied", "Realm not enabled")
  const client = authenticateClient(realm, call, form)
  if (isAnswer(client)) {
    const hasWrongSecret = client.body.includes("unauthorized_client")
    return hasWrongSecret ? oauthError(401, "invalid_client", "Client authentication failed.") : client
  }
  if (client.isPublic) return oauthError(403, "invalid_request", "Client not allowed.")
  if (hasDuplicates(form)) return oauthError(400, "invalid_request", "duplicated parameter")
  const token = form.get("token")
  if (token === null) return oauthError(400, "invalid_request", "Token not provided.")
  const hint = form.get("token_type_hint")
  if (hint !== null && hint !== "access_token" && hint !== "refresh_token")
    return oauthError(400, "invalid_request", "Unsupported token type.")

  if (isWithoutType(token)) return oauthError(400, "invalid_request", "Failed to introspect token.")

  const issuer = issuerOf(call.origin, realm)
  const types = hint === "refresh_token" ? ["Refresh", "Offline"] : ["Bearer", "bearer", "ID"]
  const presented = await readToken(realm, issuer, token, types)
  const inactive = json(200, { active: false }, noCache)
  if (typeof presented === "string") return inactive
  const claims = currentClaims(realm, issuer, presented)
  if (![claims.aud].flat().includes(client.clientId)) return inactive
  return json(200, { ...claims, ...about(presented), active: true }, noCache)
}

/** Keycloak falls over a token that is well formed and says no `typ`, before it looks at the signature. */
function isWithoutType(token: string): boolean {
  const [header = "", payload = "", ...rest] = token.split(".")
  const claims = decodePart(payload)
  return rest.length === 1 && decodePart(header) !== null && claims !== null && claims.typ === undefined
}

const noCache = { "cache-control": "no-cache" }
const ownClaims = ["exp", "iat", "jti", "iss", "aud", "sub", "typ", "azp", "sid", "at_hash", "acr", "scope"]

/** What mappers say now, on top of what the token itself says of its life. */
function currentClaims(realm: RealmModel, issuer: string, presented: PresentedToken): MutableClaims {
  const { claims, client, account, session } = presented
  if (String(claims.typ).toLowerCase() !== "bearer") {
    const audience = claims.typ === "ID" ? claims.aud : [claims.aud, client.clientId].flat()
    return { ...claims, aud: audience }
  }
  const notes = session?.notes ?? {}
  const context = tokenContext({ realm, issuer, client, account, session, notes }, String(claims.scope))
  const { aud: _aud, ...own } = Object.fromEntries(ownClaims.map(name => [name, claims[name]]))
  const mapped = mapClaims({ ...own }, "introspection", context)
  return { ...mapped, ...realm.claimsGiven.get(String(claims.jti)) }
}

function about({ client, account, claims }: PresentedToken): MutableClaims {
  return { client_id: client.clientId, username: account.username, token_type: claims.typ }
}
