import { createHmac, createSign, generateKeyPairSync, type KeyObject } from "node:crypto"
import { exportJWK, SignJWT } from "jose"
import { describe, expect, it, vi } from "vitest"
import type { Jwk } from "../../../src/verify/token/fetch-keys.js"
import type { KeySet } from "../../../src/verify/token/key-set.js"
import { createTokenVerifier } from "../../../src/verify/token/token-verifier.js"

const issuer = "https://sso.example.test/realms/shop"
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const pairs: Record<string, { publicKey: KeyObject; privateKey: KeyObject }> = {
  ...Object.fromEntries(algorithms.slice(0, 6).map(alg => [alg, rsa])),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ES512: generateKeyPairSync("ec", { namedCurve: "P-521" }),
  EdDSA: generateKeyPairSync("ed25519"),
}
const payload = { iss: issuer, sub: "s", typ: "Bearer" }

async function jwkOf(alg: string, more: Record<string, unknown> = {}): Promise<Jwk> {
  return { ...(await exportJWK(pairs[alg]?.publicKey as KeyObject)), kid: alg, alg, use: "sig", ...more } as Jwk
}
function tokenOf(alg: string, header: Record<string, unknown> = {}, claims: Record<string, unknown> = payload) {
  return new SignJWT(claims)
    .setProtectedHeader({ alg, kid: alg, typ: "JWT", ...header })
    .sign(pairs[alg]?.privateKey as KeyObject)
}
const noKeys: KeySet = {
  publishes: () => false,
  held: () => [],
  find: async () => [],
  load: async () => undefined,
  state: () => null,
  close: () => undefined,
}
/** A verifier over these keys, which counts how often it was asked for one; some of them are at hand without asking. */
function verifierOf(jwks: Jwk[], held: Jwk[] = []) {
  const asked: string[] = []
  const find = async (kid: string) => {
    asked.push(kid)
    return jwks.filter(jwk => jwk.kid === kid)
  }
  const keySet = { ...noKeys, held: (kid: string) => held.filter(jwk => jwk.kid === kid), find }
  const verifyToken = createTokenVerifier({ keySet, issuer, algorithms })
  return { asked, jwks, verify: async (token: string) => (await verifyToken(token)).payload }
}
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
function signedByHand(header: string, body: string) {
  const signature = createSign("sha256").update(`${header}.${body}`).sign(rsa.privateKey).toString("base64url")
  return `${header}.${body}.${signature}`
}

