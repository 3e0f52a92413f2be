import { expect } from "vitest"
import type { UserProfile, UserStore } from "../../src/index.js"

/** A store under test, and how to read its rows; `extra` is what registration handed over, or null. */
export interface StoreUnderTest<User> {
  readonly store: UserStore<User>
  readonly toProfile: (user: User) => UserProfile
  readonly extraOf: (user: User) => unknown
}

export interface StoreFact {
  readonly fact: string
  /** `issuer` is one that no other fact uses: all of them may run on one table, in any order. */
  readonly check: <User>(tested: StoreUnderTest<User>, issuer: string) => Promise<void>
}

const early = new Date("2026-01-01T10:00:00.250Z")
const late = new Date("2026-01-01T10:00:00.251Z")

function profileOf(issuer: string, subject: string, changes: Partial<UserProfile> = {}): UserProfile {
  const names = { username: "ada", email: "ada@shop.example", firstName: "Ada", lastName: "Lovelace" }
  return { issuer, subject, ...names, emailVerified: false, asOf: early, ...changes }
}

/** What any user store promises, for `it.each`; a store of your own only has to fill `StoreUnderTest`. */
export const storeFacts: readonly StoreFact[] = [
  {
    fact: "has no row before there is one",
    async check({ store }, issuer) {
      expect(await store.findUser({ issuer, subject: "nobody" })).toBeNull()
    },
  },
  {
    fact: "returns the row it inserts, and finds it again",
    async check({ store, toProfile }, issuer) {
      const profile = profileOf(issuer, "ada", { emailVerified: true })
      const saved = await store.saveUser(profile)
      expect(toProfile(saved)).toEqual(profile)
      expect(await store.findUser({ issuer, subject: "ada" })).toEqual(saved)
    },
  },
  {
    fact: "takes over every value of a later profile",
    async check({ store, toProfile }, issuer) {
      await store.saveUser(profileOf(issuer, "ada"))
      const names = { username: "countess", email: "countess@shop.example", firstName: "Augusta", lastName: "King" }
      const later = profileOf(issuer, "ada", { ...names, emailVerified: true, asOf: late })
      const saved = await store.saveUser(later)
      expect(toProfile(saved)).toEqual(later)
      expect(await store.findUser(later)).toEqual(saved)
    },
  },
  {
    fact: "takes over a profile of the same moment",
    async check({ store, toProfile }, issuer) {
      await store.saveUser(profileOf(issuer, "ada"))
      const changed = profileOf(issuer, "ada", { username: "countess" })
      expect(toProfile(await store.saveUser(changed))).toEqual(changed)
    },
  },
  {
    fact: "answers a stale profile with the newer row, unchanged",
    async check({ store }, issuer) {
      const newer = await store.saveUser(profileOf(issuer, "ada", { asOf: late }))
      const names = { username: "old", email: "old@shop.example", firstName: "Old", lastName: null }
      const answer = await store.saveUser(profileOf(issuer, "ada", { ...names, emailVerified: true }))
      expect(answer).toEqual(newer)
      expect(await store.findUser({ issuer, subject: "ada" })).toEqual(newer)
    },
  },
  {
    fact: "keeps the row's own key when the profile changes",
    async check({ store }, issuer) {
      const keyOf = (user: unknown) => (user as { id?: unknown }).id
      const first = await store.saveUser(profileOf(issuer, "ada"))
      await store.saveUser(profileOf(issuer, "babbage"))
      const later = await store.saveUser(profileOf(issuer, "ada", { username: "countess", asOf: late }))
      expect(keyOf(later)).toBe(keyOf(first))
    },
  },
  {
    fact: "lets two people have one username and e-mail",
    async check({ store, toProfile }, issuer) {
      const people = [profileOf(issuer, "ada"), profileOf(issuer, "other ada")]
      for (const person of people) await store.saveUser(person)
      for (const person of people) expect(toProfile(await found(store, person))).toEqual(person)
    },
  },
  {
    fact: "lets two people swap usernames and e-mails, in either order",
    async check({ store, toProfile }, issuer) {
      const [ada, bob] = ["ada", "bob"].map(name => ({ username: name, email: `${name}@shop.example` }))
      await store.saveUser(profileOf(issuer, "1", ada))
      await store.saveUser(profileOf(issuer, "2", bob))
      const swapped = [profileOf(issuer, "2", { ...ada, asOf: late }), profileOf(issuer, "1", { ...bob, asOf: late })]
      for (const person of swapped) expect(toProfile(await store.saveUser(person))).toEqual(person)
      for (const person of swapped) expect(toProfile(await found(store, person))).toEqual(person)
    },
  },
  {
    fact: "keeps null where Keycloak tells nothing, and can go back to it",
    async check({ store, toProfile }, issuer) {
      const nothing = { username: null, email: null, firstName: null, lastName: null }
      const silent = profileOf(issuer, "silent", nothing)
      expect(toProfile(await store.saveUser(silent))).toEqual(silent)
      await store.saveUser(profileOf(issuer, "ada"))
      const later = profileOf(issuer, "ada", { ...nothing, asOf: late })
      expect(toProfile(await store.saveUser(later))).toEqual(later)
    },
  },
  {
    fact: "writes extra at registration, and no later save changes it",
    async check({ store, extraOf }, issuer) {
      const registered = await store.saveUser(profileOf(issuer, "ada"), { plan: "pro" })
      expect(extraOf(registered)).toEqual({ plan: "pro" })
      const later = await store.saveUser(profileOf(issuer, "ada", { username: "countess", asOf: late }))
      expect(extraOf(later)).toEqual({ plan: "pro" })
      expect(extraOf(await store.saveUser(profileOf(issuer, "bob")))).toBeNull()
    },
  },
  {
    fact: "gives extra to a person whose row came before the registration could save it",
    async check({ store, extraOf }, issuer) {
      await store.saveUser(profileOf(issuer, "ada"))
      expect(extraOf(await store.saveUser(profileOf(issuer, "ada", { asOf: late }), { plan: "pro" }))).toEqual({
        plan: "pro",
      })
    },
  },
  {
    fact: "removes one row, once or twice, and no other",
    async check({ store }, issuer) {
      await store.saveUser(profileOf(issuer, "ada"))
      await store.saveUser(profileOf(issuer, "bob"))
      await store.removeUser({ issuer, subject: "ada" })
      await store.removeUser({ issuer, subject: "ada" })
      expect(await store.findUser({ issuer, subject: "ada" })).toBeNull()
      expect(await store.findUser({ issuer, subject: "bob" })).not.toBeNull()
    },
  },
  {
    fact: "starts from nothing for a subject that comes back after its removal",
    async check({ store, toProfile, extraOf }, issuer) {
      await store.saveUser(profileOf(issuer, "ada", { asOf: late }), { plan: "pro" })
      await store.removeUser({ issuer, subject: "ada" })
      const again = await store.saveUser(profileOf(issuer, "ada"))
      expect(toProfile(again)).toEqual(profileOf(issuer, "ada"))
      expect(extraOf(again)).toBeNull()
    },
  },
  {
    fact: "tells odd subjects apart, to the letter",
    async check({ store, toProfile }, issuer) {
      const odd = [
        "a",
        "A",
        "a ",
        " a",
        "ä",
        "a\u0308",
        "ß",
        "ss",
        "0",
        "00",
        "__proto__",
        "constructor",
        "%",
        "_",
        "'",
      ]
      const people = odd.map((subject, index) => profileOf(issuer, subject, { username: `person ${index}` }))
      for (const person of people) await store.saveUser(person)
      for (const person of people) expect(toProfile(await found(store, person))).toEqual(person)
      await store.removeUser({ issuer, subject: "a" })
      expect(await store.findUser({ issuer, subject: "A" })).not.toBeNull()
      expect(await store.findUser({ issuer, subject: "a " })).not.toBeNull()
    },
  },
  {
    fact: "tells one subject of two issuers apart, and two pairs that read alike when put together",
    async check({ store, toProfile }, issuer) {
      const pairs = [
        [issuer, "ada"],
        [`${issuer}/`, "ada"],
        [`${issuer}a`, "da"],
      ] as const
      const people = pairs.map(([of, subject], index) => profileOf(of, subject, { username: `person ${index}` }))
      for (const person of people) await store.saveUser(person)
      for (const person of people) expect(toProfile(await found(store, person))).toEqual(person)
    },
  },
  {
    fact: "makes one row of 50 first saves at once, with the latest of them in it",
    async check({ store, toProfile }, issuer) {
      const profiles = Array.from({ length: 50 }, (_, index) =>
        profileOf(issuer, "ada", { username: `name ${index}`, asOf: new Date(early.getTime() + ((index * 7) % 50)) }),
      )
      const rows = await Promise.all(profiles.map(profile => store.saveUser(profile)))
      expect(new Set(rows.map(row => (row as { id?: unknown }).id)).size).toBe(1)
      const latest = profiles.reduce((best, profile) => (profile.asOf > best.asOf ? profile : best))
      expect(toProfile(await found(store, latest))).toEqual(latest)
    },
  },
]

async function found<User>(store: UserStore<User>, identity: { issuer: string; subject: string }): Promise<User> {
  const { issuer, subject } = identity
  const user = await store.findUser({ issuer, subject })
  if (user === null) throw new Error(`There is no row of ${JSON.stringify(subject)}.`)
  return user
}
