import { randomUUID } from "node:crypto"
import type { UserIdentity, UserKey, UserProfile, UserStore } from "../../users/user-store.js"
import {
  ada,
  bob,
  type Case,
  createProbe,
  early,
  expectNone,
  failure,
  isRow,
  isSameValue,
  late,
  outcome,
  type Probe,
  type ProbeParts,
  shown,
  type UnownedNames,
} from "./probe.js"
import { createRowReader, type KeptForNull } from "./stored-row.js"
import { casesOfUnownedRows } from "./unowned-rows.js"

/** One promise of a user store. */
export interface UserStoreCase {
  /** A fact that could be disputed, such as "answers a stale profile with the newer row, unchanged". */
  readonly name: string
  /** Rejects with an `Error` that says what the store did and which mistake does that. */
  readonly run: () => Promise<void>
}

/** How the contract's cases are run. */
export interface UserStoreContractOptions<User, Store extends UserStore<User> = UserStore<User>> {
  /** Sign-up data as your application hands it to `registerUser`; default `{ plan: "pro" }`, null where it has none. */
  readonly extra?: Readonly<Record<string, unknown>> | null | undefined
  /**
   * The profile that a row holds. By default it is read by the names of the columns, in `camelCase` or `snake_case`; what
   * your table has no column for is left out, and isn't checked.
   */
  readonly profileOf?: ((user: User) => Partial<UserProfile>) | undefined
  /** The sign-up data that a row holds; by default looked for under its own names, in the row and one level below. */
  readonly extraOf?: ((user: User) => unknown) | undefined
  /** Your own key of a row; default `id` or `_id`. */
  readonly keyOf?: ((user: User) => unknown) | undefined
  /**
   * Your table keeps usernames or e-mails unique, and has a rule for who gets one that two people claim; default false.
   * Nobody may be locked out by it or lose their row to it, but the rows needn't hold the profile's username and e-mail.
   */
  readonly attributesAreUnique?: boolean | undefined
  /**
   * What your columns hold where Keycloak tells nothing, if they are NOT NULL: `{ email: "", username: profile => … }`.
   * Default: null. A store that gives null back all the same needs no such word.
   */
  readonly keptForNull?: KeptForNull | undefined
  /**
   * Puts a row without subject into your table, as one that is older than its account, and returns its key. It holds a
   * store to leaving such rows alone, and to `findUnlinked` and `linkUser` where it has them. What is made by it is removed
   * again through `linkUser`.
   */
  readonly unownedRow?:
    | ((store: Store, names: { readonly username: string; readonly email: string }) => UserKey | Promise<UserKey>)
    | undefined
}

/**
 * The promises of a user store as named cases, for any test runner: run them against your own store and database.
 *
 * `createStore` is called for each case, and may hand out the same store every time: each case uses an issuer of its own,
 * so that all of them may run on one table at once, and removes its rows afterwards.
 *
 * @example
 * for (const { name, run } of userStoreContract(() => createStore(pool))) it(name, run)
 */
export function userStoreContract<User, Store extends UserStore<User> = UserStore<User>>(
  createStore: () => (Store & UserStore<User>) | Promise<Store & UserStore<User>>,
  options: UserStoreContractOptions<User, Store> = {},
): readonly UserStoreCase[] {
  const { extra = { plan: "pro" }, attributesAreUnique = false, unownedRow } = options
  const chosen = [
    // First, because what breaks it breaks all others too, and they would name another mistake.
    ...(extra === null ? [] : [caseWithoutExtra(extra)]),
    ...cases,
    ...(attributesAreUnique ? [] : casesOfSharedAttributes),
    ...(extra === null ? [] : casesOfExtra(extra)),
    ...(unownedRow === undefined ? [] : casesOfUnownedRows),
  ]
  let isTold = unownedRow !== undefined
  return chosen.map(({ name, check }) => ({
    name,
    async run() {
      const noted = { identities: new Set<string>(), keys: new Set<UserKey>() }
      const store = await createStore()
      if (!isTold && (store.findUnlinked !== undefined || store.linkUser !== undefined)) {
        isTold = true
        process.emitWarning(
          "The user store's findUnlinked and linkUser were not tried: pass `unownedRow` to userStoreContract.",
          { type: "KeycloakGateWarning" },
        )
      }
      const issuer = `https://sso.example/realms/${randomUUID()}`
      const addUnowned = (names: UnownedNames) => (unownedRow as NonNullable<typeof unownedRow>)(store, names)
      try {
        await check(
          createProbe({ store, reader: createRowReader(options), issuer, attributesAreUnique, addUnowned, noted }),
        )
      } finally {
        await cleanUp(store, issuer, noted)
      }
    },
  }))
}

