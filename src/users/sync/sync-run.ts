import { GateError, isGateError } from "../../errors.js"
import type { BoundedStore } from "../bounded-store.js"
import { type CustomReader, profileOfAccount } from "../custom-profile.js"
import type { UserRows } from "../user-rows.js"
import type { SubjectRange, UserIdentity, UserProfile } from "../user-store.js"
import { nextStep, shortened, type WalkPosition } from "./account-walk.js"
import type { AccountListing, ListedAccount } from "./keycloak-listing.js"
import { mapLimited } from "./map-limited.js"
import { areTooMany, areTooManyAtFirst, tooManyMissing } from "./sync-brake.js"
import {
  type AccountsPlace,
  type RemovalPlace,
  type RowCounts,
  type RowsPlace,
  type SyncPlace,
  writeCursor,
} from "./sync-cursor.js"

/** Which accounts and rows a run of `syncUsers` takes, and how. */
export interface SyncUsersOptions {
  /** Only accounts that were created since then; default all. Keycloak can't tell which ones have changed. */
  readonly since?: Date | undefined
  /**
   * What becomes of rows whose account is gone: `"report"` only tells, `"remove"` calls the store's `removeUser`, a
   * function does what you want, such as marking the row. By default nobody looks. Needs the store's `listSubjects`.
   * Both are done at the end, after all rows were looked at, and not to suspiciously many: see `maxMissing`.
   */
  readonly onMissing?: "report" | "remove" | ((identity: UserIdentity) => void | Promise<void>) | undefined
  /**
   * How many rows may be removed, or handed to the function: a whole number, or `Infinity`. More end the run before the
   * first one goes. By default more than 20 that are more than a tenth are too many, and more than half of at least five.
   */
  readonly maxMissing?: number | undefined
  /** Where an earlier run stopped: the cursor of its last page, or of the error it ended with. Includes its `since`. */
  readonly cursor?: string | undefined
  /** How many of the store's functions run at once; default 8, at most 1000. */
  readonly concurrency?: number | undefined
  /** Ends the run with the signal's reason; saves that have begun are finished first. */
  readonly signal?: AbortSignal | undefined
  /** Called, and waited for, after each page, before the iterator hands it out. */
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined
}

/** How far a run has come; counts are those of this run, not of the one that its cursor came from. */
export interface SyncProgress {
  /** `accounts`: saving rows of Keycloak's accounts. `rows`: looking for rows whose account is gone. */
  readonly phase: "accounts" | "rows"
  /** Rows inserted, updated or found to be up to date. */
  readonly saved: number
  /** How many accounts Keycloak counted when the run began; they come and go meanwhile. */
  readonly total: number
  /** Rows whose account was looked for. */
  readonly checked: number
  /** Rows whose account is gone. */
  readonly missing: number
  /** Where to go on; null when everything is done. */
  readonly cursor: string | null
}

/** A part of a run, after it was done. */
export interface SyncedPage<User> {
  readonly phase: SyncProgress["phase"]
  /** The rows that were saved. */
  readonly users: readonly User[]
  /** Whose account is gone, after `onMissing` was done for them. */
  readonly missing: readonly UserIdentity[]
  readonly cursor: string | null
}

/** What `syncUsers` needs of a gate, beyond what an application sees of it. */
export interface SyncUsersSteps<User> {
  readonly issuer: string
  readonly store: Pick<BoundedStore<User>, "canList" | "listSubjects" | "bounded">
  readonly rows: Pick<UserRows<User>, "beginReading" | "saveListed" | "removeUser">
  readonly listing: AccountListing
  readonly custom: CustomReader
}

const rowsAtOnce = 50
// Missing rows that are kept until all rows were looked at; were there more, a second walk finds them again.
const maxGathered = 10_000

/** Goes from this place to the end, and returns how far it came. */
export async function wholeRun<User>(
  steps: SyncUsersSteps<User>,
  options: SyncUsersOptions,
  begin: SyncPlace,
): Promise<SyncProgress> {
  const run = pagesOf(steps, options, begin)
  for (;;) {
    const { done, value } = await run.next()
    if (done) return value
  }
}

