import { createHash, type KeyObject } from "node:crypto"
import fc from "fast-check"
import { encode, signatureOf } from "../support/sign-by-hand.ts"

/** How one token is made: what is changed in it, who signs, and what is done to its text afterwards. */
export interface Recipe {
  readonly key: number
  readonly claims: readonly Member[]
  readonly header: readonly Member[]
  readonly headerText: TextChange
  readonly payloadText: TextChange
  readonly signer: "own" | "other" | "public key as secret" | "before the changes" | "noise"
  readonly token: readonly TokenChange[]
}

type Member = readonly [name: string, value: unknown]
type TextChange =
  | "none"
  | "spaced"
  | "doubled"
  | "doubled in escapes"
  | "bom"
  | "no utf-8"
  | "more"
  | "proto"
  | "infinite exp"
  | "infinite iat"
interface TokenChange {
  readonly kind: (typeof tokenChanges)[number]
  /** Where, as a share of the length. */
  readonly at: number
  readonly letter: string
}

/** A published key that a recipe may sign with. */
export interface FuzzKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: KeyObject
  readonly publicPem: string
}

/** Stands for a member that is taken away. */
const absent = "\u0000absent"
const tokenChanges = [
  "flip a letter",
  "insert a letter",
  "remove a letter",
  "flip a byte of the signature",
  "stray bits",
  "padding",
  "drop a part",
  "add a part",
  "swap two parts",
  "shorten the signature",
  "lengthen the signature",
  "zero half of the signature",
  "twin of the signature",
  "signature in DER",
  "standard base64",
] as const

/** A change to the text of a finished token. */
export const tokenChange: fc.Arbitrary<TokenChange> = fc.record({
  // Stray bits in a signature are all that jose takes of the spellings that are refused here.
  kind: fc.constantFrom(...tokenChanges, "stray bits", "stray bits"),
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  letter: fc.constantFrom(..."Aa09-_=+/. \n~\u00e4"),
})

