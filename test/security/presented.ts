import { createPublicKey, generateKeyPairSync, sign as signInDer } from "node:crypto"
import { encode, signatureOf, signByHand } from "../support/sign-by-hand.ts"
import type { Realm } from "./realm.ts"

/** What a request presents, and what it has to be answered with. */
export interface Presented {
  readonly what: string
  /** Where it is written that this is so. */
  readonly source: string
  readonly path: string
  /** Header fields as they go over the wire; the word TOKEN stands for a good token, here and in the path. */
  readonly makeFields: (realm: Realm) => readonly string[]
  readonly answer: Answer
}

interface Answer {
  readonly status: number
  /** The whole `WWW-Authenticate` field; undefined: there is none. */
  readonly challenge: string | undefined
  /** The whole body; undefined: it is not this library's. */
  readonly body: Readonly<Record<string, unknown>> | undefined
}

/** Fields as they are, or what makes the token of a Bearer field. */
type Row = readonly [what: string, source: string, presented: string | readonly string[] | ((realm: Realm) => string)]

function rows(answer: Answer, path: string, list: readonly Row[]): readonly Presented[] {
  return list.map(([what, source, presented]) => ({ what, source, path, answer, makeFields: fieldsOf(presented) }))
}

function fieldsOf(presented: Row[2]): Presented["makeFields"] {
  if (typeof presented === "function") return realm => [`Authorization: Bearer ${presented(realm)}`]
  return () => [presented].flat()
}

function refusal(status: number, error: string, sentence: string, required?: Needed): Answer {
  const scope = required?.scopes === undefined ? "" : `, scope="${required.scopes.join(" ")}"`
  return {
    status,
    challenge: `Bearer realm="shop", error="${error}", error_description="${sentence}"${scope}`,
    body: { error, error_description: sentence, ...(required && { required }) },
  }
}

interface Needed {
  readonly kind: string
  readonly scopes?: readonly string[]
  readonly clientRoles?: Readonly<Record<string, readonly string[]>>
}

const missing: Answer = {
  status: 401,
  challenge: 'Bearer realm="shop"',
  body: { error: "credentials_missing", error_description: "This resource needs an access token." },
}
const badRequest = refusal(400, "invalid_request", "The request is malformed.")
const badToken = refusal(401, "invalid_token", "The access token is not valid here.")
const notAllowed = (required: Needed) =>
  refusal(403, "insufficient_scope", "The access token is valid but does not allow this.", required)
const refusedByNode = (status: number): Answer => ({ status, challenge: undefined, body: undefined })

const claims = (more: Readonly<Record<string, unknown>>) => (realm: Realm) => realm.sign({ claims: more })
const header = (more: Readonly<Record<string, unknown>>) => (realm: Realm) => realm.sign({ header: more })
const seconds = () => Math.floor(Date.now() / 1000)
const service = { client_id: "cron", azp: "cron", sid: undefined, preferred_username: "service-account-cron" }
const byteOrderMark = "\ufeff"
const noUtf8 = Buffer.from([0x7b, 0x22, 0x78, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])

/** A good token with its three parts changed after it was signed. */
function respelt(change: (header: string, payload: string, signature: string) => string) {
  return ({ sign }: Realm) => change(...(sign().split(".") as [string, string, string]))
}

/** The person's claims with members before and behind them, as text: JSON.stringify can't name one twice. */
function withText(before: string, behind: string) {
  return ({ issuer, sign }: Realm) =>
    sign({ payloadText: `{${before}${JSON.stringify(issuer.claims()).slice(1, -1)}${behind}}` })
}

/** The usual header with members behind them, as text. */
function withHeaderText(behind: string) {
  return ({ issuer, sign }: Realm) => sign({ headerText: `{"alg":"ES256","kid":"${issuer.kid()}"${behind}}` })
}

/** A good signature by the realm's key, and its last letter with a bit that no byte needs. */
function withStrayBit(at: 0 | 1 | 2) {
  return ({ issuer, sign }: Realm) => {
    const headerText = oneByteOver(JSON.stringify({ alg: "ES256", kid: issuer.kid() }))
    const parts = sign({ headerText, payloadText: oneByteOver(JSON.stringify(issuer.claims())) }).split(".")
    const part = parts[at] ?? ""
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return parts.with(at, part.slice(0, -1) + letters[letters.indexOf(part.slice(-1)) + 1]).join(".")
  }
}

