import { createHash, randomUUID } from "node:crypto"
import type { Client } from "../realm/clients.js"
import { type MutableClaims, mapClaims } from "./protocol-mappers.js"
import type { TokenContext } from "./token-context.js"

/** How a token came to be; part of the access token's id in Keycloak. */
export type Grant = "ro" | "rt" | "cc"

/** A Bearer token's claims, for the wire or for the introspection of one. */
export function accessClaims(context: TokenContext, grant: Grant): MutableClaims {
  const { client, session } = context
  const iat = Math.floor(Date.now() / 1000)
  const isLight = client.attributes["client.use.lightweight.access.token.enabled"] === "true"
  const kind = `${session === null ? "tr" : session.isOffline ? "of" : "on"}${isLight ? "lt" : "rt"}${grant}`
  const claims: MutableClaims = {
    exp: iat + accessSeconds(context, iat),
    iat,
    jti: `${kind}:${randomUUID()}`,
    iss: context.issuer,
    typ: hasLowerCaseType(client) ? "bearer" : "Bearer",
    azp: client.clientId,
    sid: session?.id,
    // A client's own token would name nobody without it.
    sub: isLight && session === null ? context.account.id : undefined,
    scope: scopeClaim(context),
  }
  return inOrder(mapClaims(claims, isLight ? "lightweight" : "access", context))
}

/** A client can want the type of its tokens in small letters. */
export function hasLowerCaseType({ attributes }: Client): boolean {
  return attributes["token.response.type.bearer.lower-case"] === "true"
}

export async function signAccessToken(context: TokenContext, claims: MutableClaims): Promise<string> {
  const { client, realm } = context
  const algorithm = client.attributes["access.token.signed.response.alg"] || realm.settings.signatureAlgorithm
  const isRfc9068 = client.attributes["access.token.header.type.rfc9068"] === "true"
  return realm.keys.sign(claims, algorithm, isRfc9068 ? "at+jwt" : "JWT")
}

export async function idToken(context: TokenContext, access: MutableClaims, accessToken: string): Promise<string> {
  const { client, session, realm } = context
  const algorithm = client.attributes["id.token.signed.response.alg"] || realm.settings.signatureAlgorithm
  const claims: MutableClaims = {
    exp: access.exp,
    iat: access.iat,
    jti: randomUUID(),
    iss: context.issuer,
    aud: client.clientId,
    sub: context.account.id,
    typ: "ID",
    azp: client.clientId,
    sid: session?.id,
    at_hash: leftHalf(algorithm, accessToken),
  }
  return realm.keys.sign(inOrder(mapClaims(claims, "id", context)), algorithm, "JWT")
}

export interface RefreshToken {
  readonly token: string
  readonly id: string
  readonly expiresInSeconds: number
}

/** `access` has the claims of the access token beside it, whose subject and audience it repeats. */
export function refreshToken(context: TokenContext, access: MutableClaims): RefreshToken {
  const { client, session, realm, issuer, isOpenid, scopes } = context
  const iat = Math.floor(Date.now() / 1000)
  const isOffline = session?.isOffline === true
  const { idleSeconds, endsAt } = limitsOf(context, iat)
  const seconds = Math.min(idleSeconds, endsAt - iat)
  const id = randomUUID()
  const names = [...(isOpenid ? ["openid"] : []), ...scopes.map(({ name }) => name)]
  const token = realm.keys.signSecretly({
    ...(!isOffline && { exp: iat + seconds }),
    iat,
    jti: id,
    iss: issuer,
    aud: issuer,
    sub: access.sub,
    typ: isOffline ? "Offline" : "Refresh",
    azp: client.clientId,
    sid: session?.id,
    scope: names.join(" "),
    aud_x: access.aud,
    prov: "default",
  })
  return { token, id, expiresInSeconds: isOffline ? 0 : seconds }
}

export function scopeClaim({ isOpenid, scopes }: TokenContext): string {
  const names = scopes.filter(({ isInTokenScope }) => isInTokenScope).map(({ name }) => name)
  return [...(isOpenid ? ["openid"] : []), ...names].join(" ")
}

function accessSeconds(context: TokenContext, iat: number): number {
  const { client, session, realm } = context
  const own = Number(client.attributes["access.token.lifespan"] ?? 0)
  const seconds = own > 0 ? own : realm.settings.accessTokenSeconds
  if (session === null || session.isOffline) return seconds
  return Math.min(seconds, limitsOf(context, iat).endsAt - iat)
}

/** How long a client's part of a session lives: as the session, unless the client or the realm says less. */
function limitsOf({ client, session, realm }: TokenContext, now: number): { idleSeconds: number; endsAt: number } {
  const { settings } = realm
  const ofClient = (attribute: string, byDefault: number) =>
    Number(client.attributes[attribute] || 0) || byDefault || Number.POSITIVE_INFINITY
  const idle = ofClient("client.session.idle.timeout", settings.clientSessionIdleSeconds)
  const max = ofClient("client.session.max.lifespan", settings.clientSessionMaxSeconds)
  const joinedAt = session?.clients.get(client.clientId)?.startedAt ?? now
  return {
    idleSeconds: Math.min(settings.sessionIdleSeconds, idle),
    endsAt: Math.min((session?.startedAt ?? now) + settings.sessionMaxSeconds, joinedAt + max),
  }
}

function leftHalf(algorithm: string, token: string): string {
  const hash = createHash(algorithm === "EdDSA" ? "sha512" : `sha${algorithm.slice(2)}`)
    .update(token)
    .digest()
  return hash.subarray(0, hash.length / 2).toString("base64url")
}

const order = [
  ...["exp", "iat", "auth_time", "jti", "iss", "aud", "sub", "typ", "azp", "sid", "at_hash", "acr", "allowed-origins"],
  ...["realm_access", "resource_access", "scope"],
]

/** Claims in the order in which Keycloak writes them. */
function inOrder(claims: MutableClaims): MutableClaims {
  const first = order.filter(name => claims[name] !== undefined).map(name => [name, claims[name]])
  return { ...Object.fromEntries(first), ...claims }
}
