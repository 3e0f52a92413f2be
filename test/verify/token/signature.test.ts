import { constants, randomBytes, sign } from "node:crypto"
import { describe, expect, it } from "vitest"
import type { Jwk } from "../../../src/verify/token/fetch-keys.js"
import { importSignatureKey, type SignatureKey } from "../../../src/verify/token/signature.js"
import { newKey, type SigningKey } from "../../support/issuer.ts"
import { signatureOf } from "../../support/sign-by-hand.ts"

const made = new Map<string, Promise<SigningKey>>()
function keyFor(alg: string): Promise<SigningKey> {
  const kind = /^[RP]S/.test(alg) ? "RS256" : alg
  const key = made.get(kind) ?? newKey(kind)
  made.set(kind, key)
  return key
}
const jwkOf = ({ jwk }: SigningKey, more: Record<string, unknown> = {}) => ({ ...jwk, ...more }) as Jwk
async function importedFor(alg: string): Promise<SignatureKey> {
  const key = await importSignatureKey(jwkOf(await keyFor(alg), { alg: undefined }), alg === "Ed448" ? "EdDSA" : alg)
  if (key === null) throw new Error(`no key for ${alg}`)
  return key
}
const joseName = (alg: string) => (alg === "Ed448" ? "EdDSA" : alg)
const text = "header.payload"
const data = Buffer.from(text)
const curves = [
  ["ES256", 32, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"],
  ["ES384", 48, "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"],
  [
    "ES512",
    66,
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
  ],
] as const
const all = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed448".split(" ")

describe("a signature key", () => {
  it.each(all)("for %s knows its own signature, over exactly these bytes", async alg => {
    const key = await importedFor(alg)
    const signature = signatureOf(text, joseName(alg), (await keyFor(alg)).privateKey)
    expect(await key.verifies(data, signature)).toBe(true)
    expect(await key.verifies(Buffer.from("header.payloae"), signature)).toBe(false)
    for (const at of [0, 1, signature.length >> 1, signature.length - 1]) {
      const changed = Buffer.from(signature)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await key.verifies(data, changed)).toBe(false)
    }
  })

  it.each(all)("for %s refuses a signature that is shorter or longer by a byte, in front or behind", async alg => {
    const key = await importedFor(alg)
    const signature = signatureOf(text, joseName(alg), (await keyFor(alg)).privateKey)
    const zero = Buffer.alloc(1)
    const others = [
      Buffer.alloc(0),
      signature.subarray(1),
      signature.subarray(0, -1),
      Buffer.concat([zero, signature]),
      Buffer.concat([signature, zero]),
      Buffer.concat([signature, signature]),
    ]
    for (const one of others) expect(await key.verifies(data, one)).toBe(false)
  })

  it.each(["RS", "PS"])("for %s256 refuses the other hashes and the other padding", async kind => {
    const { privateKey } = await keyFor("RS256")
    const key = await importSignatureKey(jwkOf(await keyFor("RS256"), { alg: undefined }), `${kind}256`)
    for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]) {
      expect(await key?.verifies(data, signatureOf(text, alg, privateKey))).toBe(alg === `${kind}256`)
    }
  })

  it.each([256, 384, 512])("for PS%i wants a salt as long as the hash", async size => {
    const { privateKey } = await keyFor("RS256")
    const key = await importSignatureKey(jwkOf(await keyFor("RS256"), { alg: undefined }), `PS${size}`)
    for (const saltLength of [0, size / 8 - 1, size / 8, size / 8 + 1]) {
      const options = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
      expect(await key?.verifies(data, sign(`sha${size}`, data, options))).toBe(saltLength === size / 8)
    }
  })

  // One in 256 has a number that begins with a zero byte, every second one a number that needs a zero byte in DER.
  it.each(curves)(
    "for %s knows 100 signatures and more, with every beginning of their two numbers",
    { timeout: 60_000 },
    async (alg, bytes) => {
      const key = await importedFor(alg)
      const { privateKey } = await keyFor(alg)
      let short = 0
      for (let count = 0; count < 100 || short === 0; count++) {
        const raw = signatureOf(`${text}${count}`, alg, privateKey)
        // P-521's first byte is 0 or 1.
        if (raw[alg === "ES512" ? 1 : 0] === 0 || raw[bytes + (alg === "ES512" ? 1 : 0)] === 0) short += 1
        expect(await key.verifies(Buffer.from(`${text}${count}`), raw)).toBe(true)
      }
    },
  )

  it.each(curves)(
    "for %s refuses numbers that no signature has: 0, and the order and beyond",
    async (alg, bytes, order) => {
      const key = await importedFor(alg)
      const raw = signatureOf(text, alg, (await keyFor(alg)).privateKey)
      const [r, s] = [raw.subarray(0, bytes), raw.subarray(bytes)]
      const n = Buffer.from(order, "hex")
      for (const bad of [Buffer.alloc(bytes), n, Buffer.alloc(bytes, 0xff)]) {
        for (const pair of [
          [bad, s],
          [r, bad],
          [bad, bad],
        ]) {
          expect(await key.verifies(data, Buffer.concat(pair))).toBe(false)
        }
      }
      expect(await key.verifies(data, Buffer.concat([s, r]))).toBe(false)
    },
  )
})

