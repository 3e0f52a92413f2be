import { constants, generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createGate } from "../../src/index.js"
import { startFaultyServer } from "../support/faulty-server.ts"
import { newKey, type SigningKey } from "../support/issuer.ts"
import { encode, signatureOf, signByHand } from "../support/sign-by-hand.ts"
import { type Realm, startRealm } from "./realm.ts"

// RSA, since most attacks are about its public key; Keycloak signs with RS256 unless told otherwise.
let rsa: Realm
let ec: Realm
beforeAll(async () => {
  // So short that no unknown key id has to wait for the next look-up.
  const keySet = { cooldownSeconds: 0.001 }
  rsa = await startRealm("RS256", { keySet })
  ec = await startRealm("ES256", { keySet })
})
afterAll(async () => {
  await rsa.close()
  await ec.close()
})

const malformed = "invalid_token malformed"
const tooLarge = "invalid_token too_large"
const withHeader = (header: Readonly<Record<string, unknown>>) => rsa.verdict(rsa.sign({ header }))
const parts = (token: string) => token.split(".") as [header: string, payload: string, signature: string]

describe("alg", () => {
  // RFC 8725 §3.2; CVE-2015-9235, CVE-2022-23540: unsigned tokens
  it.each<[string, unknown]>([
    ["none", "none"],
    ["None", "None"],
    ["NONE", "NONE"],
    ["nOnE", "nOnE"],
    ["none with a blank", "none "],
    ["empty", ""],
    ["missing", undefined],
    ["null", null],
    ["a list", ["RS256"]],
    ["an object", { alg: "RS256" }],
    ["a number", 256],
    ["true", true],
    ["__proto__", "__proto__"],
    ["constructor", "constructor"],
    ["toString", "toString"],
    ["in other letters", "rs256"],
    ["RS256 with a blank", "RS256 "],
    ["RS256 with a NUL", "RS256\u0000"],
    ["RS1", "RS1"],
    ["RSA1_5", "RSA1_5"],
    ["ES256K", "ES256K"],
    ["Ed25519, which Keycloak calls EdDSA", "Ed25519"],
  ])("that is %s is refused, with a signature or without one", async (_, alg) => {
    const token = rsa.sign({ header: { alg } })
    expect(await rsa.verdict(token)).toBe("invalid_token algorithm")
    const [header, payload] = parts(token)
    expect(await rsa.verdict(`${header}.${payload}.`)).toBe(malformed)
    expect(await rsa.verdict(`${header}.${payload}.${encode("x")}`)).toBe("invalid_token algorithm")
  })

  // RFC 8725 §3.1; Keycloak's discovery document lists HS256, HS384 and HS512
  it("is taken from our own list, which can't name a shared-secret algorithm and can be narrowed", async () => {
    for (const algorithms of [["HS256"], ["none"], ["RS256", "HS256"], [], ["RS257"], "RS256", [/RS/]]) {
      const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api", algorithms }
      expect(() => createGate(options as never)).toThrow(expect.objectContaining({ code: "config_invalid" }))
    }
    const narrow = rsa.makeGate({ algorithms: ["ES256"] })
    expect(await rsa.verdict(rsa.sign(), narrow)).toBe("invalid_token algorithm")
  })

  // RFC 8725 §2.1; CVE-2016-10555, CVE-2022-23541, CVE-2022-29217, CVE-2023-48223, CVE-2024-33663, CVE-2026-34950,
  // GHSA-ww5h-9m49-7xx4: the public key, which everybody has, as a shared secret
  it.each(["HS256", "HS384", "HS512"])("%s with the public key in any spelling is refused", async alg => {
    const { publicKey, jwk } = rsa.issuer.signingKey()
    const pem = String(publicKey.export({ format: "pem", type: "spki" }))
    const pkcs1 = String(publicKey.export({ format: "pem", type: "pkcs1" }))
    const secrets = [
      pem,
      pem.trim(),
      ` ${pem}`,
      pem.replaceAll("\n", ""),
      pem.replaceAll("\n", "\r\n"),
      pem.split("\n").slice(1, -2).join(""),
      pkcs1,
      publicKey.export({ format: "der", type: "spki" }),
      publicKey.export({ format: "der", type: "pkcs1" }),
      JSON.stringify(jwk),
      String(jwk.n),
      Buffer.from(String(jwk.n), "base64url"),
      "",
    ]
    for (const secret of secrets) {
      const header = { alg, typ: "JWT", kid: rsa.issuer.kid() }
      expect(await rsa.verdict(signByHand(header, rsa.issuer.claims(), alg, secret))).toBe("invalid_token algorithm")
    }
  })
})

