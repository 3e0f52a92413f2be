import { describe, expect, it } from "vitest"
import { parseDjangoHash } from "../../src/adoption/django-hash.js"
import { hashOfNothing, hashProblems, type PasswordHash, toCredential } from "../../src/adoption/password-hash.js"
import { parsePhcHash } from "../../src/adoption/phc-hash.js"
import { hashedPassword } from "../../src/testing/realm/password.js"
import { djangoHashers, phcHashers } from "../support/old-hashes.ts"

const password = "Schlüssel-🦊"
/** Checks as Keycloak does, which the contract of the test realm proves. */
function isRight(hash: PasswordHash | null, candidate: string): boolean {
  if (hash === null) throw new Error("no hash")
  const { secretData, credentialData } = toCredential("kg", hash)
  return hashedPassword(secretData, credentialData).isRight(candidate)
}
const rules = (hash: PasswordHash | null) => (hash === null ? null : hashProblems(hash).map(({ rule }) => rule))
const good = parseDjangoHash(djangoHashers.pbkdf2_sha256?.(password)) as PasswordHash
const argon2 = parsePhcHash(phcHashers.argon2id?.(password)) as PasswordHash & { argon2: object }

describe("parseDjangoHash", () => {
  it.each(Object.entries(djangoHashers))("reads what the hasher %s has made", (_name, hasher) => {
    const hash = parseDjangoHash(hasher(password))
    expect(rules(hash)).toEqual([])
    expect(isRight(hash, password)).toBe(true)
    expect(isRight(hash, `${password}!`)).toBe(false)
  })

  it("reads the example of Django's own tests", () => {
    // `lètmein` with the salt `seasalt`, of 260,000 iterations.
    const hash = parseDjangoHash("pbkdf2_sha256$260000$seasalt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo=")
    expect(isRight(hash, "lètmein")).toBe(true)
  })

  it.each([
    ["bcrypt_sha256$$2b$12$x", "bcrypt_sha256"],
    ["bcrypt$$2b$12$x", "bcrypt"],
    ["scrypt$salt$16384$8$1$x", "scrypt"],
    ["md5$salt$x", "md5"],
    ["sha1$salt$x", "sha1"],
    ["pbkdf2_wrapped_md5$260000$salt$x", "pbkdf2_wrapped_md5"],
    ["constructor$1$a$b", "constructor"],
    ["0123456789abcdef0123456789ABCDEF", "unsalted_md5"],
  ])("names the hasher of %s, which Keycloak can't read", (text, algorithm) => {
    expect(parseDjangoHash(text)).toEqual({ algorithm })
    expect(rules(parseDjangoHash(text))).toEqual(["hash_algorithm"])
  })

  it.each([null, undefined, "", "!", "!9xKq", "nobody's hash", "plain$text", "Two words$1$a$b"])(
    "has nothing for %s",
    text => {
      expect(parseDjangoHash(text)).toBeNull()
    },
  )

  it.each([
    ["pbkdf2_sha256$$salt$x", ["hash_iterations", "hash_value"]],
    ["pbkdf2_sha256$1e3$salt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo=", ["hash_iterations"]],
    ["pbkdf2_sha256$1000$$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo=", ["hash_salt"]],
    ["pbkdf2_sha256$1000", ["hash_iterations", "hash_salt", "hash_value"]],
    ["pbkdf2_sha256$9000000$salt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo=", ["hash_iterations"]],
  ])("leaves what is wrong with %s to the check", (text, expected) => {
    expect(rules(parseDjangoHash(text))).toEqual(expected)
  })
})

