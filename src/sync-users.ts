import { GateError, isGateError } from "./errors.js"
import { printable } from "./foreign-text.js"
import { readCursor, type SyncPlace, writeCursor } from "./sync-cursor.js"
import type { AccountListing, ListedAccount } from "./user/account-listing.js"
import { nextStep, shortened, start, type WalkPosition } from "./user/account-walk.js"
import type { BoundedStore } from "./user/bounded-store.js"
import { mapLimited } from "./user/map-limited.js"
import type { UserSync } from "./user/sync-user.js"
import type { SubjectRange, UserIdentity, UserProfile } from "./user/user-store.js"
import type { VerifyBearer } from "./verify-bearer.js"

export interface SyncUsersOptions {
  /** Only accounts that were created since then; default all. Keycloak can't tell which ones have changed. */
  readonly since?: Date | undefined
  /**
   * What becomes of rows whose account is gone: `"report"` only tells, `"remove"` calls the store's `removeUser`, a
   * function does what you want, such as marking the row. By default nobody looks. Needs the store's `listSubjects`.
   */
  readonly onMissing?: "report" | "remove" | ((identity: UserIdentity) => void | Promise<void>) | undefined
  /** Where an earlier run stopped: the cursor of its last page, or of the error it ended with. Includes its `since`. */
  readonly cursor?: string | undefined
  /** How many of the store's functions run at once; default 8, at most 1000. */
  readonly concurrency?: number | undefined
  /** Ends the run with the signal's reason; saves that have begun are finished first. */
  readonly signal?: AbortSignal | undefined
  /** Called after each page, before the iterator hands it out. */
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

export interface SyncedPage<User> {
  readonly phase: SyncProgress["phase"]
  /** The rows that were saved. */
  readonly users: readonly User[]
  /** Whose account is gone, after `onMissing` was done for them. */
  readonly missing: readonly UserIdentity[]
  readonly cursor: string | null
}

/** A run that begins when it is iterated or awaited, and begins anew each time. */
export interface UsersSync<User> extends AsyncIterable<SyncedPage<User>>, PromiseLike<SyncProgress> {}

/** What `syncUsers` needs of a gate, beyond what an application sees of it. */
export interface SyncUsersSteps<User> {
  readonly issuer: string
  readonly store: Pick<BoundedStore<User>, "canList" | "listSubjects" | "bounded">
  readonly rows: Pick<UserSync<User>, "beginReading" | "saveListed" | "removeUser">
  readonly listing: AccountListing
}

/** Where a gate carries them: registered, because an application may load this module twice. */
export const syncUsersSteps: symbol = Symbol.for("keycloak-gate.syncUsers")

// An account of `registerUser` is dated up to 60 s back, and clocks differ.
const sinceMarginMs = 120_000
const rowsAtOnce = 50

/**
 * Takes all accounts of the realm into the store, a page at a time: for the first import, and for a nightly
 * reconciliation. Iterate it for its pages, or await it for the whole.
 *
 * It may run beside live traffic and any number of times. Disabled accounts keep their rows; service accounts get none.
 * An account that is renamed while it is being read may be left to its next token or to the next run. A row is missing only if
 * Keycloak itself says of its subject that there is no such user. The service account needs `view-users` or `manage-users`.
 *
 * @throws {GateError} `config_invalid` at once when an option is wrong, or the gate has no `userStore`
 * @throws {GateError} `keycloak_unavailable`, with a `cursor` to go on from, when Keycloak can't be reached
 * @throws {GateError} `keycloak_refused_us`, likewise, when the service account may not see accounts
 * @throws {GateError} `closed` after the gate's `close()`
 * @example
 * for await (const { users } of syncUsers(gate)) console.log(users.length)
 */
export function syncUsers<User>(
  gate: { readonly verifyBearer: VerifyBearer<User> },
  options: SyncUsersOptions = {},
): UsersSync<User> {
  const steps = stepsOf<User>(gate)
  checkOptions(options, steps)
  const begin = placeOf(options, steps.issuer)
  return {
    [Symbol.asyncIterator]: () => pagesOf(steps, options, begin),
    // biome-ignore lint/suspicious/noThenProperty: awaiting an iterator does nothing, silently; here it is the whole run.
    then: (done, failed) => wholeRun(steps, options, begin).then(done, failed),
  }
}

async function wholeRun<User>(
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

/** Yields the pages, returns how far it came in the end. */
async function* pagesOf<User>(
  steps: SyncUsersSteps<User>,
  options: SyncUsersOptions,
  begin: SyncPlace,
): AsyncGenerator<SyncedPage<User>, SyncProgress> {
  const { issuer, store, rows, listing } = steps
  const { onMissing, signal, onProgress, concurrency = 8 } = options
  const counts = { saved: 0, total: 0, checked: 0, missing: 0 }
  let place: SyncPlace | null = begin
  let progress: SyncProgress = { phase: begin.phase, ...counts, cursor: null }

  /** Asks Keycloak; whatever it can't answer, the run can go on from here. */
  async function ask<Result>(question: () => Promise<Result>): Promise<Result> {
    try {
      return await orAborted(question, signal)
    } catch (error) {
      throw isGateError(error) && place !== null ? withCursor(error, writeCursor(issuer, place)) : error
    }
  }

  /** The same for each of these, several at once. */
  function forEach<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
    return mapLimited(items, concurrency, item => {
      signal?.throwIfAborted()
      return work(item)
    })
  }

  function reached(phase: SyncProgress["phase"], users: readonly User[], missing: readonly UserIdentity[]) {
    counts.saved += users.length
    counts.missing += missing.length
    const cursor = place === null ? null : writeCursor(issuer, place)
    progress = Object.freeze({ phase, ...counts, cursor })
    onProgress?.(progress)
    return Object.freeze({ phase, users, missing, cursor })
  }

  async function treatMissing(identity: UserIdentity): Promise<void> {
    if (onMissing === "remove") await rows.removeUser(identity)
    if (typeof onMissing === "function") {
      await rows.removeUser(identity, () => store.bounded("onMissing", () => onMissing(identity)))
    }
  }

  await ask(listing.assertMaySee)
  const createdAfter = place.phase === "accounts" ? place.createdAfter : null
  counts.total = await ask(() => listing.countAccounts(createdAfter))

  if (place.phase === "accounts") {
    const readPage = (first: number, max: number) => listing.readPage({ first, max, createdAfter })
    const read = (position: WalkPosition) => ({ reading: rows.beginReading(), step: nextStep(readPage, position) })
    let ahead = read(place.position)
    while (place?.phase === "accounts") {
      const { reading } = ahead
      const { asOf, accounts, next } = await ask(() => ahead.step)
      if (next !== null) {
        ahead = read(next) // Keycloak works on it while this page is saved
        early(ahead.step)
      }
      const saved = await forEach(accounts, account => rows.saveListed(profileOf(issuer, account, asOf), reading))
      const users = saved.filter(user => user !== null)
      place = next === null ? null : { phase: "accounts", position: shortened(next), createdAfter }
      if (place === null && onMissing !== undefined) place = { phase: "rows", after: null }
      yield reached("accounts", users, [])
    }
  }

  while (place?.phase === "rows") {
    const { after }: { after: string | null } = place
    const subjects = await listSubjects(store, { issuer, after, limit: rowsAtOnce })
    const gone = await ask(() => listing.withoutAccount(subjects))
    const missing = gone.map(subject => Object.freeze({ issuer, subject }))
    await forEach(missing, treatMissing)
    counts.checked += subjects.length
    const last = subjects.at(-1)
    place = last === undefined ? null : { phase: "rows", after: last }
    yield reached("rows", [], missing)
  }
  return progress
}

function profileOf(issuer: string, { id, ...account }: ListedAccount, asOf: Date): UserProfile {
  return { issuer, subject: id, ...account, asOf }
}

/** A store that starts over again and again would keep this running for ever. */
async function listSubjects(
  store: Pick<BoundedStore<unknown>, "listSubjects">,
  range: SubjectRange,
): Promise<readonly string[]> {
  const subjects = await store.listSubjects(range)
  if (range.after === null || !subjects.includes(range.after)) return subjects
  throw new GateError("config_invalid", "The userStore's `listSubjects` gave a subject that is not after `after`.")
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

function withCursor(error: GateError, cursor: string): GateError {
  const seconds = error.headers["Retry-After"]
  const retryAfterSeconds = seconds === undefined ? undefined : Number(seconds)
  return new GateError(error.code, error.message, { cursor, retryAfterSeconds, cause: error })
}

function firstPlace(since: Date | undefined): SyncPlace {
  const createdAfter = since === undefined ? null : new Date(Math.max(0, since.getTime() - sinceMarginMs))
  return { phase: "accounts", position: start, createdAfter }
}

function stepsOf<User>(gate: object): SyncUsersSteps<User> {
  const steps = (gate as Record<symbol, SyncUsersSteps<User> | null | undefined> | null)?.[syncUsersSteps]
  if (steps === undefined) throw new GateError("config_invalid", "syncUsers needs a gate that createGate made.")
  if (steps === null) throw new GateError("config_invalid", "syncUsers needs a gate with a `userStore`.")
  return steps
}

const expectations: Readonly<Record<keyof SyncUsersOptions, [expected: string, isRight: (value: unknown) => boolean]>> =
  {
    since: ["a Date", value => value instanceof Date && !Number.isNaN(value.getTime())],
    onMissing: [
      '"report", "remove" or a function',
      value => value === "report" || value === "remove" || typeof value === "function",
    ],
    cursor: ["a cursor that syncUsers gave", value => typeof value === "string"],
    concurrency: [
      "a whole number from 1 to 1000",
      value => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1000,
    ],
    signal: ["an AbortSignal", value => typeof (value as AbortSignal | null)?.throwIfAborted === "function"],
    onProgress: ["a function", value => typeof value === "function"],
  }

function checkOptions(options: SyncUsersOptions, { store }: SyncUsersSteps<unknown>): void {
  if (typeof options !== "object" || options === null) throw configInvalid("options", "expected an object")
  for (const [name, value] of Object.entries(options)) {
    const expectation = Object.hasOwn(expectations, name) ? expectations[name as keyof SyncUsersOptions] : undefined
    if (expectation === undefined) {
      throw configInvalid(printable(name), `there is no such option; known are ${Object.keys(expectations).join(", ")}`)
    }
    const [expected, isRight] = expectation
    if (value !== undefined && !isRight(value)) throw configInvalid(name, `expected ${expected}`)
  }
  if (options.onMissing !== undefined && !store.canList) {
    throw configInvalid(
      "onMissing",
      "expected a userStore with the function `listSubjects`, to know which rows there are",
    )
  }
}

function placeOf({ cursor, since, onMissing }: SyncUsersOptions, issuer: string): SyncPlace {
  if (cursor === undefined) return firstPlace(since)
  const place = readCursor(issuer, cursor)
  if (place === null) throw configInvalid("cursor", "expected a cursor that syncUsers gave for this issuer")
  if (place.phase === "accounts" || onMissing !== undefined) return place
  throw configInvalid(
    "cursor",
    "expected `onMissing` beside the cursor of a run that had come to looking for missing accounts",
  )
}

function configInvalid(option: string, message: string): GateError {
  const fields = [{ field: option, rule: "option", params: [] }]
  return new GateError("config_invalid", `syncUsers got a wrong option.\n\`${option}\`: ${message}.`, { fields })
}