export function recipes(keys: readonly FuzzKey[], issuer: string, now: number): fc.Arbitrary<Recipe> {
  const kids = keys.map(({ kid }) => kid)
  const time = fc.oneof(
    fc.constantFrom(absent, null, true, "", String(now + 300), [now], {}, 0, -1, 1e300),
    fc.integer({ min: -8, max: 8 }).map(offset => now + offset),
    fc.constantFrom(-3600, -60, 60, 3600, 0.5, -4.5, -5.5, 4.5, 5.5).map(offset => now + offset),
  )
  const iss = fc.constantFrom(
    absent,
    null,
    issuer,
    `${issuer}/`,
    [issuer],
    issuer.toUpperCase(),
    "",
    {},
    `${issuer}\u0000`,
  )
  const aud = fc.constantFrom<unknown>(
    absent,
    null,
    "shop-api",
    ["shop-api"],
    ["x", "shop-api"],
    ["account"],
    "account",
    [],
    ["shop-api", null],
    ["shop-api", {}],
    [["shop-api"]],
    { 0: "shop-api" },
    "shop-api ",
    "SHOP-API",
  )
  const typ = fc.constantFrom<unknown>(
    absent,
    null,
    "Bearer",
    "bearer",
    "ID",
    "Refresh",
    "Logout",
    "DPoP",
    ["Bearer"],
    "",
  )
  const mark = fc.constantFrom<unknown>(absent, null, "x", {}, { jkt: "x" })
  const text = fc.constantFrom<unknown>(absent, null, "", " ", "x", 1, true, {}, ["x"], { $ne: null })
  const anything = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>
  const roles = fc.oneof(anything, fc.constant({ roles: "admin" }), fc.constant({ "shop-api": { roles: [1, "x"] } }))
  const member = <Value>(names: readonly string[], value: fc.Arbitrary<Value>) =>
    fc.tuple(fc.constantFrom(...names), value) as fc.Arbitrary<Member>
  const free = (value: fc.Arbitrary<unknown>) =>
    fc.tuple(
      fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toString")),
      value,
    ) as fc.Arbitrary<Member>

  const claim = fc.oneof(
    member(["exp"], time),
    member(["nbf", "iat"], time),
    member(["iss"], iss),
    member(["aud"], aud),
    member(["typ"], typ),
    member(["cnf", "nonce", "at_hash", "events"], mark),
    member(["sub", "sid", "azp", "client_id", "preferred_username", "email", "email_verified", "scope"], text),
    member(["realm_access", "resource_access", "groups", "scope"], roles),
    free(fc.oneof({ weight: 9, arbitrary: anything }, { weight: 1, arbitrary: fc.constant("x".repeat(9000)) })),
  )
  const algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 HS256 HS512 none None".split(
    " ",
  )
  const headerMember = fc.oneof(
    member(["alg"], fc.constantFrom<unknown>(...algorithms, absent, null, ["ES256"], "", "es256", {})),
    member(
      ["kid"],
      fc.oneof(fc.constantFrom<unknown>(...kids, absent, null, "", 1, ["k"], "k".repeat(300)), fc.string()),
    ),
    member(
      ["typ"],
      fc.constantFrom<unknown>(
        absent,
        "JWT",
        "jwt",
        "at+jwt",
        "application/at+jwt",
        "logout+jwt",
        "",
        null,
        ["JWT"],
        1,
      ),
    ),
    member(["crit"], fc.constantFrom<unknown>(absent, [], ["b64"], ["exp"], ["x"], "x", null)),
    member(["b64", "zip", "cty"], fc.constantFrom<unknown>(absent, true, false, null, "DEF", "JWT")),
    member(["jwk", "jku", "x5u", "x5c", "x5t"], fc.constantFrom<unknown>("http://127.0.0.1:9/jwks", {}, ["MII"], null)),
    free(anything),
  )
  const textChange = fc.oneof(
    { weight: 12, arbitrary: fc.constant<TextChange>("none") },
    {
      weight: 3,
      arbitrary: fc.constantFrom<TextChange>(
        "spaced",
        "doubled",
        "doubled in escapes",
        "bom",
        "no utf-8",
        "more",
        "proto",
        "infinite exp",
        "infinite iat",
      ),
    },
  )
  return fc.record({
    // RSA signatures take twenty times as long to make: every key but the first four is rare.
    key: fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: keys.length - 1 }) },
    ),
    claims: fc.array(claim, { maxLength: 2 }),
    header: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(headerMember, { maxLength: 2 }) },
    ),
    headerText: textChange,
    payloadText: textChange,
    signer: fc.oneof(
      { weight: 14, arbitrary: fc.constant("own" as const) },
      {
        weight: 3,
        arbitrary: fc.constantFrom("other" as const, "public key as secret" as const, "before the changes" as const),
      },
      { weight: 1, arbitrary: fc.constant("noise" as const) },
    ),
    token: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(tokenChange, { minLength: 1, maxLength: 2 }) },
    ),
  })
}

/** Whether a recipe changes anything at all. */
export function isMutant({ claims, header, headerText, payloadText, signer, token }: Recipe): boolean {
  const isPlain = headerText === "none" && payloadText === "none" && signer === "own"
  return !isPlain || claims.length + header.length + token.length > 0
}

export function cook(recipe: Recipe, keys: readonly FuzzKey[], usualClaims: object): string {
  const key = keys[recipe.key] as FuzzKey
  const usualHeader = { alg: key.alg, typ: "JWT", kid: key.kid }
  const header = encode(written(changed(usualHeader, recipe.header), recipe.headerText))
  const payload = encode(written(changed(usualClaims, recipe.claims), recipe.payloadText))
  const signed =
    recipe.signer === "before the changes" ? `${encode(usualHeader)}.${encode(usualClaims)}` : `${header}.${payload}`
  const signature = signatureBy(recipe, key, keys, signed)
  return recipe.token.reduce(withTokenChange, `${header}.${payload}.${signature.toString("base64url")}`)
}

function changed(usual: object, members: readonly Member[]): string {
  // Not a spread: `__proto__` has to become a member.
  const all = new Map<string, unknown>(Object.entries(usual))
  for (const [name, value] of members) value === absent ? all.delete(name) : all.set(name, value)
  return `{${[...all].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`
}

