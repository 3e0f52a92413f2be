import { GateError } from "./errors.js"
import { gateInternals } from "./gate-internals.js"
import { readOptions } from "./option-reader.js"
import { start } from "./users/sync/account-walk.js"
import { readCursor, type SyncPlace } from "./users/sync/sync-cursor.js"
import {
  pagesOf,
  type SyncedPage,
  type SyncProgress,
  type SyncUsersOptions,
  type SyncUsersSteps,
  wholeRun,
} from "./users/sync/sync-run.js"
import type { VerifyBearer } from "./verify/verify-bearer.js"

/** A promise of a whole run, which begins when somebody waits for it; iterated, a run of its own each time. */
export interface UsersSync<User> extends AsyncIterable<SyncedPage<User>>, Promise<SyncProgress> {}

/**
 * Takes all accounts of the realm into the store, a page at a time: for the first import, and for a nightly
 * reconciliation. Iterate it for its pages, or await it for the whole.
 *
 * It may run beside live traffic and any number of times. Disabled accounts keep their rows; service accounts get none.
 * An account that is renamed while it is being read may be left to its next token or to the next run. A row is missing only if
 * Keycloak itself says of its subject that there is no such user. The service account needs `view-users` or `manage-users`.
 *
 * What it throws has a `cursor` to go on from, whoever made it; only what is frozen, or no object, stays without.
 *
 * @throws {GateError} `config_invalid` at once when an option is wrong, or the gate has no `userStore`
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached
 * @throws {GateError} `keycloak_refused_us` when the service account may not see accounts, or so many accounts are missing
 * that this is hardly the realm of these rows; nothing is removed then
 * @throws {GateError} `store_unavailable` when the store or `onMissing` does not settle in time
 * @throws {GateError} `closed` after the gate's `close()`
 * @throws what the store, `onMissing` or `onProgress` throws, and the signal's reason
 * @example
 * for await (const { users } of syncUsers(gate)) console.log(users.length)
 */
export function syncUsers<User>(
  gate: { readonly verifyBearer: VerifyBearer<User> },
  options: SyncUsersOptions = {},
): UsersSync<User> {
  const steps = stepsOf<User>(gate)
  const begin = readPlace(options, steps)
  let whole: Promise<SyncProgress> | null = null
  function promise(): Promise<SyncProgress> {
    whole ??= wholeRun(steps, options, begin)
    return whole
  }
  return {
    [Symbol.asyncIterator]: () => pagesOf(steps, options, begin),
    [Symbol.toStringTag]: "Promise",
    // biome-ignore lint/suspicious/noThenProperty: a promise that begins no work before somebody waits for it.
    then: (done, failed) => promise().then(done, failed),
    catch: failed => promise().catch(failed),
    finally: settled => promise().finally(settled),
  }
}

// An account of `registerUser` is dated up to 60 s back, and clocks differ.
const sinceMarginMs = 120_000

function firstPlace(since: Date | undefined): SyncPlace {
  const createdAfter = since === undefined ? null : new Date(Math.max(0, since.getTime() - sinceMarginMs))
  return { phase: "accounts", position: start, createdAfter }
}

function stepsOf<User>(gate: object): SyncUsersSteps<User> {
  const internals = gateInternals<User>(gate)
  if (internals === null) throw new GateError("config_invalid", "syncUsers needs a gate that createGate made.")
  if (internals.sync === null) throw new GateError("config_invalid", "syncUsers needs a gate with a `userStore`.")
  return internals.sync
}

/** Where a run with these options begins. */
function readPlace(options: SyncUsersOptions, { issuer, store }: SyncUsersSteps<unknown>): SyncPlace {
  return readOptions("syncUsers", options, given => {
    const since = given.one<Date | undefined>("since", undefined, "a Date", isDate)
    given.one("onMissing", null, '"report", "remove" or a function', isTreatment)
    given.one("maxMissing", 0, "a whole number from 0, or Infinity", one => one === Infinity || isWhole(one, 0))
    given.one("concurrency", 8, "a whole number from 1 to 1000", one => isWhole(one, 1) && Number(one) <= 1000)
    given.one("signal", null, "an AbortSignal", one => isFunction((one as AbortSignal | null)?.throwIfAborted))
    given.function("onProgress")
    if (given.has("onMissing") && !store.canList)
      given.note("onMissing", "expected a userStore with the function `listSubjects`, to know which rows there are")
    const first = firstPlace(since)
    const cursor = given.one("cursor", "", "a cursor that syncUsers gave", one => typeof one === "string")
    if (!given.has("cursor")) return first
    const place = readCursor(issuer, cursor)
    if (place === null) given.note("cursor", "expected a cursor that syncUsers gave for this issuer")
    else if (place.phase !== "accounts" && !given.has("onMissing"))
      given.note(
        "cursor",
        "expected `onMissing` beside the cursor of a run that had come to looking for missing accounts",
      )
    return place ?? first
  })
}

function isDate(one: unknown): boolean {
  return one instanceof Date && !Number.isNaN(one.getTime())
}

function isTreatment(one: unknown): boolean {
  return one === "report" || one === "remove" || isFunction(one)
}

function isFunction(one: unknown): boolean {
  return typeof one === "function"
}

function isWhole(one: unknown, least: number): boolean {
  return Number.isInteger(one) && Number(one) >= least
}
