import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  nextStep,
  type ReadAccounts,
  shortened,
  start,
  type WalkPosition,
} from "../../../src/users/sync/account-walk.js"
import type { ListedAccount } from "../../../src/users/sync/keycloak-listing.js"

const asOf = new Date(0)

function account(username: string, id = `id of ${username}`): ListedAccount {
  const nothing = { email: null, emailVerified: false, firstName: null, lastName: null, attributes: {} }
  return { id, username, createdTimestamp: 0, ...nothing }
}

/** A realm whose listing is ordered by username and read by offset, as Keycloak's is. */
function realmOf(usernames: readonly string[]) {
  let accounts = usernames.map(username => account(username))
  const sort = () => accounts.sort((one, other) => ((one.username ?? "") < (other.username ?? "") ? -1 : 1))
  sort()
  return {
    read: (async (first, max) => ({ asOf, accounts: accounts.slice(first, first + max) })) satisfies ReadAccounts,
    create(username: string) {
      accounts.push(account(username))
      sort()
    },
    remove(username: string) {
      accounts = accounts.filter(one => one.username !== username)
    },
    rename(from: string, to: string) {
      accounts = accounts.map(one => (one.username === from ? account(to, one.id) : one))
      sort()
    },
  }
}

const names = (count: number, prefix = "m") =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(5, "0")}`)

/** Usernames that a walk sees, with something done to the realm after each page. */
async function walk(read: ReadAccounts, between: (page: number) => void = () => undefined) {
  const seen: (string | null)[] = []
  let pages = 0
  for (let position: WalkPosition | null = start; position !== null; ) {
    const step = await nextStep(read, position)
    seen.push(...step.accounts.map(({ username }) => username))
    position = step.next
    between(++pages)
  }
  return { seen, pages }
}

describe("nextStep", () => {
  it.each([0, 1, 199, 200, 201, 389, 390, 391, 1000])("hands out each of %i accounts once", async count => {
    const { seen } = await walk(realmOf(names(count)).read)
    expect(seen).toEqual(names(count))
  })

  it.each([5, 150, 195, 200])("misses nobody when %i accounts before its place are deleted", async count => {
    const realm = realmOf(names(900))
    const { seen } = await walk(realm.read, page => {
      if (page === 2) for (const name of names(count)) realm.remove(name)
    })
    expect(new Set(seen)).toEqual(new Set(names(900)))
  })

  it("misses nobody when all accounts that it knows its place by are deleted", async () => {
    const realm = realmOf(names(900))
    const { seen } = await walk(realm.read, page => {
      if (page === 2) for (const name of names(390)) realm.remove(name)
    })
    expect(new Set(seen)).toEqual(new Set(names(900)))
  })

  it("does not take an account for its place that was renamed and now stands further behind", async () => {
    const realm = realmOf(names(900))
    const { seen } = await walk(realm.read, page => {
      if (page !== 1) return
      for (const name of names(199)) realm.remove(name)
      realm.rename("m00199", "m00350x")
    })
    for (const name of names(900).slice(200)) expect(seen).toContain(name)
  })

  it("ends when accounts are created before its place, and misses nobody", async () => {
    const realm = realmOf(names(900))
    const { seen, pages } = await walk(realm.read, page => {
      if (page === 2) for (const name of names(500, "a")) realm.create(name)
    })
    for (const name of names(900)) expect(seen).toContain(name)
    expect(pages).toBeLessThan(15)
  })

  it("goes on from a shortened position, also after a deletion in between", async () => {
    const realm = realmOf(names(600))
    const { next } = await nextStep(realm.read, start)
    expect(JSON.stringify(shortened(next ?? start)).length).toBeLessThan(250)
    for (const name of names(150)) realm.remove(name)
    const { accounts } = await nextStep(realm.read, shortened(next ?? start))
    expect(accounts.map(({ username }) => username)).toEqual(expect.arrayContaining(names(250).slice(200)))
  })

  it("sees everybody who stays, whoever else comes, goes and is renamed between two pages", {
    timeout: 60_000,
  }, async () => {
    const staying = names(500)
    const change = fc.record({
      kind: fc.constantFrom("create", "remove", "rename"),
      at: fc.integer({ min: 0, max: 499 }),
      count: fc.integer({ min: 1, max: 60 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 10 }), async rounds => {
        const guests = staying.map(name => `${name}-guest`)
        const realm = realmOf([...staying, ...guests])
        const { seen } = await walk(realm.read, page => {
          for (const { kind, at, count } of rounds[page - 1] ?? []) {
            for (const name of guests.slice(at, at + count)) {
              if (kind === "create") realm.create(`${name}-${page}`)
              if (kind === "remove") realm.remove(name)
              if (kind === "rename") realm.rename(name, `${guests[(at * 7) % 500]}-${name}`)
            }
          }
        })
        const known = new Set(seen)
        expect(staying.filter(name => !known.has(name))).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})
