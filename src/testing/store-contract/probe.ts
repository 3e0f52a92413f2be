import { isDeepStrictEqual } from "node:util"
import type { SubjectRange, UserIdentity, UserKey, UserProfile, UserStore } from "../../users/user-store.js"
import type { RowReader } from "./stored-row.js"

/** One promise, held against a store. */
export interface Case<User = unknown> {
  readonly name: string
  readonly check: (probe: Probe<User>) => Promise<void>
}

/** A store under test, and how to hold it to something. */
export interface Probe<User> {
  readonly issuer: string
  readonly attributesAreUnique: boolean
  /** A profile of an issuer that no other case uses. */
  profile(subject: string, changes?: Partial<UserProfile>): UserProfile
  /** Saves, and fails with this mistake where that throws or returns no row. */
  save(profile: UserProfile, mistake: string, extra?: unknown): Promise<User>
  /** Saves, whatever comes of it. */
  attempt(profile: UserProfile, extra?: unknown): Promise<User | null | undefined | Error>
  /** Finds, and fails where that throws or gives neither a row nor null; with this mistake where it isn't undefined. */
  find(identity: UserIdentity, mistake?: string): Promise<User | null>
  remove(identity: UserIdentity, mistake: string): Promise<void>
  /** Null where the store doesn't list. */
  list(range: SubjectRange): Promise<readonly string[] | null>
  /** Puts a row without subject into the store, and returns its key. */
  addUnowned(names: UnownedNames): Promise<UserKey>
  readonly canFindUnlinked: boolean
  readonly canLink: boolean
  /** The keys that the store finds, and fails with this mistake where that throws or gives no list. */
  unlinkedOf(profile: UserProfile, by: "username" | "email", mistake: string): Promise<readonly UserKey[]>
  /** Links, and fails with this mistake where that throws or gives neither a row nor null. */
  link(key: UserKey, profile: UserProfile, mistake: string): Promise<User | null>
  /** What the row holds, unique attributes included. */
  heldBy(row: User | null): Partial<UserProfile>
  /** The names of the profile's fields of which the row holds something else. */
  differences(row: User | null, profile: UserProfile): readonly string[]
  /** Fails with this mistake unless the row holds the profile. */
  expectProfile(row: User | null, profile: UserProfile, mistake: string): void
  keyOf(row: User): unknown
  holdsExtra(row: User, extra: Readonly<Record<string, unknown>>): boolean
}

/** What a row without subject goes by. */
export interface UnownedNames {
  readonly username: string
  readonly email: string
}

export interface ProbeParts<User> {
  readonly store: UserStore<User>
  readonly reader: RowReader<User>
  readonly issuer: string
  readonly attributesAreUnique: boolean
  readonly addUnowned: (names: UnownedNames) => UserKey | Promise<UserKey>
  /** Hears of everything that may be left when the case is over. */
  readonly noted: { readonly identities: Set<string>; readonly keys: Set<UserKey> }
}

// A second apart, as the dates of tokens are.
export const early: Date = new Date("2026-01-01T10:00:00Z")
export const late: Date = new Date("2026-01-01T10:00:01Z")

type Names = Pick<UserProfile, "firstName" | "lastName"> & UnownedNames

export const ada: Names = { username: "ada", email: "ada@shop.example", firstName: "Ada", lastName: "Lovelace" }
export const bob: Names = { username: "bob", email: "bob@shop.example", firstName: "Bob", lastName: "Babbage" }