describe("createTokenVerifier", () => {
  it.each(algorithms)("verifies %s", async alg => {
    const { verify } = verifierOf([await jwkOf(alg)])
    expect(await verify(await tokenOf(alg))).toEqual(payload)
    expect(await verify(await tokenOf(alg))).toEqual(payload)
  })

  it.each(algorithms)("refuses %s with a changed payload or signature", async alg => {
    const { verify } = verifierOf([await jwkOf(alg)])
    const [header, , signature = ""] = (await tokenOf(alg)).split(".")
    const changed = Buffer.from(signature, "base64url")
    changed[10] = (changed[10] ?? 0) ^ 1
    await expect(verify(`${header}.${encode({ ...payload, sub: "other" })}.${signature}`)).rejects.toMatchObject({
      reason: "signature",
    })
    await expect(verify(`${header}.${encode(payload)}.${changed.toString("base64url")}`)).rejects.toMatchObject({
      code: "invalid_token",
    })
  })

  it.each([
    ["one part", "abc", "malformed"],
    ["two parts", "abc.def", "malformed"],
    ["four parts", "a.b.c.d", "malformed"],
    ["five parts, an encrypted token", "a.b.c.d.e", "malformed"],
    ["empty parts", "..", "malformed"],
    ["an empty signature", `${encode({ alg: "RS256" })}.${encode(payload)}.`, "malformed"],
    ["a header that is no JSON", `abc.${encode(payload)}.abc`, "malformed"],
    ["a header that is a list", `${encode([])}.${encode(payload)}.abcd`, "malformed"],
    ["a payload that is null", `${encode({ alg: "RS256", kid: "RS256" })}.${encode(null)}.abcd`, "malformed"],
    ["standard base64", `${encode({ alg: "RS256", kid: "RS256" })}.${encode(payload)}.ab+/`, "malformed"],
    ["padding", `${encode({ alg: "RS256", kid: "RS256" })}.${encode(payload)}.ab==`, "malformed"],
    ["stray bits", `${encode({ alg: "RS256", kid: "RS256" })}.${encode(payload)}.ab`, "malformed"],
    ["alg none", `${encode({ alg: "none" })}.${encode(payload)}.abcd`, "algorithm"],
    ["alg None", `${encode({ alg: "None" })}.${encode(payload)}.abcd`, "algorithm"],
    ["no alg", `${encode({ kid: "RS256" })}.${encode(payload)}.abcd`, "algorithm"],
    ["alg in a list", `${encode({ alg: ["RS256"] })}.${encode(payload)}.abcd`, "algorithm"],
    ["alg __proto__", `${encode({ alg: "__proto__" })}.${encode(payload)}.abcd`, "algorithm"],
    ["no kid", `${encode({ alg: "RS256" })}.${encode(payload)}.abcd`, "key"],
    ["a kid that is a number", `${encode({ alg: "RS256", kid: 1 })}.${encode(payload)}.abcd`, "key"],
    ["a kid of 257 characters", `${encode({ alg: "RS256", kid: "k".repeat(257) })}.${encode(payload)}.abcd`, "key"],
    ["an unknown kid", `${encode({ alg: "RS256", kid: "__proto__" })}.${encode(payload)}.abcd`, "key"],
    ["crit", `${encode({ alg: "RS256", kid: "RS256", crit: ["exp"], exp: 1 })}.${encode(payload)}.abcd`, "malformed"],
    ["an empty crit", `${encode({ alg: "RS256", kid: "RS256", crit: [] })}.${encode(payload)}.abcd`, "malformed"],
    ["b64", `${encode({ alg: "RS256", kid: "RS256", b64: false })}.${encode(payload)}.abcd`, "malformed"],
    [
      "a logout token's header",
      `${encode({ alg: "RS256", kid: "RS256", typ: "logout+jwt" })}.${encode(payload)}.abcd`,
      "type",
    ],
    [
      "a header typ in a list",
      `${encode({ alg: "RS256", kid: "RS256", typ: ["JWT"] })}.${encode(payload)}.abcd`,
      "type",
    ],
    ["another issuer", `${encode({ alg: "RS256", kid: "RS256" })}.${encode({ ...payload, iss: "x" })}.abcd`, "issuer"],
  ])("refuses %s", async (_, token, reason) => {
    const { verify } = verifierOf([await jwkOf("RS256")])
    await expect(verify(token)).rejects.toMatchObject({ code: "invalid_token", reason })
  })

  it.each([undefined, "JWT", "jwt", "at+jwt", "application/at+jwt"])("accepts the header typ %s", async typ => {
    const { verify } = verifierOf([await jwkOf("RS256")])
    expect(await verify(await tokenOf("RS256", { typ }))).toEqual(payload)
  })

  it("refuses a token that is signed with the public key as a shared secret", async () => {
    const { verify } = verifierOf([await jwkOf("RS256", { alg: undefined })])
    const body = `${encode({ alg: "HS256", kid: "RS256", typ: "JWT" })}.${encode(payload)}`
    const secret = rsa.publicKey.export({ format: "pem", type: "spki" })
    const token = `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`
    await expect(verify(token)).rejects.toMatchObject({ reason: "algorithm" })
  })

  it.each([
    ["another algorithm", { alg: "PS256" }],
    ["another kind", { kty: "EC", alg: undefined }],
    ["signing only", { key_ops: ["sign"] }],
  ])("refuses a key that the realm publishes for %s", async (_, more) => {
    const { verify } = verifierOf([await jwkOf("RS256", more)])
    await expect(verify(await tokenOf("RS256"))).rejects.toMatchObject({ reason: "key" })
  })

  it("refuses an elliptic key on a curve of another algorithm", async () => {
    const { verify } = verifierOf([await jwkOf("ES384", { kid: "ES256", alg: undefined })])
    await expect(verify(await tokenOf("ES256"))).rejects.toMatchObject({ reason: "key" })
  })

  it("refuses an RSA key of 1024 bits", async () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 })
    const jwk = { ...(await exportJWK(weak.publicKey)), kid: "weak" } as Jwk
    const body = `${encode({ alg: "RS256", kid: "weak" })}.${encode(payload)}`
    const token = `${body}.${createSign("sha256").update(body).sign(weak.privateKey).toString("base64url")}`
    await expect(verifierOf([jwk]).verify(token)).rejects.toMatchObject({ reason: "key" })
  })

  it("ignores keys that the token itself brings", async () => {
    const { verify, asked } = verifierOf([])
    const own = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const header = {
      alg: "RS256",
      kid: "mine",
      jwk: await exportJWK(own.publicKey),
      jku: "https://evil.example.test/jwks",
    }
    const token = await new SignJWT(payload).setProtectedHeader(header).sign(own.privateKey)
    await expect(verify(token)).rejects.toMatchObject({ reason: "key" })
    expect(asked).toEqual(["mine"])
  })

  describe("presented a token of another issuer", () => {
    const elsewhere = { ...payload, iss: `${issuer}/` }

    it("looks for no key", async () => {
      const { verify, asked } = verifierOf([await jwkOf("RS256")])
      await expect(verify(await tokenOf("RS256", {}, elsewhere))).rejects.toMatchObject({ reason: "issuer" })
      expect(asked).toEqual([])
    })

    it("hands on what a key at hand proves, so that it is refused as a proven fact", async () => {
      const rs = await jwkOf("RS256")
      const { verify, asked } = verifierOf([rs], [await jwkOf("RS256", { alg: "RS512" }), rs])
      expect(await verify(await tokenOf("RS256", {}, elsewhere))).toEqual(elsewhere)
      expect(asked).toEqual([])
    })

    it("refuses it by its issuer, not by its signature, when no key at hand proves it", async () => {
      const rs = await jwkOf("RS256")
      const token = await tokenOf("RS256", {}, elsewhere)
      const forged = `${token.slice(0, -8)}AAAAAAAA`
      for (const held of [[rs], [await jwkOf("RS256", { alg: "RS512" })], [await jwkOf("ES256", { kid: "RS256" })]]) {
        await expect(verifierOf([rs], held).verify(forged)).rejects.toMatchObject({ reason: "issuer" })
      }
    })

    it("does not take its header for that of a token of ours", async () => {
      const rs = await jwkOf("RS256")
      const { verify, asked } = verifierOf([], [rs])
      await verify(await tokenOf("RS256", {}, elsewhere))
      await expect(verify(await tokenOf("RS256"))).rejects.toMatchObject({ reason: "key" })
      expect(asked).toEqual(["RS256"])
    })
  })

  it("refuses bytes that are no UTF-8", async () => {
    const { verify } = verifierOf([await jwkOf("RS256")])
    const body = Buffer.concat([Buffer.from(`{"iss":"${issuer}","x":"`), Buffer.from([0xff]), Buffer.from('"}')])
    const token = signedByHand(encode({ alg: "RS256", kid: "RS256" }), body.toString("base64url"))
    await expect(verify(token)).rejects.toMatchObject({ reason: "malformed" })
  })

  it("puts no piece of a token into its errors", async () => {
    const { verify } = verifierOf([])
    const token = `${Buffer.from('{"alg":secret-piece').toString("base64url")}.abcd.abcd`
    await expect(verify(token)).rejects.toSatisfy(
      error => !JSON.stringify([error, (error as Error).stack, (error as Error).cause]).includes("secret-piece"),
    )
  })

  describe("says in its message", () => {
    const refusalOf = async (token: string) => {
      const { verify } = verifierOf([await jwkOf("RS256")])
      return verify(token).then(
        () => expect.unreachable("it was accepted"),
        (error: Error) => error,
      )
    }
    const withHeader = (header: Record<string, unknown>) =>
      refusalOf(`${encode({ alg: "RS256", kid: "RS256", ...header })}.${encode(payload)}.abcd`)

    it.each<[Record<string, unknown>, RegExp]>([
      [{ alg: "none" }, /^Refused a token whose signature algorithm is not one of RS256, RS384, .*, EdDSA\.$/],
      [{ alg: ["RS256"] }, /not one of RS256, .*, EdDSA\.$/],
      [{ alg: "HS512" }, /EdDSA\. It looks like a refresh token: send the access_token\.$/],
      [{ crit: [] }, /^Refused a token with `crit`, `b64`, `zip` or `cty` in its header\.$/],
      [{ b64: true }, /^Refused a token with `crit`/],
      [{ zip: "DEF" }, /^Refused a token with `crit`/],
      [{ cty: "JWT" }, /^Refused a token with `crit`/],
      [{ typ: "logout+jwt" }, /^Refused a token whose header `typ` is neither JWT nor at\+jwt\.$/],
      [{ kid: undefined }, /^Refused a token without a usable key id \(`kid`\)\.$/],
      [{ kid: 7 }, /^Refused a token without a usable key id/],
      [{ kid: "" }, /^Refused a token without a usable key id/],
      [{ kid: "k".repeat(257) }, /^Refused a token without a usable key id/],
      [
        { kid: "k".repeat(256) },
        /^Refused a token signed with a key that the realm does not publish for this algorithm\.$/,
      ],
      [{ alg: "ES256" }, /^Refused a token signed with a key that the realm does not publish for this algorithm\.$/],
      [{}, /^Refused a token whose signature does not match\.$/],
    ])("what is wrong with %j", async (header, message) => {
      expect((await withHeader(header)).message).toMatch(message)
    })

    it("that a key is unusable as it is published, with the cause", async () => {
      const { verify } = verifierOf([await jwkOf("ES256", { x: "AQAB" })])
      await expect(verify(await tokenOf("ES256"))).rejects.toMatchObject({
        reason: "key",
        message: "Refused a token whose key, as the realm publishes it, can't be used.",
        cause: expect.any(Error),
      })
    })
  })

  it("takes the key of the token's algorithm where one id has a key for each, whichever comes first", async () => {
    const keystore = await Promise.all(["RS256", "PS256"].map(alg => jwkOf("RS256", { kid: "both", alg })))
    for (const jwks of [keystore, keystore.toReversed()]) {
      const { verify } = verifierOf(jwks)
      for (const alg of ["RS256", "PS256"]) {
        const token = new SignJWT(payload).setProtectedHeader({ alg, kid: "both" }).sign(rsa.privateKey)
        expect(await verify(await token)).toEqual(payload)
      }
      await expect(verify(await tokenOf("ES256", { kid: "both" }))).rejects.toMatchObject({ reason: "key" })
    }
  })

  it("looks once for the key that takes the place of the one that proved a header", async () => {
    let published = await jwkOf("EdDSA")
    const find = vi.fn(async () => [published])
    const keySet = { ...noKeys, publishes: (jwk: Jwk) => jwk === published, find }
    const verify = createTokenVerifier({ keySet, issuer, algorithms })
    const token = await tokenOf("EdDSA")
    for (let round = 1; round <= 3; round++) {
      for (let count = 0; count < 3; count++) expect((await verify(token)).key).toBe(published)
      expect(find).toHaveBeenCalledTimes(round)
      published = { ...published }
    }
  })

  describe("reads a header", () => {
    /** How often headers were checked, told by who asked the list of algorithms. */
    async function countingVerifier() {
      const asked = vi.fn()
      const list = Object.assign([...algorithms], {
        includes(alg: string) {
          asked(alg)
          return algorithms.includes(alg)
        },
      })
      const jwk = await jwkOf("EdDSA")
      const keySet = { ...noKeys, publishes: () => true, find: async () => [jwk] }
      return { asked, verify: createTokenVerifier({ keySet, issuer, algorithms: list }) }
    }

    it("once, as soon as a token with it was proven", async () => {
      const { asked, verify } = await countingVerifier()
      const forged = `${(await tokenOf("EdDSA")).slice(0, -8)}AAAAAAAA`
      for (let count = 0; count < 3; count++)
        await expect(verify(forged)).rejects.toMatchObject({ reason: "signature" })
      expect(asked).toHaveBeenCalledTimes(3)
      for (let count = 0; count < 3; count++) await verify(await tokenOf("EdDSA"))
      expect(asked).toHaveBeenCalledTimes(4)
      await expect(verify(forged)).rejects.toMatchObject({ reason: "signature" })
      expect(asked).toHaveBeenCalledTimes(4)
    })

    it("again after a hundred others, so that its memory is bounded", async () => {
      const { asked, verify } = await countingVerifier()
      const varied = (n: number) => tokenOf("EdDSA", { n })
      for (let n = 0; n < 100; n++) await verify(await varied(n))
      for (let n = 0; n < 100; n++) await verify(await varied(n))
      expect(asked).toHaveBeenCalledTimes(100)
      await verify(await varied(100))
      await verify(await varied(100))
      expect(asked).toHaveBeenCalledTimes(101)
      await verify(await varied(0))
      expect(asked).toHaveBeenCalledTimes(102)
    })
  })
})
