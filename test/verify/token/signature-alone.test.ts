/** Where a signature is checked: in the thread pool, or on the main thread when checks come one at a time. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { beforeEach, expect, it, vi } from "vitest"
import type { Jwk } from "../../../src/verify/token/fetch-keys.js"
import type { SignatureKey } from "../../../src/verify/token/signature.js"
import { signatureOf } from "../../support/sign-by-hand.ts"

const where: ("pool" | "main thread")[] = []

vi.mock("node:crypto", async original => {
  const crypto = await original<typeof import("node:crypto")>()
  return {
    ...crypto,
    verify(...given: Parameters<typeof crypto.verify>) {
      where.push(given.length === 5 ? "pool" : "main thread")
      return crypto.verify(...given)
    },
  }
})

const data = Buffer.from("header.payload")
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const longRsa = generateKeyPairSync("rsa", { modulusLength: 3072 })
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" })

let importSignatureKey: typeof import("../../../src/verify/token/signature.js").importSignatureKey

// What has met what is remembered for the whole process.
beforeEach(async () => {
  where.length = 0
  vi.resetModules()
  ;({ importSignatureKey } = await import("../../../src/verify/token/signature.js"))
})

async function importAs(alg: string, publicKey: KeyObject): Promise<SignatureKey> {
  const key = await importSignatureKey(publicKey.export({ format: "jwk" }) as unknown as Jwk, alg)
  if (key === null) throw new Error(`no key for ${alg}`)
  return key
}

async function oneByOne(key: SignatureKey, signature: Buffer, times: number): Promise<void> {
  for (let time = 0; time < times; time++) expect(await key.verifies(data, signature)).toBe(true)
}

const once = ["pool", ...Array(63).fill("main thread")]

it("of 64 that come one at a time, the first goes to the thread pool and the others stay", async () => {
  const key = await importAs("RS256", rsa.publicKey)
  await oneByOne(key, sign("sha256", data, rsa.privateKey), 130)
  expect(where).toEqual([...once, ...once, "pool", "main thread"])
})

it("PS256 likewise", async () => {
  const key = await importAs("PS256", rsa.publicKey)
  await oneByOne(key, signatureOf(data.toString(), "PS256", rsa.privateKey), 65)
  expect(where).toEqual([...once, "pool"])
})

it("those that come together all go to the thread pool, and so does the first one after them", async () => {
  const key = await importAs("RS256", rsa.publicKey)
  const signature = sign("sha256", data, rsa.privateKey)
  for (let round = 0; round < 2; round++) await Promise.all([1, 2, 3].map(() => oneByOne(key, signature, 1)))
  await oneByOne(key, signature, 1)
  expect(where).toEqual(Array(7).fill("pool"))
  await oneByOne(key, signature, 1)
  expect(where.at(-1)).toBe("main thread")
})

it("a crowd after lonely times meets at most 63 that stay", async () => {
  const key = await importAs("RS256", rsa.publicKey)
  const signature = sign("sha256", data, rsa.privateKey)
  await oneByOne(key, signature, 1)
  await Promise.all(Array.from({ length: 100 }, () => oneByOne(key, signature, 2)))
  expect(where.filter(one => one === "main thread").length).toBe(63)
})

it("nobody stays while another is under way", async () => {
  const [short, other] = [await importAs("RS256", rsa.publicKey), await importAs("ES256", ec.publicKey)]
  const signature = sign("sha256", data, rsa.privateKey)
  await oneByOne(short, signature, 1)
  const underWay = oneByOne(other, signatureOf(data.toString(), "ES256", ec.privateKey), 1)
  await oneByOne(short, signature, 1)
  await underWay
  expect(where).toEqual(["pool", "pool", "pool"])
})

it.each([
  ["RS256", "3072 bits", longRsa],
  ["ES256", "P-256", ec],
] as const)(
  "%s with %s takes the main thread too long, so it never stays",
  async (alg, _, { publicKey, privateKey }) => {
    const key = await importAs(alg, publicKey)
    await oneByOne(key, signatureOf(data.toString(), alg, privateKey), 5)
    expect(where).toEqual(Array(5).fill("pool"))
  },
)

it("a wrong signature is refused in either place", async () => {
  const key = await importAs("RS256", rsa.publicKey)
  const wrong = sign("sha256", Buffer.from("another"), rsa.privateKey)
  for (let time = 0; time < 65; time++) expect(await key.verifies(data, wrong)).toBe(false)
  expect(await key.verifies(data, sign("sha256", data, rsa.privateKey))).toBe(true)
  expect(where).toEqual([...once, "pool", "main thread"])
})

it("a signature of another length is looked at by neither", async () => {
  const key = await importAs("RS256", rsa.publicKey)
  expect(await key.verifies(data, Buffer.alloc(255))).toBe(false)
  expect(where).toEqual([])
})
