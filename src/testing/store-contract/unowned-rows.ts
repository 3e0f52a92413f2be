import { randomUUID } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import type { UserKey, UserProfile } from "../../users/user-store.js"
import {
  type Case,
  early,
  expectNone,
  failure,
  isRow,
  isSameValue,
  late,
  outcome,
  type Probe,
  shown,
  type UnownedNames,
} from "./probe.js"

/** What holds for rows that are there before their person has an account. */
export const casesOfUnownedRows: readonly Case[] = [
  {
    name: "takes over no row without subject for somebody with its username or e-mail",
    async check(probe) {
      const { profile, save, attempt, addUnowned, keyOf } = probe
      for (const [attribute, told] of Object.entries(strangers)) {
        for (const isRenamed of [false, true]) {
          const { subject, row, names } = somebody()
          const key = await addUnowned(row)
          const before = profile(subject, { username: `old-${names.username}`, email: `old-${names.email}` })
          if (isRenamed) await save(before, "a new person is inserted")
          const stranger = profile(subject, { ...before, ...told(names), emailVerified: true, asOf: late })
          const answer = await attempt(stranger)
          if (answer instanceof Error) {
            throw failure(
              `saveUser threw "${answer.message}" for somebody with the ${attribute} of a row without subject`,
              "a unique index locks such a person out. Leave usernames and e-mails not unique, or park what somebody claims",
              answer,
            )
          }
          if (!isRow(answer)) throw failure(`saveUser returned ${shown(answer)} instead of the row`, stolen)
          if (isSameValue(keyOf(answer), key) || !(await isUnowned(probe, key, row)))
            throw failure(`saveUser took over a row without subject by its ${attribute}`, stolen)
        }
      }
    },
  },
  {
    name: "finds, lists and removes no row without subject as anybody's own",
    async check(probe) {
      const { issuer, profile, save, find, list, remove, addUnowned } = probe
      const { subject, row, names } = somebody()
      const key = await addUnowned(row)
      const mistake = "rows are looked up by issuer and subject, and a row without them is nobody's"
      for (const other of [row.username, names.username, row.email, names.email, String(key), "", "null"]) {
        expectNone(
          await find(profile(other), mistake),
          "findUser found a row without subject by something else",
          mistake,
        )
        await remove(profile(other), mistake)
      }
      await save(profile(subject), "a new person is inserted")
      const listed = await list({ issuer, after: null, limit: 10 })
      if (listed !== null && listed.join() !== subject)
        throw failure(`listSubjects gave ${listed.length} subjects for one row that has one`, mistake)
      if (!(await isUnowned(probe, key, row)))
        throw failure("removeUser removed a row without subject, or changed it", mistake)
    },
  },
  {
    name: "finds the rows without subject of a username or an e-mail in any case, where it has findUnlinked at all",
    async check(probe) {
      const { profile, unlinkedOf, addUnowned, canFindUnlinked, attributesAreUnique } = probe
      if (!canFindUnlinked) return
      const { subject, row, names } = somebody()
      const other = { username: `bob-${names.username}`, email: row.email.toUpperCase() }
      const first = await addUnowned(row)
      const second = await addUnowned(other)
      const of = (changes: Partial<UserProfile>) => profile(subject, { ...names, emailVerified: true, ...changes })
      const folding =
        "Keycloak keeps usernames and e-mails in lower case, and your rows may not: compare `lower(username)` and `lower(email)`"
      const by = "it looks at the attribute that `by` names, and at no other"
      expectKeys(await unlinkedOf(of({}), "username", folding), [first], folding, by)
      const all = "findUnlinked returns every row that matches: of several, linkUsers links none"
      expectKeys(await unlinkedOf(of({}), "email", folding), [first, second], `${folding}. ${all}`, by)
      const namesake = { username: row.username.toUpperCase(), email: `namesake-${names.email}` }
      const third = await outcome(async () => addUnowned(namesake))
      // A unique index may keep a second one out, and then nobody has to find it.
      if (third instanceof Error && !attributesAreUnique) throw third
      if (!(third instanceof Error))
        expectKeys(await unlinkedOf(of({}), "username", all), [first, third], `${folding}. ${all}`, by)
      expectKeys(await unlinkedOf(of({ username: other.username }), "username", by), [second], by)
      expectKeys(await unlinkedOf(of({ username: `nobody-${subject}` }), "username", by), [], by)
      expectKeys(await unlinkedOf(of({ email: `nobody-${names.email}` }), "email", by), [], by)
      const nothing = "a profile that tells no username, or no e-mail, matches no row: not those without one either"
      expectKeys(await unlinkedOf(of({ username: null }), "username", nothing), [], nothing)
      expectKeys(await unlinkedOf(of({ email: null }), "email", nothing), [], nothing)
    },
  },
  {
    name: "finds no row without subject whose name only looks alike",
    async check({ profile, unlinkedOf, addUnowned, canFindUnlinked }) {
      if (!canFindUnlinked) return
      for (const [held, told] of lookingAlike) {
        const { subject } = somebody()
        await addUnowned({ username: `${held}-${subject}`, email: `${held}-${subject}@shop.example` })
        const names = { username: `${told}-${subject}`, email: `${told}-${subject}@shop.example` }
        for (const by of ["username", "email"] as const) {
          const mistake =
            "another person's row would be linked. LIKE and ILIKE take _ and % for wildcards, and the column's collation may " +
            "take é for e, as MariaDB's and MySQL's default ones do: compare what is folded with = and in a binary collation"
          expectKeys(await unlinkedOf(profile(subject, names), by, mistake), [], mistake)
        }
      }
    },
  },
  {
    name: "finds no row that has a subject, where it has findUnlinked at all",
    async check({ profile, save, link, unlinkedOf, addUnowned, canFindUnlinked, canLink }) {
      if (!canFindUnlinked) return
      const { subject, row, names } = somebody()
      const key = await addUnowned(row)
      const owner = profile(`owner-${subject}`, names)
      await save(owner, "a new person is inserted")
      const mistake = "a row that has a subject is somebody's own: add `AND subject IS NULL`"
      const expected = async (keys: readonly UserKey[]) => {
        for (const by of ["username", "email"] as const)
          expectKeys(await unlinkedOf(profile(subject, names), by, mistake), keys, mistake)
      }
      await expected([key])
      if (!canLink) return
      await link(key, profile(subject, names), mistake)
      await expected([])
    },
  },
  {
    name: "ties a row without subject to a person once, and returns it as it is found, where it has linkUser at all",
    async check(probe) {
      const { profile, save, find, link, keyOf, addUnowned, expectProfile, canLink } = probe
      if (!canLink) return
      const { subject, row, names } = somebody()
      const key = await addUnowned(row)
      const person = profile(subject, { ...names, emailVerified: true, asOf: late })
      const mistake = "linkUser writes issuer, subject and the whole profile into the row of `key`, and returns the row"
      const linked = await link(key, person, mistake)
      expectProfile(linked, person, linked === null ? "linkUser returned null for a row without subject" : mistake)
      expectKeptKey(linked === null ? undefined : keyOf(linked), key)
      const found = await find(person)
      expectProfile(found, person, mistake)
      if (!isDeepStrictEqual(linked, found))
        throw failure("linkUser returned something else than findUser finds then", "return the whole row, read back")
      expectNone(await link(key, person, twice), "linkUser tied the same row again", twice)
      const other = profile(`other-${subject}`, { firstName: "Bob" })
      expectNone(await link(key, other, twice), "linkUser tied somebody's row to somebody else", twice)
      expectNone(await find(other), "linkUser gave somebody a row and returned null", twice)
      expectProfile(await find(person), person, twice)
      await save(profile(subject, { firstName: "Before" }), "a stale profile is answered with the row")
      expectProfile(await find(person), person, "linkUser has to write the profile's `asOf` too: stale news won")
      const later = profile(subject, { ...names, firstName: "Later", asOf: new Date(late.getTime() + 1000) })
      const saved = await save(later, "a linked row is saved like any other")
      expectProfile(saved, later, "a linked row is saved like any other")
      expectKeptKey(keyOf(saved), key)
    },
  },
  {
    name: "ties no row to a person who has one",
    async check({ profile, save, find, link, keyOf, addUnowned, expectProfile, canLink }) {
      if (!canLink) return
      const { subject, row, names } = somebody()
      const key = await addUnowned(row)
      const person = profile(subject, names)
      const before = await save(person, "a new person is inserted")
      const mistake =
        "a subject has one row. Where the unique key on (issuer, subject) refuses the update, catch that and return null"
      expectNone(
        await link(key, profile(subject, { firstName: "Linked", asOf: late }), mistake),
        "linkUser tied a row to a person who has one",
        mistake,
      )
      const after = await find(person)
      expectProfile(after, person, "a link that is not made changes nothing")
      if (after === null || !isSameValue(keyOf(after), keyOf(before)))
        throw failure("linkUser gave a person who has a row another one", mistake)
      const free = await link(key, profile(`other-${subject}`), mistake)
      if (free === null) throw failure("linkUser returned null, and the row is lost to everybody else", mistake)
    },
  },
  {
    name: "ties no row that is not there",
    async check({ profile, find, link, remove, addUnowned, canLink }) {
      if (!canLink) return
      const { subject, row } = somebody()
      const key = await addUnowned(row)
      const first = profile(subject)
      await link(key, first, "a row without subject is tied")
      await remove(first, "a linked row is removed like any other")
      expectNone(await find(first), "a linked row is still there after removeUser", "it is removed like any other")
      const mistake = "linkUser updates one row, and inserts none"
      const second = profile(`other-${subject}`)
      expectNone(await link(key, second, mistake), "linkUser returned a row for a key that is not there", mistake)
      expectNone(await find(second), "linkUser made a row for a key that is not there", mistake)
    },
  },
  {
    name: "ties a row to one of 20 people who are tried at once",
    async check({ profile, find, link, addUnowned, canLink }) {
      if (!canLink) return
      const { subject, row } = somebody()
      const key = await addUnowned(row)
      const mistake =
        "looking first and writing then is a race: two runs find the row free, and the second takes it from the first. Write " +
        "`UPDATE … WHERE id = $1 AND subject IS NULL`"
      const people = twenty(index => profile(`${subject}-${index}`, { firstName: `person ${index}` }))
      const rows = await Promise.all(people.map(person => link(key, person, mistake)))
      const tied = rows.filter(row => row !== null).length
      const found = await Promise.all(people.map(person => find(person)))
      if (tied !== 1 || found.filter(row => row !== null).length !== 1)
        throw failure(`linkUser tied one row ${tied} times when 20 people were tried at once`, mistake)
      if (rows.findIndex(row => row !== null) !== found.findIndex(row => row !== null))
        throw failure("linkUser tied the row to one person, and told it to another", mistake)
    },
  },
  {
    name: "ties one of 20 rows to a person when all are tried at once",
    async check({ profile, find, link, remove, addUnowned, canLink }) {
      if (!canLink) return
      const { subject, names } = somebody()
      const keys: UserKey[] = []
      for (let index = 0; index < 20; index++) {
        keys.push(await addUnowned({ username: `${index}-${names.username}`, email: `${index}-${names.email}` }))
      }
      const mistake =
        "of two links at once, both find no row of the subject. The unique key on (issuer, subject) keeps the second one out: " +
        "catch what it throws, and return null"
      const person = profile(subject)
      const rows = await Promise.all(keys.map(key => link(key, person, mistake)))
      const tied = rows.filter(row => row !== null).length
      if (tied !== 1) throw failure(`linkUser tied ${tied} of 20 rows to one person`, mistake)
      await remove(person, "a linked row is removed like any other")
      expectNone(await find(person), "linkUser tied several rows to one person", mistake)
    },
  },
  {
    name: "ties a row or saves a new one when both are tried at once, and never both",
    async check({ profile, attempt, find, link, remove, keyOf, addUnowned, canLink }) {
      if (!canLink) return
      const mistake =
        "the person's first request may come while the row is being linked: whichever is first makes the row, and the other " +
        "finds it there. Catch the unique violation in linkUser, and have saveUser update the row then"
      const people: { readonly key: UserKey; readonly person: UserProfile }[] = []
      for (let index = 0; index < 10; index++) {
        const { subject, row } = somebody()
        people.push({ key: await addUnowned(row), person: profile(subject) })
      }
      const outcomes = await Promise.all(
        people.map(({ key, person }) => Promise.all([link(key, person, mistake), attempt(person)])),
      )
      for (const [index, { key, person }] of people.entries()) {
        const [linked, saved] = outcomes[index] ?? []
        if (saved instanceof Error) throw failure(`saveUser beside linkUser threw "${saved.message}"`, mistake, saved)
        const found = await find(person)
        if (found === null || !isRow(saved)) throw failure("saveUser beside linkUser left no row", mistake)
        const isLinked = linked !== null
        if (keyOf(found) !== undefined && isSameValue(keyOf(found), key) !== isLinked)
          throw failure("linkUser beside saveUser told something else than it did", mistake)
        await remove(person, "a row is removed")
        expectNone(await find(person), "linkUser and saveUser at once made two rows of one person", mistake)
      }
    },
  },
]