/** A store that can't remove a row fails in the case about removing. */
async function cleanUp<User>(
  store: UserStore<User>,
  issuer: string,
  { identities, keys }: ProbeParts<User>["noted"],
): Promise<void> {
  for (const identity of identities) await outcome(async () => store.removeUser(JSON.parse(identity)))
  for (const key of keys) {
    const nobody = { issuer, subject: randomUUID(), username: null, email: null, firstName: null, lastName: null }
    const profile = { ...nobody, emailVerified: false, custom: {}, asOf: early }
    await outcome(async () => store.linkUser?.(key, profile))
    await outcome(async () => store.removeUser({ issuer, subject: nobody.subject }))
  }
}

const countess = {
  ...{ username: "countess", email: "countess@shop.example", firstName: "Augusta", lastName: "King" },
  custom: { tenant: "north", seats: [1, null, { open: true }] },
}

const cases: readonly Case[] = [
  {
    name: "has no row before there is one",
    async check({ find, profile }) {
      const row = await find(profile("nobody"))
      expectNone(row, "findUser found a row of a person that was never saved", "look it up by issuer and subject, both")
    },
  },
  {
    name: "returns the row that it inserts, and finds it again",
    async check({ profile, save, find, expectProfile }) {
      const mistake = "each value of the profile has a column of its own, and the row is returned as it was written"
      for (const emailVerified of [true, false]) {
        const person = profile(`verified ${emailVerified}`, { emailVerified })
        expectProfile(await save(person, mistake), person, mistake)
        expectProfile(await find(person), person, mistake)
      }
    },
  },
  {
    name: "returns the row when the same profile is saved again",
    async check({ profile, save, expectProfile }) {
      const mistake =
        "for a row that exists already, `ON CONFLICT DO NOTHING RETURNING` (or `INSERT IGNORE`) returns nothing, and a bare " +
        "INSERT throws. Use `DO UPDATE SET … RETURNING`, or read the row back"
      await save(profile("ada"), "a new person is inserted")
      expectProfile(await save(profile("ada"), mistake), profile("ada"), mistake)
    },
  },
  {
    name: "takes over every value of a later profile",
    async check({ profile, save, find, expectProfile }) {
      await save(profile("ada"), "a new person is inserted")
      const later = profile("ada", { ...countess, emailVerified: true, asOf: late })
      const mistake =
        "a later `asOf` is the later word, and all values change with it, `asOf` as well. `DO NOTHING` leaves the row as it " +
        "was, and so does a condition the wrong way round"
      expectProfile(await save(later, mistake), later, mistake)
      expectProfile(await find(later), later, mistake)
    },
  },
  {
    name: "takes over a profile of the same moment",
    async check({ profile, save, expectProfile }) {
      await save(profile("ada"), "a new person is inserted")
      const changed = profile("ada", { ...countess, emailVerified: true })
      const mistake = "only a row with a later `asOf` stays as it is: compare with >, not with >="
      expectProfile(await save(changed, mistake), changed, mistake)
    },
  },
  {
    name: "answers a stale profile with the newer row, unchanged",
    async check({ profile, save, find, expectProfile }) {
      const newer = profile("ada", { asOf: late })
      await save(newer, "a new person is inserted")
      const stale = profile("ada", { ...countess, emailVerified: true })
      const answer = await save(
        stale,
        "a stale profile was refused. `DO UPDATE … WHERE` updates no row then, and so RETURNING returns none: compare the " +
          "dates column by column with CASE, or read the row back",
      )
      const mistake = "saveUser ignores `asOf`: a token of before has overwritten what a later one told"
      expectProfile(answer, newer, mistake)
      expectProfile(await find(newer), newer, mistake)
    },
  },
  {
    name: "keeps dates to the millisecond",
    async check({ profile, save, expectProfile }) {
      const person = profile("ada", { asOf: new Date(early.getTime() + 500) })
      const mistake =
        "registrations are dated in milliseconds; a column of whole seconds (MariaDB's DATETIME) rounds or cuts them. Use " +
        "DATETIME(3), timestamptz, or a number of milliseconds"
      expectProfile(await save(person, mistake), person, mistake)
      const next = profile("ada", { ...countess, asOf: new Date(early.getTime() + 501) })
      expectProfile(await save(next, mistake), next, mistake)
      expectProfile(await save(person, mistake), next, mistake)
    },
  },
  {
    name: "keeps the row's own key when the profile changes",
    async check({ profile, save, keyOf }) {
      const first = await save(profile("1"), "a new person is inserted")
      await save(profile("2", bob), "a new person is inserted")
      const later = await save(profile("1", { ...countess, asOf: late }), "a later profile updates the row")
      if (isSameValue(keyOf(later), keyOf(first))) return
      throw failure(
        "a later profile gave the person a row with another key",
        "`REPLACE INTO` and `INSERT OR REPLACE` delete the row and make a new one, and so does a row that is keyed on " +
          "username or e-mail: other tables would lose the person. Update the row of (issuer, subject)",
      )
    },
  },
  {
    name: "keeps null where Keycloak tells nothing, and can go back to it",
    async check({ profile, save, find, expectProfile }) {
      const nothing = { username: null, email: null, firstName: null, lastName: null }
      const mistake =
        "a profile may tell no username, no e-mail and no names: the columns must allow NULL, null is not the text " +
        '"null" or "", and a later null is news too (no COALESCE over the profile, and custom values are replaced, not merged). Where the columns have to be NOT NULL, ' +
        "read back as null what they keep for it, or name it in `keptForNull`"
      for (const subject of ["silent", "silent too"]) {
        expectProfile(await save(profile(subject, nothing), mistake), profile(subject, nothing), mistake)
      }
      await save(profile("ada", { custom: { tenant: "north" } }), "a new person is inserted")
      const later = profile("ada", { ...nothing, asOf: late })
      expectProfile(await save(later, mistake), later, mistake)
      expectProfile(await find(later), later, mistake)
    },
  },
  {
    name: "makes no row without a subject that it can't find again",
    async check({ profile, attempt, find, save, keyOf }) {
      const mistake =
        "NULL key: in SQL no NULL equals another, so a UNIQUE over (issuer, subject) lets any number of such rows in, and " +
        "no look-up finds them. Make both columns NOT NULL. Where rows may wait for their subject, let a CHECK see to it that " +
        "both are there or neither, or refuse such a profile in saveUser"
      for (const nothing of [null, undefined]) {
        const nameless = profile(nothing as unknown as string)
        const first = await attempt(nameless)
        if (!isRow(first)) continue
        const again = await attempt(nameless)
        if (!isRow(again) || !isSameValue(keyOf(again), keyOf(first)) || (await find(nameless)) === null) {
          throw failure(`saveUser made a row whose subject is ${nothing}, and lost it`, mistake)
        }
        const text = String(nothing)
        expectNone(
          await find(profile(text)),
          `a person without a subject and one with the subject "${text}" share a row`,
          "NULL key: a text that is put together from issuer and subject spells it out. Refuse it, or build the key with JSON",
        )
      }
      await save(profile("ada"), "a new person is inserted")
    },
  },
  {
    name: "removes one row, once or twice, and no other",
    async check({ profile, save, find, remove, expectProfile }) {
      await save(profile("1"), "a new person is inserted")
      await save(profile("2", { ...bob, lastName: ada.lastName }), "a new person is inserted")
      await remove(profile("1"), "removeUser takes the row of (issuer, subject) away")
      expectNone(
        await find(profile("1")),
        "the row is still there after removeUser",
        "it has to go: a registration that failed must leave nothing behind",
      )
      const twice =
        "removeUser is repeated when its answer got lost, and undoes registrations that had not come to a row: where there " +
        "is no row, there is nothing to do"
      await remove(profile("1"), twice)
      await remove(profile("nobody"), twice)
      const other = profile("2", { ...bob, lastName: ada.lastName })
      expectProfile(await find(other), other, "removeUser took another person's row away or changed it")
    },
  },
  {
    name: "starts from nothing for a subject that comes back after its removal",
    async check({ profile, save, remove, expectProfile }) {
      await save(profile("ada", { ...countess, asOf: late }), "a new person is inserted")
      await remove(profile("ada"), "removeUser takes the row away")
      const mistake = "removeUser left something of the row behind, and an earlier `asOf` is then taken for a stale one"
      expectProfile(await save(profile("ada"), mistake), profile("ada"), mistake)
    },
  },
  {
    name: "gives two people with one username a row each",
    check: probe =>
      expectTwoPeople(
        probe,
        { email: bob.email },
        "username",
        "the row is keyed on the username, or looked up or merged by it",
      ),
  },
  {
    name: "gives two people with one e-mail a row each",
    check: probe =>
      expectTwoPeople(
        probe,
        { username: bob.username },
        "e-mail",
        "the row is linked by e-mail, or an upsert hit it through a unique index on the e-mail: MariaDB's and MySQL's `ON " +
          "DUPLICATE KEY UPDATE` looks at every unique index of the table",
      ),
  },
  {
    name: "lets a newcomer take a username and an e-mail that somebody else has given up",
    async check({ profile, save, find, expectProfile }) {
      await save(profile("1"), "a new person is inserted")
      await save(profile("2", bob), "a new person is inserted")
      const renamed = profile("1", { ...countess, asOf: late })
      await save(renamed, "a person who is renamed keeps the row: it is keyed on the username otherwise")
      const successor = profile("3", { asOf: late })
      const mistake =
        "usernames and e-mails are reused in Keycloak: the row is keyed on (issuer, subject) and nothing else"
      expectProfile(await save(successor, mistake), successor, mistake)
      expectProfile(await find(renamed), renamed, mistake)
      expectProfile(await find(profile("2", bob)), profile("2", bob), mistake)
    },
  },
  {
    name: "tells subjects and issuers apart that differ in case",
    async check(probe) {
      const { profile } = probe
      await expectApart(
        probe,
        [profile("abc"), profile("ABC"), profile("aBc"), profile("abc", { issuer: probe.issuer.toUpperCase() })],
        "the column folds case, as MariaDB's and MySQL's default collations and citext do. Give issuer and subject a " +
          "binary collation, for example `VARCHAR(255) CHARACTER SET ascii COLLATE ascii_nopad_bin`",
      )
    },
  },
  {
    name: "tells subjects apart that differ in blanks or in their last letter",
    async check(probe) {
      const long = "x".repeat(254)
      const subjects = ["a", "a ", " a", "a  ", "0", "00", "0.0", `${long}1`, `${long}2`]
      await expectApart(
        probe,
        subjects.map(subject => probe.profile(subject)),
        "the column trims or pads blanks (PAD SPACE collations do), compares texts as numbers, or cuts them: a subject has up " +
          "to 255 characters",
      )
    },
  },
  {
    name: "takes no character of a subject for a wildcard or a piece of SQL",
    async check(probe) {
      const subjects = [
        "abc",
        "a%",
        "a_c",
        "%",
        "_",
        "'",
        "''",
        '"',
        "\\",
        "a'; --",
        "$1",
        "?",
        ":a",
        "{}",
        "[object Object]",
      ]
      await expectApart(
        probe,
        subjects.map(subject => probe.profile(subject)),
        "LIKE, or a statement that is glued together: compare with = and send values as parameters",
      )
    },
  },
  {
    name: "mixes up no two subjects outside of ASCII, even if it refuses them",
    async check(probe) {
      const { profile, attempt, find } = probe
      const taken: UserProfile[] = []
      for (const subject of ["ä", "a\u0308", "ß", "ss", "é", "e", "１", "1", "😀", "😁"]) {
        expectNone(
          await find(profile(subject)),
          `findUser took ${JSON.stringify(subject)} for another subject`,
          "the column's collation folds accents or its character set drops letters: use a binary collation",
        )
        if (isRow(await attempt(profile(subject)))) taken.push(profile(subject))
      }
      for (const person of taken)
        probe.expectProfile(await find(person), person, "the column's collation or character set changes letters")
    },
  },
  {
    name: "keeps people apart whose subject or username is the name of something in JavaScript",
    async check(probe) {
      const names = [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "valueOf",
        "length",
        "username",
        "subject",
      ]
      await expectApart(
        probe,
        names.map(name => probe.profile(name, { username: name, email: `${name}@shop.example` })),
        "a plain object `{}` as a map inherits such names, and takes `__proto__` for its prototype: use a Map",
      )
    },
  },
  {
    name: "keeps names in every script",
    async check({ profile, save, find, expectProfile }) {
      const names = { firstName: "Zoë 😀 O'Brien", lastName: '王 \\ "小明" %s', username: "ａ.élève_ß" }
      const person = profile("ada", names)
      const mistake = "the column drops letters: MariaDB's and MySQL's utf8 has three bytes only. Use utf8mb4"
      expectProfile(await save(person, mistake), person, mistake)
      expectProfile(await find(person), person, mistake)
    },
  },
  {
    name: "keeps people of two issuers apart, also where issuer and subject read alike when put together",
    async check(probe) {
      const { issuer, profile } = probe
      const separators = ["", "/", ":", "|", " ", ",", "#", "-", "\n"]
      await expectApart(
        probe,
        [
          profile("ada"),
          profile("ada", { issuer: `${issuer}/other` }),
          ...separators.flatMap(sign => [
            profile(`a${sign}da`, { issuer: `${issuer}/x` }),
            profile("da", { issuer: `${issuer}/x${sign}a` }),
          ]),
        ],
        "the row is keyed on the subject alone, or on a text that is put together from issuer and subject: two columns, or " +
          "JSON of both",
      )
    },
  },
  {
    name: "leaves everybody's names alone when somebody of another issuer has the same ones",
    async check({ issuer, profile, save, attempt, find, heldBy }) {
      const mistake =
        "a rule for unique names that looks across issuers: another realm's person takes the names of yours. Names are unique " +
        "per issuer, in every index and in every look-up: UNIQUE (issuer, username)"
      await save(profile("ada"), "a new person is inserted")
      const before = heldBy(await find(profile("ada")))
      const namesake = profile("somebody else", { issuer: `${issuer}/other`, asOf: late })
      const answer = await attempt(namesake)
      if (answer instanceof Error)
        throw failure(`saveUser threw "${answer.message}" for a namesake of another issuer`, mistake)
      const after = heldBy(await find(profile("ada")))
      if (Object.entries(before).every(([field, value]) => isSameValue(value, after[field as keyof UserProfile])))
        return
      throw failure("a namesake of another issuer has changed a row", mistake)
    },
  },
  {
    name: "lists each subject of its issuer once, in portions, where it has listSubjects at all",
    async check({ issuer, profile, save, list }) {
      const other = `${issuer}/other`
      const subjects = ["a", "A", "b", "B", "a-b", "10", "9", "Z"]
      for (const subject of subjects) await save(profile(subject), "a new person is inserted")
      for (const subject of ["c", "a"]) await save(profile(subject, { issuer: other }), "a new person is inserted")
      const mistake =
        "listSubjects gives those that come after `after`, it excluded, of one issuer, in the order in which the database " +
        "compares them: ORDER BY and > have to use one collation"
      const listed: string[] = []
      for (let portion: readonly string[] | null = null; portion === null || portion.length > 0; ) {
        portion = await list({ issuer, after: listed.at(-1) ?? null, limit: 3 })
        if (portion === null) return
        if (portion.length > 3) throw failure(`listSubjects gave ${portion.length} subjects for a limit of 3`, mistake)
        listed.push(...portion)
        if (listed.length > subjects.length) throw failure("listSubjects gave more subjects than there are", mistake)
      }
      if (listed.toSorted().join() !== subjects.toSorted().join())
        throw failure("listSubjects missed a subject", mistake)
    },
  },
  {
    name: "makes one row of 50 first saves at once",
    async check(probe) {
      const { profile, attempt, find, keyOf, remove } = probe
      const rows = await Promise.all(fifty(() => attempt(profile("ada"))))
      const thrown = rows.filter(row => row instanceof Error)
      if (thrown.length > 0) {
        throw failure(
          `${thrown.length} of 50 first saves at once threw "${thrown[0]?.message}"`,
          "find-then-insert is a race: two first requests both find no row, and both insert. Insert or update in one " +
            "statement, or insert and retry on the unique violation",
        )
      }
      const missing = rows.filter(row => !isRow(row))
      if (missing.length > 0) {
        throw failure(
          `${missing.length} of 50 first saves at once returned ${shown(missing[0])} instead of the row`,
          "`ON CONFLICT DO NOTHING RETURNING` (or `INSERT IGNORE`) returns nothing to whoever comes second. Use `DO UPDATE " +
            "SET … RETURNING`, or read the row back",
        )
      }
      const race =
        "find-then-insert is a race: two first requests both find no row, and both insert. Put a unique key on (issuer, " +
        "subject), and insert or update in one statement"
      const keys = new Set(rows.map(row => JSON.stringify(keyOf(row) ?? null, bigIntAsText)))
      if (keys.size > 1) throw failure(`50 first saves at once made ${keys.size} rows of one person`, race)
      await remove(profile("ada"), "removeUser takes the row away")
      expectNone(await find(profile("ada")), "50 first saves at once made several rows of one person", race)
    },
  },
  {
    name: "ends with the latest of 50 profiles that are saved at once",
    async check({ profile, attempt, save, find, expectProfile }) {
      const mistake =
        "reading the row, comparing the dates and then writing is a race: a stale profile overwrites a later one. Compare " +
        "inside of the statement that writes"
      // In no order, and with the latest neither first nor last.
      const profiles = fifty(index =>
        profile("ada", { username: `name ${index}`, asOf: new Date(early.getTime() + ((index * 7 + 5) % 50) * 1000) }),
      )
      await save(profile("ada", { asOf: new Date(early.getTime() - 1000) }), "a new person is inserted")
      const rows = await Promise.all(profiles.map(one => attempt(one)))
      for (const row of rows) {
        if (row instanceof Error) throw failure(`saveUser beside 49 others threw "${row.message}"`, mistake, row)
        if (!isRow(row)) throw failure(`saveUser beside 49 others returned ${shown(row)}`, mistake)
      }
      const latest = profiles.reduce((best, one) => (one.asOf > best.asOf ? one : best))
      expectProfile(await find(latest), latest, mistake)
    },
  },
  {
    name: "gives each of 50 people who are saved at once the row of their own",
    async check({ profile, attempt, find, expectProfile }) {
      const mistake = "values or ids of two saves got mixed up: nothing may be shared between two calls of saveUser"
      const people = fifty(index =>
        profile(`person ${index}`, { username: `name ${index}`, email: `name-${index}@shop.example` }),
      )
      const rows = await Promise.all(people.map(one => attempt(one)))
      for (const [index, person] of people.entries()) {
        const row = rows[index]
        if (row instanceof Error) throw failure(`saveUser beside 49 others threw "${row.message}"`, mistake, row)
        if (!isRow(row)) throw failure(`saveUser beside 49 others returned ${shown(row)}`, mistake)
        expectProfile(row, person, mistake)
        expectProfile(await find(person), person, mistake)
      }
    },
  },
]