describe("importSignatureKey", () => {
  it.each(["HS256", "none", "", "RS1", "ES256K", "Ed25519", "__proto__", "constructor"])(
    "has no key for %j",
    async alg => {
      for (const kind of ["RS256", "ES256", "EdDSA"]) {
        expect(await importSignatureKey(jwkOf(await keyFor(kind), { alg: undefined }), alg)).toBeNull()
      }
    },
  )

  it("has a key for the algorithms of its kind and curve alone", async () => {
    const good: [string, string][] = []
    for (const kind of ["RS256", "ES256", "ES384", "ES512", "EdDSA", "Ed448"]) {
      for (const alg of all.filter(name => name !== "Ed448")) {
        const key = await importSignatureKey(jwkOf(await keyFor(kind), { alg: undefined, use: undefined }), alg)
        if (key !== null) good.push([kind, alg])
      }
    }
    expect(good).toEqual([
      ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map(alg => ["RS256", alg]),
      ...["ES256", "ES384", "ES512", "EdDSA"].map(alg => [alg, alg]),
      ["Ed448", "EdDSA"],
    ])
  })

  it.each<[string, Record<string, unknown>, boolean]>([
    ["its own algorithm", {}, true],
    ["no algorithm", { alg: undefined }, true],
    ["another algorithm", { alg: "ES384" }, false],
    ["an algorithm of null", { alg: null }, false],
    ["the operation `verify`", { key_ops: ["sign", "verify"] }, true],
    ["the operation `sign`", { key_ops: ["sign"] }, false],
    ["no operation", { key_ops: [] }, false],
    ["an operation that is no list", { key_ops: "verify" }, false],
    ["operations of null", { key_ops: null }, false],
    ["its private part", { d: "AQAB" }, false],
    ["another kind", { kty: "RSA" }, false],
    ["no curve", { crv: undefined }, false],
    ["another curve", { crv: "P-384" }, false],
    ["a curve in a list", { crv: ["P-256"] }, false],
  ])("for a key that is published with %s: %o gives a key: %s", async (_, more, isGood) => {
    const key = await importSignatureKey(jwkOf(await keyFor("ES256"), more), "ES256").catch(() => null)
    expect(key !== null).toBe(isGood)
  })

  it.each([
    [1024, false],
    [2047, false],
    [2048, true],
    [2049, true],
  ])("has a key of %i bits for RSA: %s", async (bits, isGood) => {
    const modulus = randomBytes(Math.ceil(bits / 8))
    // Its highest bit and an odd end; nobody looks whether it is a product of two primes.
    modulus[0] = 1 << ((bits - 1) % 8)
    modulus[modulus.length - 1] = 1
    const jwk = { kty: "RSA", kid: "k", n: modulus.toString("base64url"), e: "AQAB" }
    expect((await importSignatureKey(jwk, "RS256").catch(() => null)) !== null).toBe(isGood)
  })

  it.each([
    ["ES256", { x: "AQAB" }],
    ["ES256", { y: undefined }],
    ["EdDSA", { x: "AQAB" }],
    ["Ed448", { x: "AQAB" }],
    ["RS256", { n: undefined }],
  ])("throws for a %s key that is broken by %o", async (alg, more) => {
    await expect(
      importSignatureKey(jwkOf(await keyFor(alg), { alg: undefined, ...more }), joseName(alg)),
    ).rejects.toThrow()
  })
})
