import { readOptions } from "../option-reader.js"
import { createRecentRows } from "./recent-rows.js"
import type { UserIdentity, UserProfile, UserStore } from "./user-store.js"

/** For how long rows are remembered, and how many. */
export interface CachedUserStoreOptions {
  /**
   * Seconds after which a row is read anew; fractions are allowed, at most 86,400. What other processes write is seen that
   * much later: a ban, a plan that was paid.
   */
  readonly seconds: number
  /** How many rows are remembered, 10,000 by default; those that nobody asks for go first. */
  readonly maxUsers?: number | undefined
}

/** A user store that remembers rows. */
export interface CachedUserStore<User> extends UserStore<User> {
  /** The row if it is remembered; undefined where `findUser` has to ask. */
  peekUser(identity: UserIdentity): User | undefined
  /** Forgets one row, for whoever changes it beside the gate: the next request reads it. In this process alone. */
  forget(identity: UserIdentity): void
}

/**
 * Your user store, which remembers the rows that it has found or saved for some seconds, in this process's memory: most
 * requests then ask the database nothing. What `saveUser`, `removeUser` and `linkUser` write here is seen at once, what is
 * written elsewhere after `seconds`, or after `forget`.
 *
 * All requests of a person share one row object: don't change it.
 *
 * @throws {GateError} `config_invalid` when `store` is no user store, or an option is wrong
 * @example
 * const userStore = cachedUserStore(createPostgresStore(pool), { seconds: 10, maxUsers: 10_000 })
 * await pool.query("UPDATE app_user SET plan = 'pro' WHERE id = $1", [user.id])
 * userStore.forget(user)
 */
export function cachedUserStore<User>(store: UserStore<User>, options: CachedUserStoreOptions): CachedUserStore<User> {
  const { seconds, maxUsers } = readSettings(store, options)
  const rows = createRecentRows<User>(maxUsers)
  const changes = new Map<string, Map<string, Change>>()
  // Looked up at each call, so that fake clocks work; never set back.
  const elapsed = () => performance.now()

  function remember(identity: UserIdentity, row: User | null | undefined, since: number): void {
    if (row !== null && row !== undefined) rows.set(identity, row, since + seconds * 1000)
  }

  /** What is read of this person is remembered only if nothing of `Change` has happened since. */
  function changeOf({ issuer, subject }: UserIdentity): Change | undefined {
    return changes.get(issuer)?.get(subject)
  }

  /** Holds the changes of a person together for as long as somebody reads or writes the row. */
  async function during<Result>(identity: UserIdentity, work: (change: Change) => Promise<Result>): Promise<Result> {
    const { issuer, subject } = identity
    const ofIssuer = changes.get(issuer) ?? new Map<string, Change>()
    const change = ofIssuer.get(subject) ?? { count: 0, writes: 0, holders: 0 }
    changes.set(issuer, ofIssuer.set(subject, change))
    change.holders += 1
    try {
      return await work(change)
    } finally {
      change.holders -= 1
      if (change.holders === 0) ofIssuer.delete(subject)
      if (ofIssuer.size === 0) changes.delete(issuer)
    }
  }

  function read(identity: UserIdentity): Promise<User | null> {
    return during(identity, async change => {
      const since = elapsed()
      const { count, writes } = change
      const row = await store.findUser(identity)
      // A row that was read beside a write is that of before, or the one of after: nobody can tell.
      if (change.count === count && writes === 0) remember(identity, row, since)
      return row
    })
  }

  /** What a write gives back is the row, unless another one was under way beside it. */
  function write<Row extends User | null>(identity: UserIdentity, work: () => Promise<Row>): Promise<Row> {
    return during(identity, async change => {
      const since = elapsed()
      rows.delete(identity)
      const count = ++change.count
      const isAlone = ++change.writes === 1
      try {
        const row = await work()
        if (isAlone && change.count === count) remember(identity, row, since)
        return row
      } finally {
        change.count += 1
        change.writes -= 1
      }
    })
  }

  return {
    async findUser(identity) {
      return rows.find(identity, elapsed()) ?? read(identityOf(identity))
    },
    peekUser: identity => rows.find(identity, elapsed()),
    saveUser: (profile, extra) => write(identityOf(profile), async () => store.saveUser(profile, extra)),
    async removeUser(identity) {
      await write(identityOf(identity), async () => {
        await store.removeUser(identity)
        return null
      })
    },
    forget(identity) {
      rows.delete(identity)
      const change = changeOf(identity)
      if (change !== undefined) change.count += 1
    },
    ...(typeof store.listSubjects === "function" && {
      async listSubjects(...given: Parameters<Required<UserStore<User>>["listSubjects"]>) {
        return store.listSubjects?.(...given) ?? []
      },
    }),
    ...(typeof store.findUnlinked === "function" && {
      async findUnlinked(...given: Parameters<Required<UserStore<User>>["findUnlinked"]>) {
        return store.findUnlinked?.(...given) ?? []
      },
    }),
    ...(typeof store.linkUser === "function" && {
      linkUser: (key: Parameters<Required<UserStore<User>>["linkUser"]>[0], profile: UserProfile) =>
        write(identityOf(profile), async () => store.linkUser?.(key, profile) ?? null),
    }),
  }
}

/** What has happened to a person's row while somebody reads or writes it. */
interface Change {
  /** Beginnings and ends of writes, and calls of `forget`. */
  count: number
  /** How many writes are under way. */
  writes: number
  holders: number
}

function readSettings(store: unknown, options: unknown): { readonly seconds: number; readonly maxUsers: number } {
  return readOptions(
    "cachedUserStore",
    options,
    given => {
      const missing = ["findUser", "saveUser", "removeUser"].filter(
        name => typeof (store as Record<string, unknown> | null | undefined)?.[name] !== "function",
      )
      if (missing.length > 0) given.note("store", `expected a UserStore, but it has no function ${missing.join(", ")}`)
      if (!given.has("seconds")) given.note("seconds", "expected how long a row is remembered, got undefined")
      return {
        seconds: given.number("seconds", 1, 0.001, 86_400),
        maxUsers: Math.floor(given.number("maxUsers", 10_000, 1, 10_000_000)),
      }
    },
    "`seconds` and `maxUsers`",
  )
}

function identityOf({ issuer, subject }: UserIdentity): UserIdentity {
  return { issuer, subject }
}