const casesOfSharedAttributes: readonly Case[] = [
  {
    name: "lets two people swap usernames and e-mails, in either order",
    async check({ profile, save, find, expectProfile }) {
      const mistake =
        "a unique index on username or e-mail: of two people who swap, the first is refused, or takes over the other's row. " +
        "Leave the attributes not unique, or park what somebody else claims"
      for (const [one, other] of [
        ["1", "2"],
        ["4", "3"],
      ] as const) {
        const [first, second] = [one, other].sort()
        const [a, b] = [first, second].map(n => ({ username: `user ${n}`, email: `user-${n}@shop.example` }))
        await save(profile(first ?? "", a), mistake)
        await save(profile(second ?? "", b), mistake)
        const swapped = [one, other].map(n => profile(n, { ...(n === first ? b : a), asOf: late }))
        for (const person of swapped) expectProfile(await save(person, mistake), person, mistake)
        for (const person of swapped) expectProfile(await find(person), person, mistake)
      }
    },
  },
]

function caseWithoutExtra(extra: Readonly<Record<string, unknown>>): Case {
  return {
    name: "makes a row of somebody new who comes without sign-up data",
    async check({ profile, attempt, save, find, expectProfile, holdsExtra }) {
      const mistake =
        "whoever was made elsewhere comes with a token, and `extra` is undefined then. The columns of your own data have to " +
        "allow NULL or have a default, and `extra` has to be looked at before something is read from it"
      const first = await attempt(profile("ada"))
      const what = first instanceof Error ? `threw "${first.message}"` : `returned ${shown(first)}`
      if (!isRow(first) && isRow(await attempt(profile("bob", bob), extra))) {
        throw failure(`saveUser ${what} for a person without sign-up data, and takes people who have some`, mistake)
      }
      expectProfile(await save(profile("ada"), "a new person is inserted"), profile("ada"), mistake)
      const found = await find(profile("ada"))
      expectProfile(found, profile("ada"), mistake)
      for (const name of Object.keys(extra)) {
        if (found === null || !["undefined", "NaN"].some(text => holdsExtra(found, { [name]: text }))) continue
        throw failure(`the row holds a text in place of sign-up data that is not there, as "${name}"`, mistake)
      }
    },
  }
}

