import { GateError } from "../errors.js"
import type { Report } from "../events.js"
import { createTimeLimit } from "./in-time.js"
import type { SubjectRange, UserIdentity, UserKey, UserProfile, UserStore } from "./user-store.js"

/** The application's store with a limit for each call: a database pool may wait for ever, and people would wait with it. */
export interface BoundedStore<User> {
  readonly findUser: (identity: UserIdentity) => Promise<User | null>
  /** `late` hears when a save has settled after its limit: what it wrote is there from then on. */
  readonly saveUser: (profile: UserProfile, extra: unknown, late: () => void) => Promise<User>
  readonly removeUser: (identity: UserIdentity) => Promise<void>
  /** Whether the store has the functions that it need not have. */
  readonly canList: boolean
  readonly canFindUnlinked: boolean
  readonly canLink: boolean
  readonly listSubjects: (range: SubjectRange) => Promise<readonly string[]>
  readonly findUnlinked: (profile: UserProfile, how: { by: "username" | "email" }) => Promise<readonly UserKey[]>
  /** `late` as of `saveUser`. */
  readonly linkUser: (key: UserKey, profile: UserProfile, late: () => void) => Promise<User | null>
  /** Null: the store has none. At once, and so without a limit. */
  readonly peekUser: ((identity: UserIdentity) => User | undefined) | null
  /** The same limit for a function of the application beside its store. */
  readonly bounded: <Value>(call: string, work: () => Value | PromiseLike<Value>) => Promise<Value>
  /** Whether this error is of a call that took too long, which `store_slow` has told. */
  readonly hasTold: (error: unknown) => boolean
  /** Ends what is under way with `closed`, and begins nothing more. */
  readonly close: () => void
}

export interface BoundedStoreParts<User> {
  readonly store: UserStore<User>
  readonly storeTimeoutMs: number
  readonly report: Report
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/**
 * What the store throws comes through untouched, and what takes too long is `store_unavailable`. The event tells that once
 * for each function, and again only after a call of it has settled in time.
 */
export function createBoundedStore<User>(parts: BoundedStoreParts<User>): BoundedStore<User> {
  const { store, storeTimeoutMs, report } = parts
  const slow = new Set<string>()
  const told = new WeakSet<object>()
  const limit = createTimeLimit({
    limitMs: storeTimeoutMs,
    elapsed: parts.elapsed,
    expired(call) {
      const error = tooSlow(call, storeTimeoutMs)
      if (!slow.has(call)) report({ type: "store_slow", call, error })
      slow.add(call)
      told.add(error)
      return error
    },
    settledInTime(call) {
      if (slow.size > 0) slow.delete(call)
    },
  })
  let isClosed = false

  function run<Value>(call: string, work: () => Value | PromiseLike<Value>, late?: () => void): Promise<Value> {
    return isClosed ? Promise.reject(closed(call)) : limit.run(call, work, late)
  }

  return {
    findUser: identity => run("findUser", () => store.findUser(identity)),
    saveUser: (profile, extra, late) => run("saveUser", () => store.saveUser(profile, extra), late),
    removeUser: identity => run("removeUser", () => store.removeUser(identity)),
    canList: typeof store.listSubjects === "function",
    canFindUnlinked: typeof store.findUnlinked === "function",
    canLink: typeof store.linkUser === "function",
    listSubjects: range => run<readonly string[]>("listSubjects", () => store.listSubjects?.(range) ?? []),
    // A store in plain JavaScript may say nothing where it has nothing: `return rows[0]`.
    findUnlinked: (profile, how) =>
      run<readonly UserKey[]>("findUnlinked", async () => (await store.findUnlinked?.(profile, how)) ?? []),
    linkUser: (key, profile, late) =>
      run<User | null>("linkUser", async () => (await store.linkUser?.(key, profile)) ?? null, late),
    peekUser: typeof store.peekUser === "function" ? identity => rowAtOnce(store.peekUser?.(identity)) : null,
    bounded: (call, work) => run(call, work),
    hasTold: error => told.has(error as object),
    close() {
      isClosed = true
      limit.close(closed)
    },
  }
}

/** A store in plain JavaScript may have an asynchronous `peekUser`: its promise is no row, and may reject. */
function rowAtOnce<User>(peeked: User | undefined): User | undefined {
  if (typeof (peeked as { then?: unknown } | null | undefined)?.then !== "function") return peeked ?? undefined
  Promise.resolve(peeked).catch(() => undefined)
  return undefined
}

function tooSlow(call: string, limitMs: number): GateError {
  return new GateError(
    "store_unavailable",
    `The user store's ${call} did not settle within ${limitMs} ms (\`storeTimeoutMs\`). Callers get 503, and the next request ` +
      "tries again. Give the database pool limits below it, for a connection and for a statement, so that the database says " +
      "what is wrong.",
  )
}

function closed(call: string): GateError {
  return new GateError("closed", `The gate was closed with close() before the user store's ${call} had settled.`)
}
