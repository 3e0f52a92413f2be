import * as crypto from "node:crypto"
import { beforeAll, describe, expect, it } from "vitest"
import type { OpenRealm } from "./open-realms.ts"
import type { Answer, RealmClient } from "./realm-client.ts"

const old = "old-Passw0rd"
const salt = Buffer.from("NaCl-of-old-days")
const base64 = (bytes: Buffer) => bytes.toString("base64")

interface Hash {
  readonly secret: Record<string, unknown>
  readonly data: Record<string, unknown>
}

function pbkdf2(algorithm: string, digest: string, length: number): Hash {
  const value = base64(crypto.pbkdf2Sync(old, salt, 1000, length, digest))
  return { secret: { value, salt: base64(salt) }, data: { hashIterations: 1000, algorithm } }
}

function argon2(type: "id" | "i" | "d"): Hash {
  const sizes = { parallelism: 2, tagLength: 16, memory: 7168, passes: 2 }
  const value = base64(crypto.argon2Sync(`argon2${type}`, { message: old, nonce: salt, ...sizes }))
  const additionalParameters = {
    ...{ hashLength: ["16"], memory: ["7168"], type: [type], version: ["1.3"], parallelism: ["2"] },
  }
  return {
    secret: { value, salt: base64(salt) },
    data: { hashIterations: 2, algorithm: "argon2", additionalParameters },
  }
}

const django = pbkdf2("pbkdf2-sha256", "sha256", 32)
const ownHash = argon2("id")
const withSecret = (more: Record<string, unknown>) => ({ ...django, secret: { ...django.secret, ...more } })
const withData = (more: Record<string, unknown>, of = django) => ({ ...of, data: { ...of.data, ...more } })
const withParameters = (more: Record<string, unknown>) =>
  withData({ additionalParameters: { ...(ownHash.data.additionalParameters as object), ...more } }, ownHash)
const unpadded = (text: unknown) => String(text).replace(/=+$/, "")

const good: readonly (readonly [name: string, hash: Hash])[] = [
  ["pbkdf2-sha256", django],
  ["pbkdf2-sha256 of 20 bytes", pbkdf2("pbkdf2-sha256", "sha256", 20)],
  ["pbkdf2-sha512", pbkdf2("pbkdf2-sha512", "sha512", 64)],
  ["pbkdf2, which is SHA-1", pbkdf2("pbkdf2", "sha1", 20)],
  ["argon2id", ownHash],
  ["argon2i", argon2("i")],
  ["argon2d", argon2("d")],
]

const dead: readonly (readonly [name: string, hash: Hash])[] = [
  ["an empty salt", withSecret({ salt: "" })],
  ["no salt", withSecret({ salt: undefined })],
  ["a salt that is no base64", withSecret({ salt: "*" })],
  ["a value without its padding", withSecret({ value: unpadded(django.secret.value) })],
  ["no iterations", withData({ hashIterations: 0 })],
  ["the name that Django has for it", withData({ algorithm: "pbkdf2_sha256" })],
  ["bcrypt", withData({ algorithm: "bcrypt" })],
  ["argon2 without its memory", withParameters({ memory: undefined })],
  ["argon2 of version 19", withParameters({ version: ["19"] })],
  ["argon2 of another version than it was made with", withParameters({ version: ["1.0"] })],
]

const unknownError = { error: "unknown_error", error_description: "For more on this error consult the server log." }