/** JSON may end with blanks: as many as leave four bits of the last letter unused. */
function oneByteOver(json: string): string {
  return json + " ".repeat((4 - (Buffer.byteLength(json) % 3)) % 3)
}

/** Signed with the public key, which everybody has, as if it were a shared secret. */
function signedWithPublicKey(serialise: (realm: Realm) => string | Uint8Array) {
  return (realm: Realm) => {
    const { kid } = realm.issuer.signingKey()
    return signByHand({ alg: "HS256", typ: "JWT", kid }, realm.issuer.claims(), "HS256", serialise(realm))
  }
}

/** A key of the attacker's own, under the realm's key id. */
function signedByStranger(more: Readonly<Record<string, unknown>> = {}) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const jwk = publicKey.export({ format: "jwk" })
  return ({ issuer }: Realm) =>
    signByHand({ alg: "ES256", kid: issuer.kid(), jwk, ...more }, issuer.claims(), "ES256", privateKey)
}

export const refused: readonly Presented[] = [
  ...rows(missing, "/me", [
    ["no field", "RFC 6750 §3.1", []],
    ["an empty field", "RFC 6750 §3.1", "Authorization:"],
    ["a field of blanks", "RFC 9110 §5.5", "Authorization: \t "],
    ["credentials of another scheme", "RFC 9110 §11.1", "Authorization: Basic YTpi"],
    ["a scheme that begins like Bearer", "CVE-2026-0707", "Authorization: BearerX TOKEN"],
    ["a scheme and a token in one word", "CVE-2026-0707", "Authorization: BearerTOKEN"],
    ["the scheme JWT", "CVE-2026-0707", "Authorization: JWT TOKEN"],
    ["the scheme DPoP", "RFC 9449 §7.1", "Authorization: DPoP TOKEN"],
    ["a token without a scheme", "RFC 6750 §2.1", "Authorization: TOKEN"],
    ["a token in a cookie", "RFC 6750 §2", "Cookie: access_token=TOKEN; Authorization=Bearer%20TOKEN"],
    ["a token for the proxy", "RFC 9110 §11.7.2", "Proxy-Authorization: Bearer TOKEN"],
    ["a token that only proxies may tell", "RFC 6750 §2", ["X-Forwarded-Access-Token: TOKEN", "X-Auth: Bearer TOKEN"]],
  ]),
  ...rows(missing, "/me?access_token=TOKEN&Authorization=Bearer%20TOKEN", [
    ["a token in the query", "RFC 9700 §4.3.2", []],
  ]),
  ...rows(missing, "/editor", [["no field where a role is needed", "RFC 6750 §3.1", []]]),
  ...rows(missing, "/orders", [["no field where a scope is needed", "RFC 6750 §3.1", []]]),
  ...rows(missing, "/jobs", [["no field where a service is expected", "RFC 6750 §3.1", []]]),

  ...rows(badRequest, "/open", [
    ["the scheme alone", "RFC 6750 §2.1", "Authorization: Bearer"],
    ["the scheme and blanks", "RFC 6750 §2.1", "Authorization: Bearer   "],
    ["two blanks", "RFC 6750 §2.1", "Authorization: Bearer  TOKEN"],
    ["a tab", "RFC 6750 §2.1", "Authorization: Bearer\tTOKEN"],
    ["a no-break space", "CVE-2026-0707", "Authorization: Bearer\u00a0TOKEN"],
    ["a no-break space in front", "CVE-2026-0707", "Authorization: \u00a0Bearer TOKEN"],
    ["a word behind the token", "RFC 6750 §2.1", "Authorization: Bearer TOKEN x"],
    ["two tokens, joined by a comma", "RFC 9110 §5.3", "Authorization: Bearer TOKEN, Bearer TOKEN"],
    ["two tokens, joined by a bare comma", "RFC 9110 §5.3", "Authorization: Bearer TOKEN,TOKEN"],
    ["a token and another scheme, joined by a comma", "RFC 9110 §5.3", "Authorization: Bearer TOKEN, Basic YTpi"],
    ["an empty element before the token", "RFC 9110 §5.6.1", "Authorization: , Bearer TOKEN"],
    ["quotes", "CVE-2026-9803", 'Authorization: Bearer "TOKEN"'],
    ["parameters", "RFC 9110 §11.4", 'Authorization: Bearer realm="shop", token="TOKEN"'],
    ["a colon for the blank", "CVE-2026-9803", "Authorization: Bearer:TOKEN"],
    ["the scheme twice", "CVE-2026-9803", "Authorization: Bearer Bearer TOKEN"],
    ["JSON", "RFC 7515 §3.2", 'Authorization: Bearer {"access_token":"TOKEN"}'],
    ["a dot in per cent", "RFC 6750 §2.1", "Authorization: Bearer TOKEN%2E"],
    ["a letter beyond ASCII behind the token", "RFC 6750 §2.1", "Authorization: Bearer TOKEN\u00e4"],
    ["nothing but a letter beyond ASCII", "RFC 6750 §2.1", "Authorization: Bearer \u00ff"],
    ["a full-width scheme in UTF-8", "RFC 9110 §5.6.2", "Authorization: \u00ef\u00bc\u00a2earer TOKEN"],
    ["padding in front of a dot", "RFC 6750 §2.1", respelt((a, b, c) => `${a}=.${b}.${c}`)],
    ["two fields of one good token", "RFC 9110 §5.3", ["Authorization: Bearer TOKEN", "Authorization: Bearer TOKEN"]],
    ["a good field first", "RFC 9110 §5.3", ["Authorization: Bearer TOKEN", "Authorization: Bearer x"]],
    ["a good field last", "RFC 9110 §5.3", ["Authorization: Bearer x", "Authorization: Bearer TOKEN"]],
    ["an empty field first", "RFC 9110 §5.3", ["Authorization:", "Authorization: Bearer TOKEN"]],
    ["another scheme first", "RFC 9110 §5.3", ["Authorization: Basic YTpi", "Authorization: Bearer TOKEN"]],
    ["two spellings of the name", "RFC 9110 §5.1", ["authorization: Bearer TOKEN", "AUTHORIZATION: Bearer TOKEN"]],
    ["one far behind the other", "RFC 9110 §5.3", farApart("Authorization: Bearer TOKEN")],
  ]),

  ...rows(refusedByNode(400), "/open", [
    ["a folded line", "RFC 9112 §5.2", "Authorization: Bearer\r\n TOKEN"],
    ["a blank before the colon", "RFC 9112 §5.1", "Authorization : Bearer TOKEN"],
    ["a NUL", "RFC 9110 §5.5", "Authorization: Bearer TOKEN\u0000"],
    ["a bare carriage return", "RFC 9112 §2.2", "Authorization: Bearer TOKEN\rX: y"],
  ]),
  ...rows(refusedByNode(431), "/open", [
    ["more than Node reads", "RFC 6585 §5", `Authorization: Bearer ${"a".repeat(17_000)}`],
  ]),

  ...rows(badToken, "/open", [
    ["no JWT", "RFC 6750 §3.1", "Authorization: Bearer mF_9.B5f-4.1JqM"],
    ["one letter", "RFC 6750 §3.1", "Authorization: Bearer x"],
    ["more than maxTokenBytes", "CVE-2025-30204", claims({ pad: "x".repeat(9300) })],
    ["dots alone", "CVE-2025-30204", () => ".".repeat(12_000)],
    ["padding at its end", "RFC 7515 §2", respelt((a, b, c) => `${a}.${b}.${c}=`)],
    ["the other base64 alphabet", "RFC 7515 §2", respelt((a, b, c) => `${a}.+${b.slice(1)}.${c}`)],
    ["a letter of no alphabet", "RFC 4648 §3.3", respelt((a, b, c) => `${a}.${b}.~${c}`)],
    ["a stray bit in its header", "RFC 4648 §3.5", withStrayBit(0)],
    ["a stray bit in its payload", "RFC 4648 §3.5", withStrayBit(1)],
    ["a stray bit in its signature", "RFC 4648 §3.5", withStrayBit(2)],
    ["two parts", "RFC 7515 §3.1", respelt((a, b) => `${a}.${b}`)],
    ["no signature", "RFC 8725 §3.2", respelt((a, b) => `${a}.${b}.`)],
    ["no payload", "RFC 7515 §3.1", respelt((a, _, c) => `${a}..${c}`)],
    ["no header", "RFC 7515 §3.1", respelt((_, b, c) => `.${b}.${c}`)],
    ["four parts", "RFC 7515 §3.1", respelt((a, b, c) => `${a}.${b}.${c}.${c}`)],
    ["five parts, as if encrypted", "RFC 7516 §3.1", respelt((a, b, c) => `${a}.${b}.${c}.${b}.${c}`)],
    ["a token in it", "RFC 7519 §7.2", ({ sign }) => sign({ payloadText: JSON.stringify(sign()) })],
    ["another payload", "RFC 7515 §5.2", realm => respelt((a, _, c) => `${a}.${otherPayload(realm)}.${c}`)(realm)],
    ["another header", "RFC 7515 §5.2", realm => respelt((_, b, c) => `${otherHeader(realm)}.${b}.${c}`)(realm)],
    ["a signature of zeros", "CVE-2022-21449", respelt((a, b) => `${a}.${b}.${encode(Buffer.alloc(64))}`)],
    ["a DER signature", "RFC 7518 §3.4", signedInDer],

    ["alg none", "RFC 8725 §3.2", header({ alg: "none" })],
    ["alg nOnE", "CVE-2015-9235", header({ alg: "nOnE" })],
    ["no alg", "RFC 7515 §4.1.1", header({ alg: undefined })],
    ["alg in a list", "RFC 7515 §4.1.1", header({ alg: ["ES256"] })],
    ["alg __proto__", "CVE-2022-23540", header({ alg: "__proto__" })],
    ["alg of another key type", "RFC 8725 §3.1", header({ alg: "RS256" })],
    ["HS256 with the public key in PEM", "CVE-2016-10555", signedWithPublicKey(pem)],
    ["HS256 with the public key in one line", "CVE-2023-48223", signedWithPublicKey(realm => pem(realm).trim())],
    ["HS256 with the public key as a JWK", "CVE-2024-33663", signedWithPublicKey(jwkText)],
    ["HS256 with an empty secret", "RFC 8725 §3.5", signedWithPublicKey(() => "")],
    ["a stranger's signature", "RFC 7515 §5.2", signedByStranger({ jwk: undefined })],
    ["a key of its own", "CVE-2018-0114", signedByStranger()],
    [
      "the address of a key",
      "RFC 8725 §3.10",
      signedByStranger({ jku: "http://127.0.0.1:9/", x5u: "http://127.0.0.1:9/" }),
    ],
    ["no kid", "RFC 7515 §4.1.4", header({ kid: undefined })],
    ["an unknown kid", "CVE-2026-48524", header({ kid: "unknown" })],
    ["a kid in a list", "RFC 8725 §3.10", ({ issuer, sign }) => sign({ header: { kid: [issuer.kid()] } })],
    ["a kid that asks a database", "RFC 8725 §3.10", header({ kid: { $ne: null } })],
    ["a kid that is a path", "RFC 8725 §3.10", header({ kid: "../../../../dev/null" })],
    ["kid __proto__", "RFC 8725 §3.10", header({ kid: "__proto__" })],
    ["crit of an unknown name", "CVE-2025-59420", header({ crit: ["x"], x: 1 })],
    ["crit of nothing", "CVE-2026-32597", header({ crit: [] })],
    ["b64", "RFC 7797 §7", header({ b64: false })],
    ["zip", "RFC 7516 §4.1.3", header({ zip: "DEF" })],
    ["cty", "RFC 7519 §5.2", header({ cty: "JWT" })],
    ["header typ logout+jwt", "RFC 8725 §3.11", header({ typ: "logout+jwt" })],
    ["header typ dpop+jwt", "RFC 9449 §4.2", header({ typ: "dpop+jwt" })],
    ["header typ JWE", "RFC 8725 §3.11", header({ typ: "JWE" })],
    ["header typ null", "RFC 7515 §4.1.9", header({ typ: null })],
    ["alg twice", "RFC 7515 §4", withHeaderText(',"alg":"ES256"')],
    ["alg twice in two spellings", "RFC 7515 §4", withHeaderText(',"\\u0061lg":"none"')],
    ["kid twice", "RFC 8725 §2.4", withHeaderText(',"kid":"unknown"')],
    ["a list for a header", "RFC 7515 §4", ({ sign }) => sign({ headerText: '["ES256"]' })],
    ["a byte order mark before its header", "RFC 8259 §8.1", ({ sign }) => sign({ headerText: `${byteOrderMark}{}` })],
    ["a header that is no UTF-8", "RFC 7515 §5.2", ({ sign }) => sign({ headerText: noUtf8 })],
    ["a list for a payload", "RFC 7519 §7.2", ({ sign }) => sign({ payloadText: "[]" })],
    ["a byte order mark before its payload", "RFC 8259 §8.1", withMark],
    ["a payload that is no UTF-8", "RFC 7519 §7.2", ({ sign }) => sign({ payloadText: noUtf8 })],
    ["a payload that is cut off", "RFC 7519 §7.2", ({ sign }) => sign({ payloadText: '{"typ":"Bearer"' })],

    ["typ ID", "RFC 8725 §3.12", claims({ typ: "ID", aud: "shop-api" })],
    ["the marks of an ID token", "RFC 8725 §3.12", claims({ nonce: "n", at_hash: "h" })],
    ["typ Refresh", "Keycloak 26.7.4", claims({ typ: "Refresh" })],
    ["a refresh token as Keycloak signs it", "Keycloak 26.7.4", refreshToken],
    ["typ Offline without exp", "Keycloak 26.7.4", claims({ typ: "Offline", exp: undefined })],
    ["a logout token", "OIDC Back-Channel Logout §2.6", logoutToken],
    ["typ Logout alone", "RFC 8725 §3.12", claims({ typ: "Logout" })],
    ["the events of a logout token", "OIDC Back-Channel Logout §2.4", claims({ events: {} })],
    ["typ of an action token", "Keycloak 26.7.4", claims({ typ: "reset-credentials" })],
    ["typ in other letters", "Keycloak 26.7.4", claims({ typ: "bearer" })],
    ["no typ", "Keycloak 26.7.4", claims({ typ: undefined })],
    ["typ DPoP", "RFC 9449 §7.2", claims({ typ: "DPoP", cnf: { jkt: "x" } })],
    ["a cnf for DPoP", "RFC 9449 §7.2", claims({ cnf: { jkt: "x", "kc-jkt-type": "DPoP" } })],
    ["a cnf for a certificate", "RFC 8705 §3", claims({ cnf: { "x5t#S256": "x" } })],
    ["an empty cnf", "RFC 7800 §3.1", claims({ cnf: null })],
    ["an exp of the past", "RFC 7519 §4.1.4", realm => realm.sign({ claims: { exp: seconds() - 60 } })],
    ["exp 0", "Keycloak 26.7.4", claims({ exp: 0 })],
    ["no exp", "RFC 9068 §2.2", claims({ exp: undefined })],
    ["an exp in text", "RFC 7519 §2", claims({ exp: "9999999999" })],
    ["an infinite exp", "RFC 7519 §2", withText("", ',"exp":1e999')],
    ["an nbf of the future", "RFC 7519 §4.1.5", realm => realm.sign({ claims: { nbf: seconds() + 60 } })],
    ["an iat of the future", "RFC 7519 §4.1.6", realm => realm.sign({ claims: { iat: seconds() + 60 } })],
    ["an iat in text", "RFC 7519 §2", claims({ iat: "1" })],
    ["no aud", "RFC 9068 §4", claims({ aud: undefined })],
    ["aud account, as without a mapper", "RFC 8725 §3.9", claims({ aud: "account" })],
    ["an aud that contains ours", "RFC 8725 §3.9", claims({ aud: "shop-api-2" })],
    ["an aud of two words", "RFC 7519 §4.1.3", claims({ aud: "account shop-api" })],
    ["a list in the list of aud", "RFC 7519 §4.1.3", claims({ aud: [["shop-api"]] })],
    ["something else beside ours in aud", "RFC 7519 §4.1.3", claims({ aud: ["shop-api", null] })],
    ["an aud with names", "RFC 7519 §4.1.3", claims({ aud: { "shop-api": true } })],
    ["ours in azp alone", "RFC 9068 §4", claims({ aud: "account", azp: "shop-api", client_id: "shop-api" })],
    ["ours in the roles alone", "RFC 9068 §4", claims({ aud: "account", scope: "shop-api" })],
    ["no iss", "RFC 9068 §4", claims({ iss: undefined })],
    ["an iss with a slash more", "RFC 8725 §3.8", ({ issuer, sign }) => sign({ claims: { iss: `${issuer.issuer}/` } })],
    [
      "the iss of another realm",
      "CVE-2024-53861",
      ({ issuer, sign }) => sign({ claims: { iss: `${issuer.issuer}2` } }),
    ],
    ["a list of iss", "CVE-2025-30144", ({ issuer, sign }) => sign({ claims: { iss: [issuer.issuer] } })],
    ["no sub", "RFC 9068 §2.2", claims({ sub: undefined })],
    ["an empty sub", "RFC 7519 §4.1.2", claims({ sub: "" })],
    ["a sub that asks a database", "RFC 7519 §4.1.2", claims({ sub: { $ne: null } })],
    ["a number for a sub", "RFC 7519 §4.1.2", claims({ sub: 1 })],
    [
      "the name of a service with a session",
      "Keycloak 26.7.4",
      claims({ preferred_username: "service-account-shop-web" }),
    ],
    ["a good aud before a bad one", "RFC 7519 §4", withText("", ',"aud":"account"')],
    ["a good typ before a bad one", "RFC 7519 §4", withText("", ',"typ":"ID"')],
    ["claims in __proto__", "RFC 7519 §4", inPrototype],
  ]),

  ...rows(notAllowed({ kind: "user" }), "/me", [
    ["a service's token where people are expected", "RFC 6750 §3.1", claims(service)],
    ["a service's token without client_id", "Keycloak 26.7.4", claims({ ...service, client_id: undefined })],
  ]),
  ...rows(notAllowed({ kind: "service" }), "/jobs", [
    ["a person's token where services are expected", "RFC 6750 §3.1", claims({})],
    ["a person with a client_id", "Keycloak 26.7.4", claims({ client_id: "cron" })],
  ]),
  ...rows(notAllowed({ clientRoles: { "shop-api": ["editor"] }, kind: "user" }), "/editor", [
    ["no roles", "RFC 6750 §3.1", claims({ resource_access: undefined })],
    ["the role of another client", "RFC 6750 §3.1", claims({ resource_access: { account: { roles: ["editor"] } } })],
    ["the role of the realm", "RFC 6750 §3.1", claims({ resource_access: {}, realm_access: { roles: ["editor"] } })],
    ["a role that begins like it", "RFC 6750 §3.1", roles(["editor2", "EDITOR", "edit"])],
    ["a text for roles", "CWE-843", roles("editor")],
    ["an object for roles", "CWE-843", roles({ editor: true, includes: "editor" })],
    ["a list in the list of roles", "CWE-843", roles([["editor"]])],
    ["a list of clients", "CWE-843", claims({ resource_access: ["shop-api", "editor"] })],
    ["roles in __proto__", "CWE-1321", rolesInPrototype],
  ]),
  ...rows(notAllowed({ scopes: ["orders:read"], kind: "user" }), "/orders", [
    ["another scope", "RFC 6750 §3.1", claims({ scope: "profile email" })],
    ["no scope", "RFC 6750 §3.1", claims({ scope: undefined })],
    ["a scope that begins like it", "RFC 6749 §3.3", claims({ scope: "orders:read-all" })],
    ["the scope in other letters", "RFC 6749 §3.3", claims({ scope: "Orders:Read" })],
    ["the scope behind a tab", "RFC 6749 §3.3", claims({ scope: "profile\torders:read" })],
    ["a list of scopes", "RFC 9068 §2.2.3", claims({ scope: ["orders:read"] })],
  ]),
]