describe("a key of the realm", () => {
  let realm: Realm
  const made = new Map<string, Promise<SigningKey>>()
  /** One per algorithm: an RSA key takes longer to make than all the rest of a test. */
  function keyFor(alg: string): Promise<SigningKey> {
    const key = made.get(alg) ?? newKey(alg)
    made.set(alg, key)
    return key
  }
  beforeEach(async () => {
    realm = await startRealm("RS256", { keySet: { cooldownSeconds: 0.001 } })
  })
  afterEach(() => realm.close())

  /** Whether a token signed with this key is accepted when the realm publishes it like this. */
  async function verdictWith(key: SigningKey, published: Record<string, unknown>, alg = key.alg): Promise<string> {
    realm.issuer.publish({ ...key.jwk, kid: "k", ...published })
    return realm.verdict(signByHand({ alg, typ: "JWT", kid: "k" }, realm.issuer.claims(), alg, key.privateKey))
  }

  // RFC 7517 §4.2-§4.4, RFC 8725 §3.1; CVE-2022-23539
  it.each<[string, string, string, Record<string, unknown>]>([
    ["another RSA algorithm", "RS256", "RS256", { alg: "RS512" }],
    ["the other RSA padding", "RS256", "RS256", { alg: "PS256" }],
    ["encryption by `alg`", "RS256", "RS256", { alg: "RSA-OAEP", use: undefined }],
    ["encryption by `use`", "RS256", "RS256", { use: "enc" }],
    ["an unknown use", "RS256", "RS256", { use: "SIG" }],
    ["a use that is a list", "RS256", "RS256", { use: ["sig"] }],
    ["a use of null", "RS256", "RS256", { use: null }],
    ["signing alone", "RS256", "RS256", { key_ops: ["sign"] }],
    ["encryption by `key_ops`", "RS256", "RS256", { key_ops: ["encrypt", "wrapKey"] }],
    ["no operation", "RS256", "RS256", { key_ops: [] }],
    ["an operation that is no list", "RS256", "RS256", { key_ops: "verify" }],
    ["an algorithm in a list", "RS256", "RS256", { alg: ["RS256"] }],
    ["an algorithm of null", "RS256", "RS256", { alg: null }],
    ["another type", "RS256", "RS256", { kty: "EC", crv: "P-256" }],
    ["another type in other letters", "RS256", "RS256", { kty: "rsa" }],
    ["another curve by name", "ES256", "ES256", { crv: "P-384", alg: undefined }],
    ["a curve of another algorithm", "ES384", "ES256", { alg: undefined }],
    ["an algorithm of another curve", "ES384", "ES384", { alg: "ES256" }],
    ["no curve", "ES256", "ES256", { crv: undefined }],
    ["Montgomery's curve", "EdDSA", "EdDSA", { crv: "X25519" }],
    ["another Edwards curve", "EdDSA", "EdDSA", { crv: "Ed448" }],
  ])("that is published for %s is not used", async (_, keyAlg, tokenAlg, published) => {
    expect(await verdictWith(await keyFor(keyAlg), published, tokenAlg)).toBe("invalid_token key")
  })

  // the same: what is left out binds nothing
  it.each<[string, Record<string, unknown>]>([
    ["neither algorithm nor use", { alg: undefined, use: undefined }],
    ["the operation `verify`", { key_ops: ["verify"] }],
    ["members that nobody knows", { x5c: ["MII"], "x5t#S256": "abc", nbf: 1, iss: "x" }],
  ])("that is published with %s is used", async (_, published) => {
    expect(await verdictWith(await keyFor("ES256"), published)).toBe("accepted")
  })

  // RFC 7518 §3.3
  it.each([1024, 2047])("of %i bits is not used for RSA", async modulusLength => {
    const pair = generateKeyPairSync("rsa", { modulusLength })
    const jwk = { ...pair.publicKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }
    expect(await verdictWith({ kid: "k", alg: "RS256", ...pair, jwk }, {})).toBe("invalid_token key")
  })

  // RFC 7517 §6.1: a symmetric key in a public document is no secret
  it("that is symmetric is dropped, and its id is as good as unknown", async () => {
    const secret = randomBytes(32)
    realm.issuer.publish({ kty: "oct", kid: "k", alg: "HS256", use: "sig", k: secret.toString("base64url") })
    for (const alg of ["HS256", "RS256"]) {
      const header = { alg, kid: "k" }
      const input = `${encode(header)}.${encode(realm.issuer.claims())}`
      const token = `${input}.${signatureOf(input, "HS256", secret).toString("base64url")}`
      expect(await realm.verdict(token)).toBe(`invalid_token ${alg === "HS256" ? "algorithm" : "key"}`)
    }
  })

  // RFC 7517 §4: one broken entry must not take the others away
  it("is found beside entries that are broken", async () => {
    const broken: unknown[] = [null, 5, "x", [], {}, { kty: "RSA" }, { kid: 7, kty: "RSA" }, { kid: "", kty: "RSA" }]
    for (const entry of [...broken, { kty: "RSA", kid: "b", use: "sig", alg: "RS256", n: "AQAB" }]) {
      realm.issuer.publish(entry)
    }
    expect(await realm.verdict(realm.sign())).toBe("accepted")
    expect(await realm.verdict(realm.sign({ header: { kid: "b" } }))).toBe("invalid_token key")
  })

  // RFC 7517 §9.3: the set is for public keys
  it("that is published with its private part is not used", async () => {
    const key = await keyFor("ES256")
    expect(await verdictWith(key, { ...key.privateKey.export({ format: "jwk" }) })).toBe("invalid_token key")
  })

  // RFC 8037 §2, RFC 7518 §6.2: points that are not on the curve
  it.each(["ES256", "EdDSA"])("that is no point of its curve is not used for %s", async alg => {
    const x = Buffer.alloc(32, 0xff).toString("base64url")
    expect(await verdictWith(await keyFor(alg), { x })).toMatch(/^invalid_token (key|signature)$/)
  })
})

