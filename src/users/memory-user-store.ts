import type { UserIdentity, UserProfile, UserStore } from "./user-store.js"

/** A row of the memory store: the profile, and the application's own sign-up data. */
export interface MemoryUser extends UserProfile {
  readonly extra: unknown
}

/**
 * A user store in this process's memory, for tests and demos: every row is gone when the process ends.
 *
 * In production (`NODE_ENV=production`) it warns once, through `process.emitWarning`.
 */
export function memoryUserStore(): UserStore<MemoryUser> {
  if (process.env.NODE_ENV === "production") {
    process.emitWarning("memoryUserStore() is for tests and demos: its rows are gone when this process ends.", {
      type: "KeycloakGateWarning",
    })
  }
  // A Map, because `__proto__` is a legal value for most keys, and JSON, so that no two identities share a key.
  const rows = new Map<string, MemoryUser>()
  const keyOf = ({ issuer, subject }: UserIdentity) => JSON.stringify([issuer, subject])

  return {
    async findUser(identity) {
      return rows.get(keyOf(identity)) ?? null
    },
    async saveUser(profile, extra) {
      const before = rows.get(keyOf(profile))
      const newest = before !== undefined && before.asOf > profile.asOf ? before : profile
      const row = Object.freeze({ ...newest, extra: extra ?? before?.extra ?? null })
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
  }
}