function casesOfExtra(extra: Readonly<Record<string, unknown>>): readonly Case[] {
  const dropped = "saveUser drops `extra`, the sign-up data that was handed to registerUser"
  return [
    {
      name: "keeps the sign-up data of a registration, and no later save changes it",
      async check({ profile, save, find, holdsExtra }) {
        const registered = await save(profile("ada"), "saving with sign-up data inserts the row", extra)
        if (!holdsExtra(registered, extra)) throw failure("the row of a registration has no sign-up data", dropped)
        const lost =
          "saveUser overwrites the sign-up data with nothing when a later token is saved without: keep it then"
        const again = await save(profile("ada", { ...countess, asOf: late }), lost)
        if (!holdsExtra(again, extra)) throw failure("a later save took the sign-up data away", lost)
        const found = await find(profile("ada"))
        if (found === null || !holdsExtra(found, extra)) throw failure("findUser shows no sign-up data", dropped)
        const other = await save(profile("bob", bob), "a person who came without a registration has no sign-up data")
        if (holdsExtra(other, extra))
          throw failure("a person has the sign-up data of another", "it belongs to one row only")
      },
    },
    {
      name: "keeps the sign-up data of a registration that a first request has overtaken",
      async check({ profile, save, holdsExtra, expectProfile }) {
        for (const [subject, first, second] of [
          ["sooner", early, late],
          ["later", late, early],
        ] as const) {
          const newer = profile(subject, { ...countess, asOf: late })
          await save(profile(subject, { ...countess, asOf: first }), "a new person is inserted")
          const mistake =
            `${dropped} when the row is there already${second < first ? " and knows more" : ""}: a person's first request may ` +
            "overtake the end of the registration. The profile is compared by date, the sign-up data is not"
          const row = await save({ ...newer, asOf: second }, mistake, extra)
          if (!holdsExtra(row, extra)) throw failure("the row of a registration has no sign-up data", mistake)
          expectProfile(row, newer, "the sign-up data is saved, and the profile of the later date stays")
        }
      },
    },
    {
      name: "gives a person who comes back after a removal no sign-up data of before",
      async check({ profile, save, remove, holdsExtra }) {
        await save(profile("ada"), "a new person is inserted", extra)
        await remove(profile("ada"), "removeUser takes the row away")
        const row = await save(profile("ada"), "a person who was removed can come back")
        if (holdsExtra(row, extra))
          throw failure("the sign-up data of a removed row is back", "removeUser left it behind")
      },
    },
  ]
}