export function describeCredentials(open: OpenRealm): void {
  describe("hashes from elsewhere (keycloak-facts.md, Hashes)", () => {
    let realm: RealmClient
    let count = 0
    beforeAll(async () => {
      realm = await open("hashes", file => {
        file.bruteForceProtected = false
      })
    })

    const credential = ({ secret, data }: Hash, more: Record<string, unknown> = {}) => ({
      type: "password",
      secretData: JSON.stringify(secret),
      credentialData: JSON.stringify(data),
      ...more,
    })
    const newName = () => `hashed-${count++}`
    const create = (username: string, one: Record<string, unknown>): Promise<Answer> =>
      realm.admin("POST", "/users", {
        ...{ username, email: `${username}@example.test`, firstName: "Test", lastName: "User", enabled: true },
        credentials: [one],
      })
    const idOf = (answer: Answer) => answer.headers.get("location")?.split("/").pop() ?? ""
    const credentialsOf = async (id: string) => (await realm.admin("GET", `/users/${id}/credentials`)).body
    const passwordLogin = async (username: string, password: string) => {
      const { status, body } = await realm.login(username, { password })
      return body.error_description ?? status
    }

    it.each(good)("lets the owner of a hash of %s in, and nobody with another password", async (_name, hash) => {
      const username = newName()
      expect((await create(username, credential(hash))).status).toBe(201)
      expect(await passwordLogin(username, `${old}!`)).toBe("Invalid user credentials")
      expect(await passwordLogin(username, old)).toBe(200)
      expect(await passwordLogin(username, old)).toBe(200)
    })

    it.each(dead)("takes a hash with %s, and then nobody gets in", async (_name, hash) => {
      const username = newName()
      expect((await create(username, credential(hash))).status).toBe(201)
      expect(await passwordLogin(username, old)).toBe("Invalid user credentials")
    })

    it("falls over a hash without algorithm at each login", async () => {
      const username = newName()
      expect((await create(username, credential(withData({ algorithm: undefined })))).status).toBe(201)
      expect((await realm.login(username, { password: old })).status).toBe(500)
    })

    it.each([
      ["a secret alone", { secretData: "{}" }, unknownError],
      ["data alone", { credentialData: "{}" }, unknownError],
      [
        "a secret that is no JSON",
        { ...credential(django), secretData: "{" },
        { error: "invalid_request", error_description: "Cannot parse the JSON" },
      ],
      [
        "iterations that no number of 32 bits holds",
        credential(withData({ hashIterations: 3_000_000_000 })),
        { error: "unknown_error", error_description: "Cannot parse the JSON" },
      ],
    ])("falls over %s, and no account is left", async (_name, one, body) => {
      const username = newName()
      expect(await create(username, one)).toMatchObject({ status: 500, body })
      expect((await realm.admin("GET", `/users?username=${username}&exact=true`)).body).toEqual([])
    })

    it("keeps id, label and date of a hash, and its id through the first login, a reset and another hash", async () => {
      const username = newName()
      const given = { id: "kg:1", userLabel: "of old", createdDate: 1_200_000_000_000 }
      const id = idOf(await create(username, credential(django, given)))
      expect(await credentialsOf(id)).toEqual([
        { type: "password", ...given, credentialData: expect.stringContaining('"pbkdf2-sha256"') },
      ])
      expect(await passwordLogin(username, old)).toBe(200)
      const [afterLogin] = await credentialsOf(id)
      expect(afterLogin).toMatchObject({ id: "kg:1", userLabel: "of old" })
      await realm.admin("PUT", `/users/${id}`, { credentials: [credential(ownHash, { id: "kg:2" })] })
      expect(await credentialsOf(id)).toMatchObject([{ id: "kg:1" }])
      expect(await passwordLogin(username, old)).toBe(200)
      await realm.admin("PUT", `/users/${id}/reset-password`, { type: "password", value: "New-2026-pass" })
      const [afterReset] = await credentialsOf(id)
      expect(afterReset).toMatchObject({ id: "kg:1" })
      expect(afterReset).not.toHaveProperty("userLabel")
      expect(await passwordLogin(username, "New-2026-pass")).toBe(200)
    })

    it("makes an id of its own beside a value in clear", async () => {
      const id = idOf(await create(newName(), { type: "password", value: old, id: "kg:clear", userLabel: "mine" }))
      const [one] = await credentialsOf(id)
      expect(one).not.toMatchObject({ id: "kg:clear" })
      expect(one).not.toHaveProperty("userLabel")
    })

    it("refuses an id that another account's credential has, whatever the names are", async () => {
      const [first, second] = [newName(), newName()]
      await create(first, credential(django, { id: "kg:taken" }))
      const answer = await create(second, credential(django, { id: "kg:taken" }))
      const body = { errorMessage: "User exists with same username or email" }
      expect(answer).toMatchObject({ status: 409, body })
      expect((await realm.admin("GET", `/users?username=${second}&exact=true`)).body).toEqual([])
      expect(await passwordLogin(first, old)).toBe(200)
    })

    it("has room for 36 characters in an id", async () => {
      const long = "kg-".padEnd(36, "x")
      expect((await create(newName(), credential(django, { id: long }))).status).toBe(201)
      expect((await create(newName(), credential(django, { id: `${long}y` }))).status).toBe(500)
    })

    it("gives a hash to an account that has no password, under the id that comes with it", async () => {
      const username = newName()
      const id = await realm.createUser(username, { credentials: [] })
      expect(await credentialsOf(id)).toEqual([])
      await realm.admin("PUT", `/users/${id}`, { credentials: [credential(django, { id: "kg:later" })] })
      expect(await credentialsOf(id)).toMatchObject([{ id: "kg:later" }])
      expect(await passwordLogin(username, old)).toBe(200)
    })

    it("does not ask the password policy about a hash", async () => {
      const username = newName()
      const value = base64(crypto.pbkdf2Sync("a", salt, 1000, 32, "sha256"))
      await create(username, credential(withSecret({ value })))
      expect(await passwordLogin(username, "a")).toBe(200)
    })

    it("keeps what a disabled account has to do, and opens it in one change", async () => {
      const username = newName()
      const closed = ["UPDATE_PASSWORD", "UPDATE_PROFILE", "VERIFY_PROFILE", "update_user_locale"]
      const id = idOf(
        await realm.admin("POST", "/users", {
          ...{ username, email: `${username}@example.test`, firstName: "Test", lastName: "User", enabled: false },
          ...{ requiredActions: closed, credentials: [credential(django)] },
        }),
      )
      expect((await realm.admin("GET", `/users/${id}`)).body.requiredActions.sort()).toEqual([...closed].sort())
      expect(await passwordLogin(username, old)).toBe("Account disabled")
      await realm.admin("PUT", `/users/${id}/reset-password`, { type: "password", value: "New-2026-pass" })
      expect((await realm.admin("GET", `/users/${id}`)).body.requiredActions).not.toContain("UPDATE_PASSWORD")
      await realm.admin("PUT", `/users/${id}`, { enabled: true, requiredActions: [] })
      expect(await passwordLogin(username, "New-2026-pass")).toBe(200)
    })
  })
}
