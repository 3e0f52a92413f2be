import type { JsonValue } from "../verify/claims.js"

/**
 * The application's own user table, seen through three functions: write one for your database.
 *
 * Identity is (issuer, subject) and nothing else. Username and e-mail change, are reused by other people and get
 * swapped: never find, merge or link a row by them. What a store throws reaches the caller untouched.
 */
export interface UserStore<User> {
  /** The row of (issuer, subject), or null. */
  findUser(identity: UserIdentity): Promise<User | null>
  /**
   * Inserts or updates the row of (profile.issuer, profile.subject) and returns it.
   *
   * Many processes may call it for one person at once: use one upsert statement, or insert and retry on the unique
   * violation. The profile of a row that was saved with a later `asOf` stays as it is, and the row is returned. `extra` is
   * what the application handed to `registerUser`, undefined at every other time: columns of its own have to do without. It
   * is saved in either case, because a person's first request may overtake the end of the registration.
   */
  saveUser(profile: UserProfile, extra?: unknown): Promise<User>
  /** Removes the row if there is one: undoes a registration, follows a deletion in Keycloak. */
  removeUser(identity: UserIdentity): Promise<void>
  /**
   * Only for `syncUsers` with `onMissing`: the subjects of the issuer's rows that come after `after` (null: from the
   * first one), at most `limit`, ascending in whatever order the database has; none when there are no more.
   */
  listSubjects?(range: SubjectRange): Promise<readonly string[]>
  /**
   * Only for `linkUsers`: the keys of the rows without subject that have this profile's username, or its e-mail, whatever
   * the case of the letters.
   */
  findUnlinked?(profile: UserProfile, how: { readonly by: "username" | "email" }): Promise<readonly UserKey[]>
  /**
   * Only for `importUsers`, `linkUsers` and `legacyLogin`: makes the row of `key` the row of (profile.issuer,
   * profile.subject), saves the profile in it and returns it. One statement: null where that row has a subject meanwhile,
   * the subject has a row already, or there is no such row.
   */
  linkUser?(key: UserKey, profile: UserProfile): Promise<User | null>
  /**
   * Only for stores that hold rows in memory, as `cachedUserStore` does: the row of (issuer, subject) at once, undefined
   * where `findUser` is to be asked. A request whose token is remembered then waits for nothing.
   */
  peekUser?(identity: UserIdentity): User | undefined
}

/** What tells a row of the application's table from all others: its primary key. */
export type UserKey = string | number | bigint

/** Which subjects to list. */
export interface SubjectRange {
  readonly issuer: string
  readonly after: string | null
  readonly limit: number
}

/** Who a row belongs to. */
export interface UserIdentity {
  readonly issuer: string
  readonly subject: string
}

/** What Keycloak tells about a person; `null` where it tells nothing, never undefined. */
export interface UserProfile {
  readonly issuer: string
  readonly subject: string
  readonly username: string | null
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  /** What else of a token or an account the application keeps, as its `customProfile` says; frozen, by default `{}`. */
  readonly custom: Readonly<Record<string, JsonValue>>
  /** When Keycloak said `custom`, where that isn't `asOf`: not every source tells it, see `customProfile`. */
  readonly customAsOf?: Date
  /** When Keycloak said this; of two profiles the later one is right. */
  readonly asOf: Date
}