describe("a signature", () => {
  // RFC 7518 §3.4; CVE-2022-21449 (r = s = 0 verified anything)
  it("of ES256 is refused unless it is two numbers of 32 bytes, neither 0 nor beyond the order", async () => {
    const [header, payload, signature] = parts(ec.sign())
    const input = `${header}.${payload}`
    const raw = Buffer.from(signature, "base64url")
    const [r, s] = [raw.subarray(0, 32), raw.subarray(32)]
    const zero = Buffer.alloc(32)
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex")
    const der = Buffer.concat([Buffer.from([0x30, 68, 2, 32]), r, Buffer.from([2, 32]), s])
    const bad = [
      Buffer.concat([zero, zero]),
      Buffer.concat([zero, s]),
      Buffer.concat([r, zero]),
      Buffer.concat([order, s]),
      Buffer.concat([r, order]),
      Buffer.concat([order, order]),
      Buffer.alloc(64, 0xff),
      der,
      raw.subarray(0, 63),
      raw.subarray(1),
      Buffer.concat([raw, Buffer.from([0])]),
      Buffer.concat([Buffer.from([0]), raw]),
      Buffer.concat([r, Buffer.from([0]), s, Buffer.from([0])]),
      Buffer.concat([s, r]),
      Buffer.alloc(1),
      Buffer.alloc(132),
    ]
    for (const one of bad) {
      expect(await ec.verdict(`${input}.${one.toString("base64url")}`)).toMatch(/^invalid_token (signature|malformed)$/)
    }
    expect(await ec.verdict(`${input}.${signature}`)).toBe("accepted")
  })

  // RFC 7518 §3.5: the salt is as long as the hash
  it("of PS256 is refused with a salt of another length", async () => {
    const realm = await startRealm("PS256")
    const [header, payload] = parts(realm.sign())
    const key = realm.issuer.signingKey().privateKey
    const verdictWithSalt = (saltLength: number) => {
      const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
      const signature = sign("sha256", Buffer.from(`${header}.${payload}`), options)
      return realm.verdict(`${header}.${payload}.${signature.toString("base64url")}`)
    }
    expect(await verdictWithSalt(32)).toBe("accepted")
    for (const saltLength of [0, 20, 31, 33, 64, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
      expect(await verdictWithSalt(saltLength)).toBe("invalid_token signature")
    }
    await realm.close()
  })

  // RFC 8032 §5.1.7: S is below the group's order, else one signature has many spellings
  it("of Ed25519 is refused with an S beyond the group's order", async () => {
    const realm = await startRealm("EdDSA")
    const [header, payload, signature] = parts(realm.sign())
    const raw = Buffer.from(signature, "base64url")
    const order = (1n << 252n) + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(raw.subarray(32)).reverse().toString("hex")}`) + order
    const twin = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse()
    const verdictOf = (bytes: Uint8Array) =>
      realm.verdict(`${header}.${payload}.${Buffer.from(bytes).toString("base64url")}`)
    expect(await verdictOf(raw)).toBe("accepted")
    expect(await verdictOf(Buffer.concat([raw.subarray(0, 32), twin]))).toBe("invalid_token signature")
    for (const length of [0, 1, 63, 65, 114]) {
      const cut = Buffer.concat([raw, Buffer.alloc(64)]).subarray(0, length)
      expect(await verdictOf(cut)).toMatch(/^invalid_token (signature|malformed)$/)
    }
    await realm.close()
  })

  // malleability: the ECDSA twin (r, n - s) is another text for the same token
  it("in another valid spelling shares no memory with the first: both are judged by themselves", async () => {
    const realm = await startRealm("ES256")
    const token = realm.sign()
    const [header, payload, signature] = parts(token)
    const raw = Buffer.from(signature, "base64url")
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = order - BigInt(`0x${raw.subarray(32).toString("hex")}`)
    const twin = Buffer.concat([raw.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex")])
    for (const one of [token, `${header}.${payload}.${twin.toString("base64url")}`, token]) {
      expect(await realm.verdict(one)).toBe("accepted")
    }
    const changed = Buffer.from(twin)
    changed[63] = (changed[63] ?? 0) ^ 1
    expect(await realm.verdict(`${header}.${payload}.${changed.toString("base64url")}`)).toBe("invalid_token signature")
    await realm.close()
  })

  // RFC 7515 §5.2: it covers both parts; a remembered token must not vouch for its neighbours
  it("of a token that was accepted does not pass with another header or payload, remembered or not", async () => {
    const token = rsa.sign()
    expect(await rsa.verdict(token)).toBe("accepted")
    const [header, payload, signature] = parts(token)
    const other = encode(rsa.issuer.claims({ sub: "other" }))
    const otherHeader = encode({ alg: "RS256", kid: rsa.issuer.kid(), typ: "at+jwt" })
    for (const forged of [`${header}.${other}.${signature}`, `${otherHeader}.${payload}.${signature}`]) {
      expect(await rsa.verdict(forged)).toBe("invalid_token signature")
    }
  })
})

describe("the spelling of a token", () => {
  // RFC 7515 §2, RFC 4648 §3.5; Buffer.from skips what it does not know
  it.each<[string, (part: string) => string]>([
    ["padding", part => `${part}=`],
    ["double padding", part => `${part}==`],
    ["a letter of standard base64", part => `+${part.slice(1)}`],
    ["a slash of standard base64", part => `/${part.slice(1)}`],
    ["a tilde", part => `${part.slice(0, 5)}~${part.slice(5)}`],
    ["a letter more", part => `${part}A`],
    ["two letters more", part => `${part}AA`],
  ])("with %s in one part is refused", async (_, change) => {
    const token = rsa.sign()
    for (const index of [0, 1, 2]) {
      const changed = parts(token).map((part, at) => (at === index ? change(part) : part))
      // Padding inside a token is no b64token, so it is the header field that is malformed (RFC 6750 §2.1).
      expect(await rsa.verdict(changed.join("."))).toMatch(/^(invalid_token (malformed|signature)|invalid_request)$/)
    }
  })

  // RFC 4648 §3.5: the last letter holds bits that no byte needs
  it("with unused bits that are not zero is refused in each part", async () => {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    // Lengths that leave 2 or 4 bits unused: one more blank in the JSON is enough.
    let tried = 0
    for (const blanks of ["", " ", "  "]) {
      const token = rsa.sign({
        headerText: `${JSON.stringify({ alg: "RS256", kid: rsa.issuer.kid() })}${blanks}`,
        payloadText: `${JSON.stringify(rsa.issuer.claims())}${blanks}`,
      })
      expect(await rsa.verdict(token)).toBe("accepted")
      for (const index of [0, 1, 2]) {
        const part = parts(token)[index] ?? ""
        if (part.length % 4 === 0) continue
        const stray = part.slice(0, -1) + letters[letters.indexOf(part.slice(-1)) + 1]
        tried += 1
        expect(await rsa.verdict(parts(token).with(index, stray).join("."))).toBe(malformed)
      }
    }
    expect(tried).toBeGreaterThan(4)
  })

  // RFC 7515 §3.1, §7.2; RFC 7516 §3.1; RFC 7519 §7.2
  it("with any number of parts but three non-empty ones is refused", async () => {
    const [header, payload, signature] = parts(rsa.sign())
    const spellings = [
      header,
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `.${payload}.${signature}`,
      `${header}..${signature}`,
      "..",
      ".",
      "...",
      `${header}.${payload}.${signature}.`,
      `.${header}.${payload}.${signature}`,
      `${header}.${payload}.${signature}.${signature}`,
      `${header}.${payload}.${signature}.${payload}.${signature}`,
      ".".repeat(5000),
    ]
    for (const token of spellings) expect(await rsa.verdict(token)).toBe(malformed)
    const [nested] = [rsa.sign({ payloadText: JSON.stringify(rsa.sign()) })]
    expect(await rsa.verdict(nested)).toBe(malformed)
    const json = JSON.stringify({ protected: header, payload, signature })
    await expect(rsa.gate.verifyBearer(`Bearer ${json}`)).rejects.toMatchObject({ code: "invalid_request" })
  })

  // CVE-2025-30204 (golang-jwt: memory for each dot of a header)
  it("beyond the limit is refused unread, and a legal token of 8 kB passes", async () => {
    const long = rsa.sign({ claims: { pad: "x".repeat(5000) } })
    expect(long.length).toBeGreaterThan(7000)
    expect(await rsa.verdict(long)).toBe("accepted")
    expect(await rsa.verdict(rsa.sign({ claims: { pad: "x".repeat(9000) } }))).toBe(tooLarge)
    for (const one of [".", "a", "eyJ", "a."]) expect(await rsa.verdict(one.repeat(5_000_000))).toBe(tooLarge)
  })
})

describe("header members", () => {
  // RFC 7515 §4.1.11; CVE-2025-59420, CVE-2026-32597, CVE-2026-35042: extensions that must be understood
  it.each<[string, Record<string, unknown>]>([
    ["an unknown name", { crit: ["x"], x: 1 }],
    ["a name that is not there", { crit: ["exp"] }],
    ["a registered name", { crit: ["alg"] }],
    ["b64", { crit: ["b64"], b64: true }],
    ["an empty list", { crit: [] }],
    ["no list", { crit: "x" }],
    ["null", { crit: null }],
    ["false", { crit: false }],
  ])("crit of %s is refused", async (_, header) => {
    expect(await withHeader(header)).toBe(malformed)
  })

  // RFC 7797 §7: no JWT has it. RFC 7516 §4.1.3: `zip` is for encryption. RFC 7519 §5.2: `cty` is for nested tokens
  it.each<[string, unknown]>([
    ["b64", false],
    ["b64", true],
    ["b64", null],
    ["zip", "DEF"],
    ["zip", null],
    ["cty", "JWT"],
    ["cty", "application/json"],
    ["cty", ""],
    ["cty", null],
  ])("%s of %j is refused", async (name, value) => {
    expect(await withHeader({ [name]: value })).toBe(malformed)
  })

  // RFC 8725 §3.10: a key id is input
  it.each<[string, unknown]>([
    ["missing", undefined],
    ["null", null],
    ["empty", ""],
    ["a number", 1],
    ["a list", ["k"]],
    ["an object", { $ne: null }],
    ["longer than 256 characters", "k".repeat(257)],
    ["__proto__", "__proto__"],
    ["constructor", "constructor"],
    ["toString", "toString"],
    ["a path", "../../../../dev/null"],
    ["an SQL phrase", "x' UNION SELECT 'key"],
    ["a line of a header", "x\r\nX-Admin: 1"],
    ["half a surrogate pair", "\ud800"],
  ])("a kid that is %s finds no key", async (_, kid) => {
    expect(await withHeader({ kid })).toBe("invalid_token key")
  })

  // RFC 8725 §3.10; CVE-2018-0114: keys and addresses that the token brings itself
  it("jku, x5u, jwk and x5c are ignored, and nobody is asked for them", async () => {
    const evil = await startFaultyServer(() => ({ status: 200, body: "{}" }))
    const own = await newKey("RS256")
    const bait = { jwk: own.jwk, jku: `${evil.url}/jwks`, x5u: `${evil.url}/cert`, x5c: ["MII"], x5t: "x" }
    for (const kid of [rsa.issuer.kid(), own.kid]) {
      const token = signByHand({ alg: "RS256", kid, ...bait }, rsa.issuer.claims(), "RS256", own.privateKey)
      expect(await rsa.verdict(token)).toBe(`invalid_token ${kid === own.kid ? "key" : "signature"}`)
    }
    expect(await withHeader(bait)).toBe("accepted")
    expect(evil.requests()).toBe(0)
    await evil.close()
  })

  // RFC 8725 §3.11, RFC 9068 §4: what kind of token it says it is
  it.each<[string, unknown, string]>([
    ["absent", undefined, "accepted"],
    ["JWT", "JWT", "accepted"],
    ["jwt", "jwt", "accepted"],
    ["at+jwt", "at+jwt", "accepted"],
    ["application/at+jwt", "application/at+jwt", "accepted"],
    ["AT+JWT", "AT+JWT", "accepted"],
    ...["logout+jwt", "dpop+jwt", "secevent+jwt", "entity-statement+jwt", "application/jwt", "JOSE", "JWE", ""].map(
      (typ): [string, unknown, string] => [JSON.stringify(typ), typ, "invalid_token type"],
    ),
    ["null", null, "invalid_token type"],
    ["a list", ["JWT"], "invalid_token type"],
    ["an object", { typ: "JWT" }, "invalid_token type"],
    ["a number", 1, "invalid_token type"],
    ["JWT with a blank", "JWT ", "invalid_token type"],
    ["letters that only fold to at+jwt", "at+\u212awt", "invalid_token type"],
  ])("a typ that is %s: %s", async (_, typ, verdict) => {
    expect(await withHeader({ typ })).toBe(verdict)
  })
})

describe("the JSON of a token", () => {
  const header = () => JSON.stringify({ alg: "RS256", typ: "JWT", kid: rsa.issuer.kid() })

  // RFC 7519 §7.2, RFC 8259
  it.each<[string, string | Uint8Array]>([
    ["a list", "[]"],
    ["a string", '"x"'],
    ["a number", "1"],
    ["null", "null"],
    ["true", "true"],
    ["nothing but blanks", "  "],
    ["cut off", '{"alg":"RS256"'],
    ["followed by more", '{"alg":"RS256"}{}'],
    ["in single quotes", "{'alg':'RS256'}"],
    ["with a comma too many", '{"alg":"RS256",}'],
    ["with a comment", '{"alg":"RS256"/**/}'],
    ["with NaN", '{"alg":NaN}'],
    ["with a raw line break in a string", '{"alg":"RS\n256"}'],
    ["UTF-16", Buffer.from('{"alg":"RS256"}', "utf16le")],
    ["behind a byte order mark", '\ufeff{"alg":"RS256"}'],
    ["no UTF-8", Buffer.from([0x7b, 0x22, 0x78, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])],
    ["overlong UTF-8", Buffer.from([0x7b, 0x22, 0xc1, 0xa1, 0x22, 0x3a, 0x31, 0x7d])],
    ["a surrogate in UTF-8", Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
  ])("that is %s is refused in header and payload", async (_, text) => {
    expect(await rsa.verdict(rsa.sign({ headerText: text }))).toBe(malformed)
    expect(await rsa.verdict(rsa.sign({ payloadText: text }))).toBe(malformed)
  })

  // RFC 8259 §4: blanks between tokens, as Keycloak itself writes them, are legal
  it("is accepted with blanks in it", async () => {
    const spaced = `{ "alg":"RS256","typ" : "JWT","kid" : "${rsa.issuer.kid()}"\r\n}\t`
    expect(await rsa.verdict(rsa.sign({ headerText: spaced }))).toBe("accepted")
  })

  // RFC 7515 §4, RFC 8725 §2.4: parsers differ in which of two members they take
  it.each<[string, (kid: string) => string]>([
    ["alg", kid => `{"alg":"none","alg":"RS256","kid":"${kid}"}`],
    ["alg, the bad one last", kid => `{"alg":"RS256","kid":"${kid}","alg":"none"}`],
    ["alg, twice the same", kid => `{"alg":"RS256","alg":"RS256","kid":"${kid}"}`],
    ["alg in another spelling", kid => `{"alg":"RS256","\\u0061lg":"RS256","kid":"${kid}"}`],
    ["kid", kid => `{"alg":"RS256","kid":"x","kid":"${kid}"}`],
    ["a member that nobody knows", kid => `{"alg":"RS256","kid":"${kid}","x":1,"x" : 1}`],
    ["a member of a member", kid => `{"alg":"RS256","kid":"${kid}","x":[{"a":{"b":1,"c":{},"b":2}}]}`],
    ["the empty name", kid => `{"alg":"RS256","kid":"${kid}","":1,"":2}`],
    ["__proto__", kid => `{"alg":"RS256","kid":"${kid}","__proto__":{},"__proto__":{}}`],
  ])("that names %s twice in the header is refused", async (_, text) => {
    expect(await rsa.verdict(rsa.sign({ headerText: text(rsa.issuer.kid()) }))).toMatch(
      /^invalid_token (malformed|algorithm)$/,
    )
  })

  // the same: one name in two objects, and names as values, are no duplicates
  it.each<[string, string]>([
    ["in two objects", '"x":{"a":1},"y":{"a":1},"a":{"a":{"a":1}}'],
    ["as a value", '"x":"y","y":"x","z":["x","x","x"]'],
    ["inside a string", '"x":"{\\"a\\":1,\\"a\\":2}","y":"\\\\","z":"\\"y\\":"'],
  ])("that has one name %s is accepted", async (_, members) => {
    expect(await rsa.verdict(rsa.sign({ headerText: `${header().slice(0, -1)},${members}}` }))).toBe("accepted")
  })

  // RFC 7519 §4: the last of two claims counts, as JavaScript reads them; Keycloak signs none twice
  it("that names a claim twice in the payload counts the last one and never the first", async () => {
    const { exp, ...others } = rsa.issuer.claims()
    const twice = (first: unknown, last: unknown) =>
      rsa.sign({ payloadText: `{"exp":${first},${JSON.stringify(others).slice(1, -1)},"exp":${last}}` })
    expect(await rsa.verdict(twice(exp, 1))).toMatch(/^invalid_token (expired|malformed)$/)
    expect(await rsa.verdict(twice(1, exp))).toMatch(/^(accepted|invalid_token malformed)$/)
  })

  // CVE-2019-10744's kind: `__proto__` as a member of a parsed object
  it("gives a header nothing through a member named `__proto__`", async () => {
    const text = `{"__proto__":{"alg":"RS256","kid":"${rsa.issuer.kid()}","typ":"JWT"}}`
    expect(await rsa.verdict(rsa.sign({ headerText: text }))).toBe("invalid_token algorithm")
    const crit = `${header().slice(0, -1)},"__proto__":{"crit":["x"],"typ":"logout+jwt"}}`
    expect(await rsa.verdict(rsa.sign({ headerText: crit }))).toBe("accepted")
    expect(({} as { alg?: unknown }).alg).toBeUndefined()
  })

  // work before the signature is bounded, whatever an attacker nests
  it.each<[string, string, string]>([
    ["lists", "[", "]"],
    ["objects", '{"a":', "1}"],
  ])("nested 100,000 %s deep in the header is refused or ignored in bounded time", async (_, before, after) => {
    const gate = rsa.makeGate({ maxTokenBytes: 1_048_576 })
    const body = before === "[" ? "" : "1"
    const deep = before.repeat(100_000) + body + after.replace("1", "").repeat(100_000)
    const token = rsa.sign({ headerText: `${header().slice(0, -1)},"x":${deep}}` })
    expect(await rsa.verdict(token, gate)).toMatch(/^(accepted|invalid_token malformed)$/)
  })
})

describe("all of these refusals", () => {
  // CWE-208: where nothing secret is compared, no time of a comparison tells anything
  it("need no secret: the source computes no MAC and compares none", () => {
    const source = join(import.meta.dirname, "../../src")
    const all = readdirSync(source, { recursive: true, encoding: "utf8" })
    // `testing/` stands in for Keycloak itself, and hashes of passwords, by which this process knows them again, say nothing of
    // a token.
    const ofPasswords = ["accounts/unclear-changes.ts", "adoption/recent-moves.ts"]
    const isApart = (file: string) => file.startsWith("testing/") || ofPasswords.includes(file)
    const files = all.filter(file => file.endsWith(".ts") && !isApart(file))
    expect(files.length).toBeGreaterThan(20)
    expect(files.filter(file => /createHmac|timingSafeEqual/.test(readFileSync(join(source, file), "utf8")))).toEqual(
      [],
    )
  })
})
