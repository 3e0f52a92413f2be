import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDjangoStore, type DjangoUser } from "../../examples/django/store.ts"
import type { UserProfile, UserStore } from "../../src/index.js"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"
import { createDjangoTable, type DjangoTable } from "./django-table.ts"

const issuer = "https://sso.example/realms/django"

let table: DjangoTable
let store: UserStore<DjangoUser>
beforeAll(async () => {
  table = await createDjangoTable([{ username: "root", email: "root@shop.example" }])
  store = createDjangoStore(table.pool)
})
afterAll(() => table?.drop())

function profile(subject: string, username: string | null, second = 1): UserProfile {
  const names = { username, email: null, firstName: null, lastName: null, custom: {} }
  return { issuer, subject, ...names, emailVerified: false, asOf: new Date(second * 1000) }
}

const save = (subject: string, username: string | null, second?: number) =>
  store.saveUser(profile(subject, username, second))

async function held(subject: string): Promise<string | null | undefined> {
  return (await store.findUser({ issuer, subject }))?.username
}

/** What Django sees. */
async function stored(subject: string): Promise<Record<string, unknown>> {
  const { rows } = await table.pool.query("SELECT * FROM auth_user WHERE issuer = $1 AND subject = $2", [
    issuer,
    subject,
  ])
  return rows[0]
}

describe("the store over Django's own table, on the real PostgreSQL", () => {
  itKeepsTheStoreContract(() => store, {
    attributesAreUnique: true,
    extra: null,
    unownedRow: (_, names) => table.add(names),
  })

  it("writes what Django's columns must have where Keycloak tells nothing, and reads it back as null", async () => {
    const row = await save("silent", null)
    expect(row).toMatchObject({ username: null, email: null, first_name: null, last_name: null })
    expect(await store.findUser({ issuer, subject: "silent" })).toEqual(row)
    const kept = { username: "kc-silent", email: "", first_name: "", last_name: "", is_active: true, is_staff: false }
    expect(await stored("silent")).toMatchObject({ ...kept, is_superuser: false })
  })

  it("gives a new row a password that fits nothing, and no row of the store has one", async () => {
    const row = await save("newcomer", "newcomer")
    expect(await stored("newcomer")).toMatchObject({ password: expect.stringMatching(/^!.{36}$/) })
    expect(JSON.stringify(row)).not.toContain("!")
    expect(row).not.toHaveProperty("password")
  })

  it("leaves a row without subject its name, until the row is linked or renamed", async () => {
    const stranger = await save("stranger", "root")
    expect(stranger.username).toBeNull()
    expect(await stored("stranger")).toMatchObject({ username: "kc-stranger" })
    const [key = 0] = (await store.findUnlinked?.(profile("owner", "ROOT"), { by: "username" })) ?? []
    expect(await store.linkUser?.(key, profile("owner", "was-root", 2))).toMatchObject({
      id: key,
      username: "was-root",
    })
    expect(await held("stranger")).toBe("root")
    expect(stranger.id).not.toBe(key)
  })

  it("keeps Django's columns and its key when a row is linked", async () => {
    const key = await table.add({ username: "Staff", email: "Staff@Shop.example", password: "pbkdf2_sha256$1$a$b" })
    await table.pool.query("UPDATE auth_user SET is_staff = true, last_login = now() WHERE id = $1", [key])
    const row = await store.linkUser?.(key, profile("staff", "staff", 3))
    expect(row).toMatchObject({ id: key, is_staff: true, username: "staff", last_login: expect.any(Date) })
    expect(await stored("staff")).toMatchObject({ password: "pbkdf2_sha256$1$a$b" })
  })

  it("lets two people swap names, whichever news comes first, and gives a parked name back", async () => {
    await save("ada", "swap-a", 1)
    await save("bob", "swap-b", 1)
    expect((await save("bob", "swap-a", 2)).username).toBe("swap-a")
    expect(await held("ada")).toBeNull()
    await save("ada", "swap-b", 2)
    expect([await held("ada"), await held("bob")]).toEqual(["swap-b", "swap-a"])
    await save("eve", "swap-a", 3)
    expect([await held("bob"), await held("eve")]).toEqual([null, "swap-a"])
    await store.removeUser({ issuer, subject: "eve" })
    expect(await held("bob")).toBe("swap-a")
  })

  it("locks nobody out whose parked name somebody else has taken", async () => {
    await save("thief", "kc-victim")
    expect(await stored("thief")).toMatchObject({ username: "kc-thief" })
    await table.add({ username: "kc-other-victim" })
    const parked = [await save("victim", null), await save("other-victim", null)]
    expect(parked.map(({ username }) => username)).toEqual([null, null])
    const other = { ...profile("victim", null), issuer: `${issuer}-other` }
    expect((await store.saveUser(other)).id).not.toBe(parked[0]?.id)
  })

  it("gives a name on within its issuer first, and then to another's people", async () => {
    const of = (name: string) => ({ ...profile(name, "shared", 50), issuer: `${issuer}-other` })
    await save("one", "shared", 5)
    expect((await store.saveUser(of("foreigner"))).username).toBeNull()
    expect((await save("two", "shared", 6)).username).toBe("shared")
    await store.removeUser({ issuer, subject: "two" })
    expect(await held("one")).toBe("shared")
    await store.removeUser({ issuer, subject: "one" })
    expect((await store.findUser(of("foreigner")))?.username).toBe("shared")
  })

  it("takes names as long as Keycloak's", async () => {
    const long = "ü".repeat(255)
    const row = await store.saveUser({ ...profile("long", long), firstName: long, lastName: long, email: long })
    expect(row).toMatchObject({ username: long, email: long, first_name: long, last_name: long })
    const subject = `f:1b7a5b3e-0000-4000-8000-000000000000:${"x".repeat(200)}`
    expect((await save(subject, null)).subject).toBe(subject)
  })

  it("takes 40 claims of two names at once, and leaves each name with the latest", async () => {
    const claims = Array.from({ length: 40 }, (_, index) => save(`claimer ${index % 20}`, `claim-${index % 2}`, index))
    await Promise.all(claims)
    expect([await held("claimer 18"), await held("claimer 19")]).toEqual(["claim-0", "claim-1"])
    const { rows } = await table.pool.query("SELECT FROM auth_user WHERE username LIKE 'claim-_'")
    expect(rows).toHaveLength(2)
  })

  it("lets Django go on: its own people come in, and their names are theirs", async () => {
    const key = await table.add({ username: "django-person", email: "d@shop.example" })
    await save("namesake", "django-person", 9)
    const { rows } = await table.pool.query("SELECT username, subject FROM auth_user WHERE id = $1", [key])
    expect(rows).toEqual([{ username: "django-person", subject: null }])
  })
})