describe("parsePhcHash", () => {
  it.each(Object.entries(phcHashers))("reads a hash of %s", (_name, hasher) => {
    const hash = parsePhcHash(hasher(password))
    expect(rules(hash)).toEqual([])
    expect(isRight(hash, password)).toBe(true)
    expect(isRight(hash, `${password}!`)).toBe(false)
  })

  it("takes an argon2 hash that names no version for one of version 1.0", () => {
    const hash = parsePhcHash("$argon2i$m=1024,t=2,p=1$bmFjbG5hY2w$bmFjbG5hY2xuYWNsbmFjbA")
    expect(hash?.argon2?.version).toBe("1.0")
    expect(rules(hash)).toEqual([])
  })

  it.each([
    ["$2b$12$x", "2b"],
    ["$scrypt$ln=16,r=8,p=1$c2FsdA$x", "scrypt"],
    ["$6$salt$x", "6"],
    ["$argon2id$v=19$m=1024,t=2,p=1,keyid=Zm9v$bmFjbG5hY2w$bmFjbA", "argon2id with a key"],
  ])("names the algorithm of %s, which Keycloak can't read", (text, algorithm) => {
    expect(parsePhcHash(text)).toEqual({ algorithm })
  })

  it.each([null, undefined, "", "$", "$argon2id", "argon2id$v=19", "pbkdf2_sha256$1$a$b"])(
    "has nothing for %s",
    text => {
      expect(parsePhcHash(text)).toBeNull()
    },
  )

  it.each([
    ["v=19$m=1048576,t=3,p=1", ["hash_memory"]],
    ["v=19$m=1024,t=3", ["hash_parallelism"]],
    ["v=19$t=3,p=1", ["hash_memory"]],
    ["v=19$m=1024,p=1", ["hash_iterations"]],
    ["v=18$m=1024,t=3,p=1", ["hash_version"]],
    ["v=19$m=262144,t=17,p=1", ["hash_work"]],
    ["v=19$m=31,t=3,p=4", ["hash_memory"]],
    ["v=19", ["hash_iterations", "hash_salt", "hash_value", "hash_memory", "hash_parallelism"]],
  ])("leaves what is wrong with %s to the check", (parameters, expected) => {
    expect(rules(parsePhcHash(`$argon2id$${parameters}$bmFjbG5hY2w$bmFjbG5hY2xuYWNsbmFjbA`))).toEqual(expected)
  })
})

describe("hashProblems", () => {
  it.each<[string, unknown, readonly string[]]>([
    ["nothing", undefined, ["hash_algorithm"]],
    ["a text", "pbkdf2_sha256$1$a$b", ["hash_algorithm"]],
    ["Django's name", { ...good, algorithm: "pbkdf2_sha256" }, ["hash_algorithm"]],
    ["a name in large letters", { ...good, algorithm: "PBKDF2-SHA256" }, ["hash_algorithm"]],
    ["no algorithm", { ...good, algorithm: undefined }, ["hash_algorithm"]],
    ["a salt in base64url", { ...good, salt: "-_-_-_-_" }, ["hash_salt"]],
    ["a value without padding", { ...good, value: good.value?.replace("=", "") }, ["hash_value"]],
    ["a value of 15 bytes", { ...good, value: Buffer.alloc(15).toString("base64") }, ["hash_value"]],
    ["a salt of 1,025 bytes", { ...good, salt: Buffer.alloc(1025).toString("base64") }, ["hash_salt"]],
    ["no iterations", { ...good, iterations: 0 }, ["hash_iterations"]],
    ["2,000,001 iterations", { ...good, iterations: 2_000_001 }, ["hash_iterations"]],
    ["half an iteration", { ...good, iterations: 0.5 }, ["hash_iterations"]],
    ["iterations as a text", { ...good, iterations: "1000" }, ["hash_iterations"]],
    [
      "no parameters",
      { ...argon2, argon2: undefined },
      ["hash_type", "hash_version", "hash_memory", "hash_parallelism"],
    ],
    ["version 19", { ...argon2, argon2: { ...argon2.argon2, version: "19" } }, ["hash_version"]],
    ["256 MiB and 1 KiB", { ...argon2, argon2: { ...argon2.argon2, memory: 262_145 } }, ["hash_memory"]],
    ["65 lanes", { ...argon2, argon2: { ...argon2.argon2, parallelism: 65 } }, ["hash_parallelism"]],
    ["a salt of 7 bytes", { ...argon2, salt: Buffer.alloc(7).toString("base64") }, ["hash_salt"]],
  ])("refuses %s", (_name, hash, expected) => {
    expect(hashProblems(hash as PasswordHash).map(({ rule }) => rule)).toEqual(expected)
  })

  it("has none for what stands in where there is no password, which is another one each time", () => {
    expect(hashProblems(hashOfNothing())).toEqual([])
    expect(hashOfNothing().value).not.toBe(hashOfNothing().value)
  })
})