export function createProbe<User>(parts: ProbeParts<User>): Probe<User> {
  const { store, reader, issuer, attributesAreUnique, noted } = parts
  const isOwn = (field: string) => attributesAreUnique && (field === "username" || field === "email")

  function note({ issuer, subject }: UserIdentity): void {
    noted.identities.add(JSON.stringify({ issuer, subject }))
  }

  async function save(profile: UserProfile, extra?: unknown): Promise<User> {
    note(profile)
    return extra === undefined ? store.saveUser(profile) : store.saveUser(profile, extra)
  }

  function differences(row: User | null, profile: UserProfile): readonly string[] {
    const held = Object.entries(row === null ? {} : reader.profileOf(row, profile))
    if (row !== null && held.length === 0) {
      throw new Error("The row shows nothing of the profile under a name that is known here: pass `profileOf`.")
    }
    return held
      .filter(([field, value]) => !isOwn(field) && !isSameValue(value, profile[field as keyof UserProfile]))
      .map(([field]) => field)
  }

  return {
    issuer,
    attributesAreUnique,
    differences,
    heldBy: row => (row === null ? {} : reader.profileOf(row)),
    keyOf: reader.keyOf,
    holdsExtra: reader.holdsExtra,
    profile(subject, changes) {
      return { issuer, subject, ...ada, emailVerified: false, custom: {}, asOf: early, ...changes }
    },
    async save(profile, mistake, extra) {
      const row = await outcome(() => save(profile, extra))
      if (row instanceof Error) throw failure(`saveUser threw "${row.message}"`, mistake, row)
      if (!isRow(row)) throw failure(`saveUser returned ${shown(row)} instead of the row`, mistake)
      return row
    },
    attempt: (profile, extra) => outcome(() => save(profile, extra)),
    async find({ issuer, subject }, mistake) {
      const row = await outcome(async () => store.findUser({ issuer, subject }))
      const noNull =
        "where there is no row it must be null. The first of no rows is undefined, so write `rows[0] ?? null`"
      if (row instanceof Error) throw failure(`findUser threw "${row.message}"`, noNull, row)
      if (row === null || isRow(row)) return row
      throw failure(`findUser returned ${shown(row)}`, row === undefined ? noNull : (mistake ?? noNull))
    },
    async remove({ issuer, subject }, mistake) {
      const removed = await outcome(async () => store.removeUser({ issuer, subject }))
      if (removed instanceof Error) throw failure(`removeUser threw "${removed.message}"`, mistake, removed)
    },
    list: async range => (await store.listSubjects?.(range)) ?? null,
    async addUnowned(names) {
      const key = await parts.addUnowned(names)
      if (!isKey(key))
        throw failure(`unownedRow returned ${shown(key)}`, "it is to return the key of the row that it made")
      noted.keys.add(key)
      return key
    },
    canFindUnlinked: typeof store.findUnlinked === "function",
    canLink: typeof store.linkUser === "function",
    async unlinkedOf(profile, by, mistake) {
      const keys = await outcome(async () => store.findUnlinked?.(profile, { by }))
      if (keys instanceof Error) throw failure(`findUnlinked threw "${keys.message}"`, mistake, keys)
      if (Array.isArray(keys) && keys.every(isKey)) return keys
      const what = Array.isArray(keys) ? "something else than keys" : shown(keys)
      throw failure(`findUnlinked returned ${what}`, "it returns a list of keys, an empty one where there are none")
    },
    async link(key, profile, mistake) {
      note(profile)
      const row = await outcome(async () => store.linkUser?.(key, profile))
      if (row instanceof Error) throw failure(`linkUser threw "${row.message}"`, mistake, row)
      if (row === null || isRow(row)) return row
      throw failure(
        `linkUser returned ${shown(row)}`,
        "it returns the row, or null where it tied none. The first of no rows is undefined, so write `rows[0] ?? null`",
      )
    },
    expectProfile(row, profile, mistake) {
      if (row === null) throw failure(`there is no row of ${JSON.stringify(profile.subject)}`, mistake)
      const different = differences(row, profile)
      if (different.length === 0) return
      throw failure(`the row holds something else than was saved as ${different.join(", ")}`, mistake)
    },
  }
}

export function expectNone(row: unknown, what: string, mistake: string): void {
  if (row !== null) throw failure(what, mistake)
}

export function failure(what: string, mistake: string, cause?: unknown): Error {
  const text = `${what}: ${mistake}.`
  return cause === undefined ? new Error(text) : new Error(text, { cause })
}

/** What came of it, an error too. */
export function outcome<Result>(act: () => Promise<Result>): Promise<Result | Error> {
  return act().catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
}

export function isRow<User>(row: User | null | undefined | Error): row is User {
  return typeof row === "object" && row !== null && !(row instanceof Error)
}

function isKey(value: unknown): value is UserKey {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint"
}

export function isSameValue(one: unknown, other: unknown): boolean {
  if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime()
  if (isObject(one) && isObject(other)) return isDeepStrictEqual(one, other)
  // A key may be a number here and a text there; null is no text.
  return one === other || (one != null && other != null && String(one) === String(other))
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null
}

export function shown(value: unknown): string {
  return Array.isArray(value) ? "a list" : typeof value === "function" ? "a function" : String(value)
}