const letIn: Answer = { status: 200, challenge: undefined, body: undefined }

export const accepted: readonly Presented[] = [
  ...rows(letIn, "/me", [
    ["a token as Keycloak signs it", "Keycloak 26.7.4", claims({})],
    ["a scheme in small letters", "RFC 9110 §11.1", "authorization: bearer TOKEN"],
    ["a scheme in capitals", "RFC 9110 §11.1", "AUTHORIZATION:BEARER TOKEN"],
    ["blanks around the field", "RFC 9110 §5.5", "Authorization: \t Bearer TOKEN \t "],
    [
      "other fields that say the name",
      "RFC 9110 §5.1",
      ["X: Authorization", "Authorization: Bearer TOKEN", "Authorization-X: y"],
    ],
    ["no header typ", "RFC 7519 §5.1", header({ typ: undefined })],
    ["header typ at+jwt", "RFC 9068 §4", header({ typ: "application/at+jwt" })],
    ["header members that nobody needs", "RFC 7515 §4", header({ x5t: "x", jku: "http://127.0.0.1:9/", x: { a: [] } })],
    [
      "blanks in its header",
      "RFC 8259 §2",
      ({ issuer, sign }) => sign({ headerText: ` {"alg" : "ES256","kid" : "${issuer.kid()}"}` }),
    ],
    ["one aud as text", "RFC 7519 §4.1.3", claims({ aud: "shop-api" })],
    ["no iat", "RFC 7519 §4.1.6", claims({ iat: undefined })],
    ["an nbf of the past", "RFC 7519 §4.1.5", claims({ nbf: 1 })],
    ["8 kB", "RFC 9110 §5.4", claims({ pad: "x".repeat(6000) })],
    ["letters beyond ASCII", "RFC 8259 §8.1", claims({ name: "Ada Ł. \ufffd 🂡" })],
    ["a bad aud before a good one", "RFC 7519 §4", withText('"aud":"account",', "")],
    ["claims in __proto__ beside its own", "CWE-1321", withText("", ',"__proto__":{"typ":"ID","admin":true}')],
    [
      "roles and scopes of wrong types",
      "CWE-843",
      claims({ realm_access: "x", resource_access: [], scope: {}, groups: "x" }),
    ],
  ]),
  ...rows(letIn, "/me?access_token=x", [["a good field beside a bad query", "RFC 9700 §4.3.2", claims({})]]),
  ...rows(letIn, "/editor", [["the role", "RFC 6750 §3.1", claims({})]]),
  ...rows(letIn, "/orders", [["the scope among others", "RFC 6749 §3.3", claims({ scope: "openid  orders:read" })]]),
  ...rows(letIn, "/jobs", [["a service's token", "RFC 6749 §4.4", claims(service)]]),
]