const stolen =
  "whoever registers the name of an old account would get its row. Such a row is tied by linkUser alone: saveUser looks for " +
  "a row by issuer and subject, and makes a new one where there is none"

const twice = "a row that has a subject is left as it is, and the answer is null: add `AND subject IS NULL`"

type Told = (names: UnownedNames) => Partial<UnownedNames>

/** Who comes with what of a row's names. */
const strangers: Readonly<Record<string, Told>> = {
  "username and e-mail": names => names,
  username: ({ username }) => ({ username }),
  "e-mail": ({ email }) => ({ email }),
}

/** What a row holds, and what a profile tells. */
const lookingAlike = [
  ["abc", "a_c"],
  ["abc", "a%"],
  ["abc", "%"],
  ["é", "e"],
  ["e", "é"],
  ["ss", "ß"],
  ["a\\", "a"],
] as const

/** A name that no other case has, as an old row has it and as Keycloak tells it. */
function somebody(): { readonly subject: string; readonly row: UnownedNames; readonly names: UnownedNames } {
  const subject = randomUUID()
  const row = { username: `Ada-${subject}`, email: `Ada-${subject}@Shop.Example` }
  return { subject, row, names: { username: row.username.toLowerCase(), email: row.email.toLowerCase() } }
}

/** Whether the row of this key is still there for its person, as far as the store tells; it is linked then. */
async function isUnowned<User>(probe: Probe<User>, key: UserKey, row: UnownedNames): Promise<boolean> {
  const { profile, unlinkedOf, link, canFindUnlinked, canLink } = probe
  const names = { username: row.username.toLowerCase(), email: row.email.toLowerCase() }
  const owner = profile(randomUUID(), { ...names, asOf: early })
  if (canFindUnlinked) {
    const keys = await unlinkedOf(owner, "username", stolen)
    if (!keys.some(one => isSameValue(one, key))) return false
  }
  return !canLink || (await link(key, owner, stolen)) !== null
}

function expectKeptKey(found: unknown, key: UserKey): void {
  if (found === undefined || isSameValue(found, key)) return
  throw failure(
    "linkUser gave the person a row with another key",
    "the row of `key` is updated, so that everything that refers to it is the person's from then on",
  )
}

function expectKeys(
  found: readonly UserKey[],
  expected: readonly UserKey[],
  mistake: string,
  mistakeOfTooMany = mistake,
): void {
  const sorted = (keys: readonly UserKey[]) => keys.map(String).sort().join()
  if (sorted(found) === sorted(expected)) return
  throw failure(
    `findUnlinked found ${found.length} rows, and not the ${expected.length} that match`,
    found.length > expected.length ? mistakeOfTooMany : mistake,
  )
}

function twenty<Item>(make: (index: number) => Item): Item[] {
  return Array.from({ length: 20 }, (_, index) => make(index))
}
