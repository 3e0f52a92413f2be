import type { UserProfile } from "../../users/user-store.js"

/** What the store contract has to know of a row; each of it is read by name where the application does not tell how. */
export interface RowReader<User> {
  /** Its profile; where `saved` tells nothing, what the table keeps for null is null. */
  profileOf(user: User, saved?: UserProfile): Partial<UserProfile>
  /** Whether the row holds this sign-up data. */
  holdsExtra(user: User, extra: Readonly<Record<string, unknown>>): boolean
  /** The application's own key, undefined where rows have none. */
  keyOf(user: User): unknown
}

type MayBeNull = "username" | "email" | "firstName" | "lastName"

/** What a table keeps of a profile that tells nothing, by the names of a profile. */
export type KeptForNull = { readonly [Field in MayBeNull]?: string | ((profile: UserProfile) => string) | undefined }

export interface RowReaderOptions<User> {
  readonly profileOf?: ((user: User) => Partial<UserProfile>) | undefined
  readonly extraOf?: ((user: User) => unknown) | undefined
  readonly keyOf?: ((user: User) => unknown) | undefined
  readonly keptForNull?: KeptForNull | undefined
}

export function createRowReader<User>(options: RowReaderOptions<User>): RowReader<User> {
  const { profileOf, extraOf, keyOf, keptForNull = {} } = options

  /** Where a profile tells nothing and the row holds what the table keeps for it. */
  function nulls(held: Partial<UserProfile>, saved: UserProfile): Partial<UserProfile> {
    const kept = (Object.entries(keptForNull) as [MayBeNull, KeptForNull[MayBeNull]][]).filter(([name, instead]) => {
      const text = typeof instead === "function" ? instead(saved) : instead
      return saved[name] === null && text !== undefined && held[name] === text
    })
    return Object.fromEntries(kept.map(([name]) => [name, null]))
  }

  return {
    profileOf(user, saved) {
      const held = profileIn(profileOf === undefined ? columnsOf(user) : new Map(Object.entries(profileOf(user))))
      return saved === undefined ? held : { ...held, ...nulls(held, saved) }
    },
    keyOf: user => (keyOf === undefined ? (memberOf(user, "id") ?? memberOf(user, "_id")) : keyOf(user)),
    holdsExtra(user, extra) {
      const holders = extraOf === undefined ? partsOf(user) : [extraOf(user)]
      const entries = Object.entries(extra)
      return holders.some(holder => entries.every(([name, value]) => isSame(memberOf(holder, name), value)))
    },
  }
}

const texts = ["issuer", "subject", "username", "email", "firstName", "lastName"] as const

function profileIn(columns: ReadonlyMap<string, unknown>): Partial<UserProfile> {
  const isVerified = columns.get("emailVerified")
  const asOf = columns.get("asOf")
  const custom = parsed(columns.get("custom"))
  return {
    ...Object.fromEntries(texts.filter(name => columns.has(name)).map(name => [name, columns.get(name)])),
    // SQLite and MariaDB have no booleans, SQLite has no dates.
    ...(isVerified !== undefined && { emailVerified: isVerified === true || Number(isVerified) === 1 }),
    // A column of the application's own may have the same name.
    ...(isPart(custom) && !Array.isArray(custom) && { custom: custom as UserProfile["custom"] }),
    ...(asOf !== undefined && { asOf: new Date(typeof asOf === "bigint" ? Number(asOf) : (asOf as Date | string)) }),
  }
}

const fields = [...texts, "emailVerified", "custom", "asOf"] as const

/** The row's columns under the names of a profile: `emailVerified`, `email_verified` and `EMAIL_VERIFIED` are one. */
function columnsOf(user: unknown): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>()
  for (const part of partsOf(user)) {
    for (const [name, value] of Object.entries(part as object)) {
      const field = fields.find(one => one.toLowerCase() === name.toLowerCase().replaceAll("_", ""))
      if (field !== undefined && value !== undefined && !found.has(field)) found.set(field, value)
    }
  }
  return found
}

/** A row, and what it holds in objects or in JSON texts of its own. */
function partsOf(user: unknown): object[] {
  if (typeof user !== "object" || user === null) return []
  return [user, ...Object.values(user).map(parsed).filter(isPart)]
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string" || !value.startsWith("{")) return value
  try {
    return JSON.parse(value)
  } catch {
    return value // a text that only looks like JSON
  }
}

function isPart(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Date)
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other)
}
