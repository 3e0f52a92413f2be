import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto"
import { SignJWT } from "jose"
import { type Call, type FaultyServer, type Reply, startFaultyServer } from "./faulty-server.ts"

/** What the issuer serves, as `METHOD /path`. */
export const paths: Readonly<Record<Endpoint, RegExp>> = {
  discovery: /^GET .*\/\.well-known\/openid-configuration$/,
  certs: /^GET .*\/protocol\/openid-connect\/certs$/,
  token: /^POST .*\/protocol\/openid-connect\/token$/,
  introspection: /^POST .*\/token\/introspect$/,
  userinfo: /^GET .*\/protocol\/openid-connect\/userinfo$/,
  logout: /^POST .*\/protocol\/openid-connect\/logout$/,
  profile: /^GET \/admin\/realms\/[^/]+\/users\/profile$/,
  realm: /^GET \/admin\/realms\/[^/]+$/,
  requiredActions: /^GET \/admin\/realms\/[^/]+\/authentication\/required-actions$/,
  create: /^POST \/admin\/realms\/[^/]+\/users\/?$/,
  find: /^GET \/admin\/realms\/[^/]+\/users\/?$/,
  remove: /^DELETE \/admin\/realms\/[^/]+\/users\/[^/]+$/,
}

type Endpoint =
  | "discovery"
  | "certs"
  | "token"
  | "introspection"
  | "userinfo"
  | "logout"
  | "profile"
  | "realm"
  | "requiredActions"
  | "create"
  | "find"
  | "remove"

