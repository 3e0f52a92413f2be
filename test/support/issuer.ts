import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto"
import { SignJWT } from "jose"
import { type Call, type FaultyServer, type Reply, startFaultyServer } from "./faulty-server.ts"
import { paths } from "./paths.ts"

type Claims = Readonly<Record<string, unknown>>

/** A key set and a signer, for keys and tokens that the test realm does not make; it knows no accounts. */
export interface Issuer extends FaultyServer {
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
  /** `iss` of its tokens. */
  readonly issuer: string
  /** An access token of a person; a claim that is set to undefined is left out. */
  readonly mint: (token?: { readonly claims?: Claims }) => Promise<string>
  /** Signs with a new key from now on; the old ones stay published. */
  readonly rotate: (alg: string) => Promise<void>
  readonly kid: () => string
  /** What tokens are signed with now, for tests that sign by hand. */
  readonly signingKey: () => SigningKey
  /** Adds any entry to the key set, first. */
  readonly publish: (jwk: unknown) => void
  /** Claims of a person as Keycloak 26.7 sends them. */
  readonly claims: (more?: Claims) => Claims
}

export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export async function startIssuer(realm = "shop"): Promise<Issuer> {
  firstKey ??= newKey("RS256")
  let signing = await firstKey
  let published: unknown[] = [signing.jwk]

  function answer({ method, path }: Call): Reply {
    const is = (which: keyof typeof paths) => paths[which].test(`${method} ${path}`)
    if (is("discovery")) return json(200, { issuer })
    if (is("certs")) return json(200, { keys: published })
    return json(404, { error: "Realm does not exist" })
  }

  const server: FaultyServer = await startFaultyServer(answer)
  const issuer: string = `${server.url}/realms/${encodeURIComponent(realm)}`
  const claims = (more: Claims = {}) => ({ ...personClaims(issuer), ...more })

  return {
    ...server,
    realm,
    clientId: "shop-api",
    clientSecret: "client-secret-of-the-shop",
    issuer,
    claims,
    async mint({ claims: more } = {}) {
      const header = { alg: signing.alg, typ: "JWT", kid: signing.kid }
      return new SignJWT(claims(more)).setProtectedHeader(header).sign(signing.privateKey)
    },
    async rotate(alg) {
      signing = await newKey(alg)
      published = [signing.jwk, ...published]
    },
    kid: () => signing.kid,
    signingKey: () => signing,
    publish(jwk) {
      published = [jwk, ...published]
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

function json(status: number, body: unknown): Reply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
}