/** Accounts are saved, then rows are looked at, and then those without account are treated, should they not be too many. */
export async function* pagesOf<User>(
  steps: SyncUsersSteps<User>,
  options: SyncUsersOptions,
  begin: SyncPlace,
): AsyncGenerator<SyncedPage<User>, SyncProgress> {
  const { issuer, store, rows, listing, custom } = steps
  const { onMissing, maxMissing, signal, onProgress, concurrency = 8 } = options
  const isTreating = onMissing !== undefined && onMissing !== "report"
  const counts = { saved: 0, total: 0, checked: 0, missing: 0 }
  const gathered: string[] = []
  let place: SyncPlace | null = begin
  let progress: SyncProgress | null = null

  async function* saveAccounts({ position, createdAfter }: AccountsPlace): AsyncGenerator<SyncedPage<User>> {
    const readPage = (first: number, max: number) => listing.readPage({ first, max, createdAfter })
    const read = (from: WalkPosition) => ({ reading: rows.beginReading(), step: early(nextStep(readPage, from)) })
    let ahead = read(position)
    for (let isLast = false; !isLast; ) {
      const { reading, step } = ahead
      const { asOf, accounts, next } = await ask(() => step)
      isLast = next === null
      if (next !== null) ahead = read(next) // Keycloak works on it while this page is saved
      const saved = await forEach(accounts, account => rows.saveListed(profileOf(account, asOf), reading))
      const users = saved.filter(user => user !== null)
      counts.saved += users.length
      if (next !== null) place = { phase: "accounts", position: shortened(next), createdAfter }
      else place = onMissing === undefined ? null : { phase: "rows", after: null, checked: 0, missing: 0 }
      yield reached("accounts", users, [])
    }
  }

  async function* lookAtRows(from: RowsPlace): AsyncGenerator<SyncedPage<User>> {
    for (let at: RowsPlace | null = from; at !== null; ) {
      const subjects: readonly string[] = await listRows(at.after)
      const gone = await ask(() => listing.withoutAccount(subjects))
      const found: RowCounts = { checked: at.checked + subjects.length, missing: at.missing + gone.length }
      const last = subjects.at(-1)
      // A tenth of all rows is known at the end only.
      if (isTreating && (last === undefined || maxMissing !== undefined) && areTooMany(found, maxMissing)) {
        stop(found, "It has removed none of them.")
      }
      if (isTreating && gathered.length <= maxGathered) gathered.push(...gone)
      counts.checked += subjects.length
      counts.missing += gone.length
      at = last === undefined ? null : { phase: "rows", after: last, ...found }
      const mustTreat = isTreating && found.missing > 0
      place = at ?? (mustTreat ? { phase: "removal", after: null, removed: 0, ...found } : null)
      yield reached("rows", [], isTreating ? [] : gone.map(identityOf))
    }
  }

  async function* treatMissing(from: RemovalPlace): AsyncGenerator<SyncedPage<User>> {
    const areAllGathered = gathered.length === from.missing
    let treated = 0
    for (let at: RemovalPlace | null = from; at !== null; ) {
      const subjects: readonly string[] = areAllGathered ? gathered.splice(0, rowsAtOnce) : await listRows(at.after)
      // Once more: an account that is back since keeps its row, and the realm may have become another one.
      const gone = await ask(() => listing.withoutAccount(subjects))
      const removed: number = at.removed + gone.length
      if (areTooMany({ checked: at.checked, missing: removed }, maxMissing)) {
        stop({ checked: at.checked, missing: removed }, `It has removed ${at.removed} of them.`)
      }
      const missing = gone.map(identityOf)
      await forEach(missing, treat)
      treated += gone.length
      counts.missing = Math.max(counts.missing, treated)
      const last = subjects.at(-1)
      at = last === undefined ? null : { ...at, after: last, removed }
      place = at
      yield reached("rows", [], missing)
    }
  }

  async function treat(identity: UserIdentity): Promise<void> {
    if (typeof onMissing !== "function") await rows.removeUser(identity)
    else await rows.removeUser(identity, () => store.bounded("onMissing", () => onMissing(identity)))
  }

  /** A realm to which most of the first rows are strangers is another one, and would only fill the table. */
  async function checkFirstRows(): Promise<void> {
    const subjects = await listRows(null)
    const checked = subjects.length
    const unlisted = await ask(() => listing.notListed(subjects))
    if (!areTooManyAtFirst({ checked, missing: unlisted.length }, maxMissing)) return
    const missing = (await ask(() => listing.withoutAccount(unlisted))).length
    if (areTooManyAtFirst({ checked, missing }, maxMissing)) {
      stop({ checked, missing }, "It has saved and removed nothing.")
    }
  }

  function stop(found: RowCounts, done: string): never {
    throw tooManyMissing(found, done)
  }

  /** A store that starts over again and again would keep this running for ever. */
  async function listRows(after: string | null): Promise<readonly string[]> {
    const range: SubjectRange = { issuer, after, limit: rowsAtOnce }
    const subjects = await store.listSubjects(range)
    if (after === null || !subjects.includes(after)) return subjects
    throw new GateError("config_invalid", "The userStore's `listSubjects` gave a subject that is not after `after`.")
  }

  /** Asks Keycloak; its answer may be that of others too, so what it throws is copied, to have a cursor of its own. */
  async function ask<Result>(question: () => Promise<Result>): Promise<Result> {
    try {
      return await orAborted(question, signal)
    } catch (error) {
      throw isGateError(error) ? copyOf(error) : error
    }
  }

  /** Work for each of these, several at once. */
  function forEach<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
    return mapLimited(items, concurrency, item => {
      signal?.throwIfAborted()
      return work(item)
    })
  }

  function identityOf(subject: string): UserIdentity {
    return Object.freeze({ issuer, subject })
  }

  function cursorHere(): string | null {
    return place === null ? null : writeCursor(issuer, place)
  }

  function progressIn(phase: SyncProgress["phase"]): SyncProgress {
    progress = Object.freeze({ phase, ...counts, cursor: cursorHere() })
    return progress
  }

  async function reached(phase: SyncProgress["phase"], users: readonly User[], missing: readonly UserIdentity[]) {
    const progress = progressIn(phase)
    await onProgress?.(progress)
    return Object.freeze({ phase, users, missing, cursor: progress.cursor })
  }

  function profileOf(account: ListedAccount, asOf: Date): UserProfile {
    return profileOfAccount(custom, { issuer, subject: account.id }, account, account.attributes, asOf)
  }

  const here = (): SyncPlace | null => place
  try {
    await ask(listing.assertMaySee)
    if (isTreating) await checkFirstRows()
    counts.total = await ask(() => listing.countAccounts(begin.phase === "accounts" ? begin.createdAfter : null))
    for (let at = here(); at !== null; at = here()) {
      if (at.phase === "accounts") yield* saveAccounts(at)
      else if (at.phase === "rows") yield* lookAtRows(at)
      else yield* treatMissing(at)
    }
    return progress ?? progressIn("rows")
  } catch (error) {
    throw withCursor(error, cursorHere())
  }
}

/** A promise that is awaited only later: should it fail before, that is no unhandled rejection. */
function early<Result>(work: Promise<Result>): Promise<Result> {
  work.catch(() => undefined)
  return work
}

async function orAborted<Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work()
  signal.throwIfAborted()
  let abort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener("abort", abort, { once: true })
  })
  try {
    return await Promise.race([early(work()), aborted])
  } finally {
    signal.removeEventListener("abort", abort)
  }
}

function copyOf(error: GateError): GateError {
  const { code, message, reason, retryAfterSeconds } = error
  return new GateError(code, message, { ...(reason !== undefined && { reason }), retryAfterSeconds, cause: error })
}

/** The very error, which tells where to go on; what is frozen, or no object, can't. */
function withCursor(error: unknown, cursor: string | null): unknown {
  if (cursor !== null && typeof error === "object" && error !== null) {
    Reflect.defineProperty(error, "cursor", { value: cursor, enumerable: true, configurable: true, writable: true })
  }
  return error
}