/** An in-process stand-in for one realm of Keycloak 26.7: real signatures, Keycloak's shapes, and no state but accounts. */
export interface Issuer extends FaultyServer {
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
  /** `iss` of its tokens. */
  readonly issuer: string
  /** An access token of a person; a claim or header member that is set to undefined is left out. */
  readonly mint: (token?: Minted) => Promise<string>
  /** The same shape with any key id, and noise for a signature. */
  readonly forge: (kid: string) => string
  /** Signs with a new key from now on; the old ones stay published until `unpublish`. Returns the new key id. */
  readonly rotate: (alg?: string) => Promise<string>
  readonly unpublish: (kid: string) => void
  readonly kid: () => string
  /** What tokens are signed with now, for tests that sign by hand. */
  readonly signingKey: () => SigningKey
  /** Adds any entry to the key set, first. */
  readonly publish: (jwk: unknown) => void
  /** Claims of a person as Keycloak 26.7 sends them. */
  readonly claims: (more?: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
  /** What introspection answers about a token with these claims, from now on; by default that it is active. */
  readonly introspectWith: (answer: (claims: Record<string, unknown>) => unknown) => void
}

interface Minted {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
}

export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export async function startIssuer(realm = "shop"): Promise<Issuer> {
  const clientId = "shop-api"
  const clientSecret = "client-secret-of-the-shop"
  const accounts = new Map<string, { id: string; username: string; createdTimestamp: number }>()
  firstKey ??= newKey("RS256")
  let signing = await firstKey
  let published: unknown[] = [signing.jwk]
  let introspected: (claims: Record<string, unknown>) => unknown = introspectionOf

  const server = await startFaultyServer(answer)
  const issuer = `${server.url}/realms/${encodeURIComponent(realm)}`

  async function mint({ claims = {}, header = {} }: Minted = {}): Promise<string> {
    const payload = { ...personClaims(issuer), ...claims }
    return new SignJWT(payload)
      .setProtectedHeader({ alg: signing.alg, typ: "JWT", kid: signing.kid, ...header })
      .sign(signing.privateKey)
  }

  async function grantedTokens(form: URLSearchParams): Promise<Reply> {
    const access_token = await mint({ claims: { scope: form.get("scope") ?? "profile email" } })
    const refresh_token = await mint({ claims: { typ: "Refresh", aud: issuer } })
    return json(200, {
      access_token,
      expires_in: 300,
      refresh_expires_in: 1800,
      refresh_token,
      token_type: "Bearer",
      "not-before-policy": 0,
      session_state: randomBytes(18).toString("base64url"),
      scope: "email profile",
    })
  }

  async function serviceToken(): Promise<Reply> {
    const access_token = await mint({ claims: { ...serviceClaims(clientId), scope: "profile email" } })
    return json(200, { access_token, expires_in: 300, refresh_expires_in: 0, token_type: "Bearer", scope: "email" })
  }

  async function token(form: URLSearchParams): Promise<Reply> {
    const type = form.get("grant_type")
    if (type === "client_credentials") return serviceToken()
    if (type === "password" && form.get("username") === "")
      return json(400, { error: "invalid_grant", error_description: "Invalid user credentials" })
    return grantedTokens(form)
  }

  function create({ username, createdTimestamp }: { username: string; createdTimestamp: number }): Reply {
    if (accounts.has(username)) return json(409, { errorMessage: "User exists with same username" })
    const id = randomUUID()
    accounts.set(username, { id, username, createdTimestamp })
    return {
      status: 201,
      headers: { location: `${server.url}/admin/realms/${realm}/users/${id}`, "content-length": "0" },
    }
  }

  function remove(id: string): Reply {
    for (const account of accounts.values()) if (account.id === id) accounts.delete(account.username)
    return { status: 204 }
  }

  async function answer({ method, path, body }: Call): Promise<Reply> {
    const { pathname, searchParams } = new URL(path, "http://localhost")
    const is = (which: Endpoint) => paths[which].test(`${method} ${pathname}`)
    const form = () => new URLSearchParams(body.toString())
    if (is("discovery")) return json(200, { issuer, token_endpoint: `${issuer}/protocol/openid-connect/token` })
    if (is("certs")) return json(200, { keys: published })
    if (is("token")) return token(form())
    if (is("introspection")) return json(200, introspected(claimsIn(form().get("token") ?? "")))
    if (is("userinfo")) return json(200, { sub: personClaims(issuer).sub, preferred_username: "ada" })
    if (is("logout")) return { status: 204 }
    if (is("profile")) return json(200, { attributes: ["username", "email", "firstName", "lastName"].map(asAttribute) })
    if (is("realm")) return json(200, { realm, registrationEmailAsUsername: false, verifyEmail: false })
    if (is("requiredActions")) return json(200, [])
    if (is("create")) return create(JSON.parse(body.toString()))
    if (is("find")) return json(200, [accounts.get(searchParams.get("username") ?? "")].filter(Boolean))
    if (is("remove")) return remove(pathname.slice(pathname.lastIndexOf("/") + 1))
    return json(404, { error: "Realm does not exist" })
  }

  return {
    ...server,
    realm,
    clientId,
    clientSecret,
    issuer,
    mint,
    forge(kid) {
      const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
      const noise = randomBytes(256).toString("base64url")
      return `${encode({ alg: "RS256", typ: "JWT", kid })}.${encode(personClaims(issuer))}.${noise}`
    },
    async rotate(alg = "RS256") {
      signing = await newKey(alg)
      published = [signing.jwk, ...published]
      return signing.kid
    },
    unpublish(kid) {
      published = published.filter(jwk => (jwk as { kid?: unknown }).kid !== kid)
    },
    kid: () => signing.kid,
    signingKey: () => signing,
    publish(jwk) {
      published = [jwk, ...published]
    },
    claims: more => ({ ...personClaims(issuer), ...more }),
    introspectWith(answer) {
      introspected = answer
    },
  }
}

// Making an RSA key takes longer than most tests.
let firstKey: Promise<SigningKey> | undefined

/** Times are cut to whole seconds, as Keycloak does. */
function personClaims(issuer: string) {
  const seconds = Math.floor(Date.now() / 1000)
  return {
    exp: seconds + 300,
    iat: seconds,
    jti: `onrtro:${randomUUID()}`,
    iss: issuer,
    aud: ["shop-api", "account"],
    sub: "5f0a2f6e-6d6f-4b0e-9a53-0d0a4c1f2b11",
    typ: "Bearer",
    azp: "shop-web",
    sid: randomBytes(18).toString("base64url"),
    acr: "1",
    "allowed-origins": ["https://shop.example.test"],
    realm_access: { roles: ["default-roles-shop", "offline_access", "uma_authorization"] },
    resource_access: { "shop-api": { roles: ["editor"] }, account: { roles: ["view-profile"] } },
    scope: "profile email",
    email_verified: true,
    name: "Ada Lovelace",
    preferred_username: "ada",
    given_name: "Ada",
    family_name: "Lovelace",
    email: "ada@example.test",
  }
}

/** Keycloak's answer about an active token; `client_id` is there for people too. */
export function introspectionOf(claims: Record<string, unknown>): Record<string, unknown> {
  const { azp, preferred_username } = claims
  return { ...claims, client_id: azp, username: preferred_username, token_type: claims.typ, active: true }
}

function serviceClaims(clientId: string) {
  return {
    sub: "0c8f2b1e-58a5-4f8a-a0c6-7a3f5a9d1e22",
    azp: clientId,
    client_id: clientId,
    sid: undefined,
    preferred_username: `service-account-${clientId}`,
    resource_access: { "realm-management": { roles: ["manage-users"] } },
    email: undefined,
    name: undefined,
    given_name: undefined,
    family_name: undefined,
  }
}

/** `Ed448` stands for EdDSA on that curve. */
export async function newKey(algorithm: string): Promise<SigningKey> {
  const alg = algorithm === "Ed448" ? "EdDSA" : algorithm
  const { publicKey, privateKey } = keyPair(algorithm)
  const kid = randomBytes(32).toString("base64url")
  return { kid, alg, publicKey, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" } }
}

function keyPair(alg: string): { publicKey: KeyObject; privateKey: KeyObject } {
  const curves: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }
  const namedCurve = curves[alg]
  if (namedCurve !== undefined) return generateKeyPairSync("ec", { namedCurve })
  if (alg === "EdDSA") return generateKeyPairSync("ed25519")
  return alg === "Ed448" ? generateKeyPairSync("ed448") : generateKeyPairSync("rsa", { modulusLength: 2048 })
}

function claimsIn(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
}

function asAttribute(name: string) {
  return { name, permissions: { view: ["admin", "user"], edit: ["admin", "user"] } }
}

function json(status: number, body: unknown): Reply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
}