function written(json: string, change: TextChange): string | Uint8Array {
  const [, first = '"x"'] = /^\{("[^"]*")/.exec(json) ?? []
  const more = json === "{}" ? "" : ","
  const before = (member: string) => `{${member}${more}${json.slice(1)}`
  if (change === "spaced") return ` ${json.replaceAll('":', '" :\n')}\t`
  if (change === "doubled") return before(`${first}:"none"`)
  if (change === "doubled in escapes") return before(`"\\u00${first.charCodeAt(1).toString(16)}${first.slice(2)}:1`)
  if (change === "bom") return `\ufeff${json}`
  if (change === "no utf-8")
    return Buffer.concat([
      Buffer.from(before('"u":"')).subarray(0, 6),
      Buffer.from([0xff, 0x22]),
      Buffer.from(`${more}${json.slice(1)}`),
    ])
  if (change === "more") return `${json}x`
  if (change === "proto") return before('"__proto__":{"typ":"Bearer","alg":"ES256","sub":"root","exp":9999999999}')
  if (change === "infinite exp") return json.replace(/"exp":\d+/, '"exp":1e999')
  if (change === "infinite iat") return json.replace(/"iat":\d+/, '"iat":-1e999')
  return json
}

function signatureBy({ signer, key: index }: Recipe, key: FuzzKey, keys: readonly FuzzKey[], signed: string): Buffer {
  if (signer === "noise") return createHash("sha512").update(signed).digest()
  if (signer === "public key as secret") return signatureOf(signed, "HS256", key.publicPem)
  // A key of the same algorithm where there is one, else any.
  const others = keys.filter((_, at) => at !== index && at < 4)
  const by = signer === "other" ? (others.find(({ alg }) => alg === key.alg) ?? others[0] ?? key) : key
  return signatureOf(signed, by.alg, by.privateKey)
}

export function withTokenChange(token: string, { kind, at, letter }: TokenChange): string {
  const index = Math.floor(at * token.length)
  const parts = token.split(".")
  const part = Math.floor(at * parts.length)
  const signature = Buffer.from(parts[2] ?? "", "base64url")
  const signedAs = (bytes: Uint8Array) => parts.with(-1, Buffer.from(bytes).toString("base64url")).join(".")
  switch (kind) {
    case "flip a letter":
      return token.slice(0, index) + letter + token.slice(index + 1)
    case "insert a letter":
      return token.slice(0, index) + letter + token.slice(index)
    case "remove a letter":
      return token.slice(0, index) + token.slice(index + 1)
    case "flip a byte of the signature": {
      const byte = Math.floor(at * signature.length)
      return signedAs(signature.map((value, place) => (place === byte ? value ^ 1 : value)))
    }
    case "stray bits":
      return parts.with(-1, withStrayBits(parts.at(-1) ?? "")).join(".")
    case "padding":
      return parts.with(part, `${parts[part]}=`).join(".")
    case "drop a part":
      return parts.toSpliced(part, 1).join(".")
    case "add a part":
      return parts.toSpliced(part, 0, parts[part] ?? "").join(".")
    case "swap two parts":
      return parts.toReversed().join(".")
    case "shorten the signature":
      return signedAs(signature.subarray(0, -1))
    case "lengthen the signature":
      return signedAs(Buffer.concat([signature, Buffer.alloc(1)]))
    case "zero half of the signature":
      return signedAs(signature.map((value, place) => (place * 2 < signature.length === at < 0.5 ? 0 : value)))
    case "twin of the signature":
      return signature.length === 64 ? signedAs(twin(signature)) : token
    case "signature in DER":
      return signature.length === 64 ? signedAs(der(signature)) : token
    case "standard base64":
      return parts.with(part, (parts[part] ?? "").replaceAll("-", "+").replaceAll("_", "/")).join(".")
  }
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

function withStrayBits(part: string): string {
  const last = letters.indexOf(part.slice(-1))
  return part.length % 4 === 0 ? part : part.slice(0, -1) + letters[last + 1]
}

/** `s` replaced by `n - s`: as good as the first one. */
function twin(signature: Buffer): Buffer {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const s = BigInt(`0x${signature.subarray(32).toString("hex")}`)
  const other = s < order ? order - s : s
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(other.toString(16).padStart(64, "0"), "hex")])
}

function der(signature: Buffer): Buffer {
  const integer = (raw: Buffer) => {
    const body = (raw[0] ?? 0) > 127 ? Buffer.concat([Buffer.alloc(1), raw]) : raw
    return Buffer.concat([Buffer.from([2, body.length]), body])
  }
  const both = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))])
  return Buffer.concat([Buffer.from([0x30, both.length]), both])
}
