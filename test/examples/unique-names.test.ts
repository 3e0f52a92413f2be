import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createUniquePostgresStore, type UniqueRow } from "../../examples/stores/postgres-unique.ts"
import type { UserProfile, UserStore } from "../../src/index.js"
import { itKeepsTheStoreContract } from "../contracts/user-store.ts"
import { addUnowned, createTestSchema, type TestSchema } from "./postgres.ts"

const issuer = "https://sso.example/realms/unique"

let schema: TestSchema
let store: UserStore<UniqueRow>
beforeAll(async () => {
  schema = await createTestSchema("postgres-unique.sql")
  store = createUniquePostgresStore(schema.pool)
})
afterAll(() => schema?.drop())

/** Saves somebody who was told this name, for username and e-mail alike, at this second. */
function save(subject: string, name: string, second: number): Promise<UniqueRow> {
  const names = { username: name, email: `${name}@shop.example`, firstName: null, lastName: null, custom: {} }
  return store.saveUser({ issuer, subject, ...names, emailVerified: true, asOf: new Date(second * 1000) })
}
/** The names that somebody holds: [username, e-mail]. */
async function held(subject: string): Promise<(string | null | undefined)[]> {
  const row = await store.findUser({ issuer, subject })
  return [row?.username, row?.email]
}
const both = (name: string) => [name, `${name}@shop.example`]
const parked = [null, null]

describe("the PostgreSQL store with unique names, on the real server", () => {
  // What was told is all there, parked or not: so it keeps the contract without any allowance.
  const profileOf = ({ told_username, told_email, ...row }: UniqueRow): UserProfile => {
    const { issuer, subject, first_name: firstName, last_name: lastName, email_verified: emailVerified } = row
    const names = { username: told_username, email: told_email, firstName, lastName }
    return { issuer, subject, ...names, emailVerified, custom: row.custom as UserProfile["custom"], asOf: row.as_of }
  }
  const unownedRow = (_: unknown, names: { username: string; email: string }) => addUnowned(schema.pool, names)
  itKeepsTheStoreContract(() => store, { profileOf, unownedRow })

  describe("as an application sees it that reads the unique columns only", () => {
    itKeepsTheStoreContract(() => store, { attributesAreUnique: true, unownedRow })
  })

  it("refuses a name that is given away past its rule", async () => {
    await save("first", "guarded", 1)
    await save("second", "other", 1)
    const past = schema.pool.query("UPDATE app_user SET username = 'guarded' WHERE subject = 'second'")
    await expect(past).rejects.toMatchObject({ code: "23505" })
  })

  it("lets two people swap names, whichever news comes first", async () => {
    await save("ada", "swap-a", 1)
    await save("bob", "swap-b", 1)
    expect(await save("bob", "swap-a", 2)).toMatchObject({ username: "swap-a" })
    expect(await held("ada")).toEqual(parked)
    await save("ada", "swap-b", 2)
    expect([await held("ada"), await held("bob")]).toEqual([both("swap-b"), both("swap-a")])
  })

  it("gives a name to whoever is told it anew, and locks out neither that person nor the one before", async () => {
    await save("leaver", "reuse", 1)
    expect(await save("newcomer", "reuse", 2)).toMatchObject({ username: "reuse", email: "reuse@shop.example" })
    expect(await held("leaver")).toEqual(parked)
    expect(await save("leaver", "reuse", 1)).toMatchObject({ username: null, told_username: "reuse" })
  })

  it("parks the name of old news that comes late", async () => {
    await save("holder", "late", 5)
    expect(await save("before", "late", 3)).toMatchObject({ username: null, email: null })
    expect(await held("holder")).toEqual(both("late"))
  })

  it("gives a parked name back when its holder takes another one, or goes", async () => {
    for (const [second, subject] of ["one", "two", "three"].entries()) await save(subject, "wanted", second)
    expect(await held("three")).toEqual(both("wanted"))
    await save("three", "unwanted", 9)
    expect(await held("two")).toEqual(both("wanted"))
    await store.removeUser({ issuer, subject: "two" })
    expect(await held("one")).toEqual(both("wanted"))
  })

  it("gives each issuer's people names of their own", async () => {
    const other = "https://sso.example/realms/unique-other"
    const namesake = { issuer: other, subject: "namesake", username: "own", email: "own@shop.example" }
    await save("owner", "own", 5)
    const later = {
      ...namesake,
      firstName: null,
      lastName: null,
      custom: {},
      emailVerified: true,
      asOf: new Date(9000),
    }
    expect(await store.saveUser(later)).toMatchObject({ username: "own", email: "own@shop.example" })
    expect(await held("owner")).toEqual(both("own"))
    expect(await save("owner", "own", 10)).toMatchObject({ username: "own" })
    expect(await store.findUser(namesake)).toMatchObject({ username: "own", email: "own@shop.example" })
    await store.removeUser(namesake)
    expect(await held("owner")).toEqual(both("own"))
    const again = {
      issuer: other,
      subject: "again",
      username: "own",
      email: null,
      firstName: null,
      lastName: null,
      custom: {},
    }
    await store.saveUser({ ...again, emailVerified: false, asOf: new Date(11_000) })
    await store.removeUser({ issuer, subject: "owner" })
    expect(await store.findUser(again)).toMatchObject({ username: "own" })
  })

  it("takes 40 claims of two names at once, and leaves each name with the latest", async () => {
    const claims = Array.from({ length: 40 }, (_, index) => save(`claimer ${index % 20}`, `claim-${index % 2}`, index))
    await Promise.all(claims)
    expect([await held("claimer 18"), await held("claimer 19")]).toEqual([both("claim-0"), both("claim-1")])
    const { rows } = await schema.pool.query("SELECT FROM app_user WHERE username LIKE 'claim-_'")
    expect(rows).toHaveLength(2)
  })
})
