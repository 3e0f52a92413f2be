import type { UserIdentity, UserKey, UserProfile, UserStore } from "./user-store.js"

/** A row of the memory store: the profile, and the application's own sign-up data. */
export interface MemoryUser extends UserProfile {
  readonly extra: unknown
}

/** A row that is there before its person has an account: from a table that is older than the realm. */
export interface UnlinkedMemoryUser {
  readonly username?: string | null | undefined
  readonly email?: string | null | undefined
  /** Stays with the row when it is linked. */
  readonly extra?: unknown
}

/** A store with every function that a store may have. */
export interface MemoryUserStore extends Required<Omit<UserStore<MemoryUser>, "peekUser">> {
  /** Adds a row without subject, for `importUsers`, `linkUsers` and `legacyLogin`; returns its key. */
  addUnlinked(row: UnlinkedMemoryUser): UserKey
}

/**
 * A user store in this process's memory, for tests and demos: every row is gone when the process ends.
 *
 * In production (`NODE_ENV=production`) it warns once, through `process.emitWarning`.
 */
export function memoryUserStore(): MemoryUserStore {
  if (process.env.NODE_ENV === "production") {
    process.emitWarning("memoryUserStore() is for tests and demos: its rows are gone when this process ends.", {
      type: "KeycloakGateWarning",
    })
  }
  // Maps, because `__proto__` is a legal value for most keys, and JSON, so that no two identities share a key.
  const rows = new Map<string, MemoryUser>()
  const unlinked = new Map<UserKey, UnlinkedMemoryUser>()
  const keyOf = ({ issuer, subject }: UserIdentity) => JSON.stringify([issuer, subject])
  let lastKey = 0

  return {
    async findUser(identity) {
      return rows.get(keyOf(identity)) ?? null
    },
    async saveUser(profile, extra) {
      const before = rows.get(keyOf(profile))
      const { customAsOf: _, ...newest } = before !== undefined && before.asOf > profile.asOf ? before : profile
      const custom = laterCustom(before ?? profile, profile, newest.asOf)
      const row = Object.freeze({ ...newest, ...custom, extra: extra ?? before?.extra ?? null })
      rows.set(keyOf(profile), row)
      return row
    },
    async removeUser(identity) {
      rows.delete(keyOf(identity))
    },
    async listSubjects({ issuer, after, limit }) {
      const subjects = [...rows.values()].filter(row => row.issuer === issuer).map(({ subject }) => subject)
      const further = subjects.filter(subject => after === null || subject > after)
      return further.sort().slice(0, limit)
    },
    addUnlinked(row) {
      unlinked.set(++lastKey, { ...row })
      return lastKey
    },
    async findUnlinked(profile, { by }) {
      const wanted = profile[by]?.toLowerCase()
      if (!wanted) return []
      return [...unlinked].filter(([, row]) => row[by]?.toLowerCase() === wanted).map(([key]) => key)
    },
    async linkUser(key, profile) {
      const before = unlinked.get(key)
      if (before === undefined || rows.has(keyOf(profile))) return null
      unlinked.delete(key)
      const row = Object.freeze({ ...profile, extra: before.extra ?? null })
      rows.set(keyOf(profile), row)
      return row
    },
  }
}

/** The custom values of two profiles that were told last, with their date where that isn't the row's. */
function laterCustom(one: UserProfile, other: UserProfile, asOf: Date): Pick<UserProfile, "custom" | "customAsOf"> {
  const dateOf = (profile: UserProfile) => profile.customAsOf ?? profile.asOf
  const later = dateOf(one) > dateOf(other) ? one : other
  const customAsOf = dateOf(later)
  return { custom: later.custom, ...(customAsOf.getTime() !== asOf.getTime() && { customAsOf }) }
}