function farApart(field: string): readonly string[] {
  return [field, ...Array.from({ length: 300 }, (_, at) => `X-${at}: y`), field]
}

function otherPayload({ issuer }: Realm): string {
  return encode(issuer.claims({ realm_access: { roles: ["admin"] } }))
}

function otherHeader({ issuer }: Realm): string {
  return encode({ alg: "ES256", kid: issuer.kid(), typ: "at+jwt" })
}

function signedInDer({ issuer }: Realm): string {
  const { kid, privateKey } = issuer.signingKey()
  const input = `${encode({ alg: "ES256", typ: "JWT", kid })}.${encode(issuer.claims())}`
  return `${input}.${encode(signInDer("sha256", Buffer.from(input), privateKey))}`
}

function pem({ issuer }: Realm): string {
  return String(createPublicKey(issuer.signingKey().privateKey).export({ format: "pem", type: "spki" }))
}

function jwkText({ issuer }: Realm): string {
  return JSON.stringify(issuer.signingKey().jwk)
}

function withMark({ issuer, sign }: Realm): string {
  return sign({ payloadText: byteOrderMark + JSON.stringify(issuer.claims()) })
}

function refreshToken({ issuer }: Realm): string {
  const input = `${encode({ alg: "HS512", typ: "JWT", kid: "of no published key" })}.${encode(issuer.claims({ typ: "Refresh" }))}`
  return `${input}.${signatureOf(input, "HS512", "a secret of Keycloak's own").toString("base64url")}`
}

function logoutToken({ sign }: Realm): string {
  const events = { "http://schemas.openid.net/event/backchannel-logout": {} }
  return sign({ header: { typ: "logout+jwt" }, claims: { typ: "Logout", aud: "shop-api", events } })
}

function roles(value: unknown) {
  return claims({ resource_access: { "shop-api": { roles: value } } })
}

function rolesInPrototype({ issuer, sign }: Realm): string {
  const { resource_access: _, ...others } = issuer.claims()
  const hostile = '{"__proto__":{"shop-api":{"roles":["editor"]}},"shop-api":{"__proto__":{"roles":["editor"]}}}'
  return sign({ payloadText: `${JSON.stringify(others).slice(0, -1)},"resource_access":${hostile}}` })
}

/** All that makes a good token, but as members of its `__proto__`. */
function inPrototype({ issuer, sign }: Realm): string {
  const { typ: _, ...others } = issuer.claims()
  return sign({ payloadText: `${JSON.stringify(others).slice(0, -1)},"__proto__":{"typ":"Bearer"}}` })
}