/** Ada, then somebody with the same value of one attribute: each has a row, and Ada's is as it was. */
async function expectTwoPeople<User>(
  { profile, save, attempt, find, differences, expectProfile }: Probe<User>,
  others: Partial<UserProfile>,
  attribute: string,
  mistake: string,
): Promise<void> {
  const first = profile("1")
  const second = profile("2", { firstName: bob.firstName, lastName: bob.lastName, ...others, asOf: late })
  await save(first, "a new person is inserted")
  const answer = await attempt(second)
  const before = await find(first)
  if (before === null || differences(before, first).length > 0) {
    throw failure(`saving a second person with the same ${attribute} took over the first person's row`, mistake)
  }
  if (answer instanceof Error) {
    throw failure(
      `saveUser threw "${answer.message}" for a second person with the same ${attribute}`,
      `a unique index on the ${attribute} locks people out: Keycloak lets it be reused. Leave it not unique, or park what ` +
        "somebody else claims",
      answer,
    )
  }
  if (!isRow(answer))
    throw failure(`saveUser returned ${shown(answer)} for a second person with the same ${attribute}`, mistake)
  expectProfile(answer, second, mistake)
  expectProfile(await find(second), second, mistake)
}

/** Each of these people has no row before being saved, has one afterwards, and loses no other by being removed. */
async function expectApart<User>(
  { save, find, remove, expectProfile }: Probe<User>,
  people: readonly UserProfile[],
  mistake: string,
): Promise<void> {
  const told = people.map((person, index) => ({ ...person, firstName: `person ${index}`, lastName: `name ${index}` }))
  const nameOf = ({ issuer, subject }: UserIdentity) => `${JSON.stringify(subject)} of ${JSON.stringify(issuer)}`
  for (const person of told) {
    expectNone(await find(person, mistake), `findUser took ${nameOf(person)} for somebody else`, mistake)
    await save(person, mistake)
  }
  await Promise.all(told.map(async person => expectProfile(await find(person, mistake), person, mistake)))
  for (const [index, person] of told.entries()) {
    await remove(person, mistake)
    const next = told[index + 1]
    if (next !== undefined) expectProfile(await find(next, mistake), next, mistake)
  }
}

function fifty<Item>(make: (index: number) => Item): Item[] {
  return Array.from({ length: 50 }, (_, index) => make(index))
}

function bigIntAsText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value
}
