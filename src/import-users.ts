import type { ImportedPerson } from "./adoption/import-result.js"
import type { ImportCounts, ImportUsersOptions, People } from "./adoption/import-run.js"
import { asOneRun } from "./adoption/one-run.js"
import { GateError } from "./errors.js"
import { adoptionParts } from "./gate-adoption.js"
import { readOptions } from "./option-reader.js"
import type { VerifyBearer } from "./verify/verify-bearer.js"

/**
 * One run: iterated for its results, or awaited for the counts. It begins with the first that is asked of it, and is the same run
 * for all who ask. Awaited alone, it goes on by itself. Do not await it inside a loop over its results, which would wait for itself.
 */
export interface UsersImport<User> extends AsyncIterableIterator<ImportedPerson<User>>, Promise<ImportCounts> {}

/**
 * Gives people of the application's own table an account with the password that they have, and ties their rows to it.
 *
 * Each account is made closed, its row is tied with the store's `linkUser`, and only then it is opened. The run may be cut off at any
 * moment, run again, and run beside another one and beside live traffic. Nobody gets two accounts, and nobody's account is
 * overwritten. Whoever can't be brought in is a result with a `code`, and ends nothing.
 *
 * To go on after a stop, hand in the people without subject again. The service account needs `manage-users`.
 *
 * @throws {GateError} `config_invalid` at once when an option is wrong, `people` is no list or stream, or the gate has no
 * `userStore` with `linkUser`
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached
 * @throws {GateError} `keycloak_refused_us` when the service account lacks a right
 * @throws {GateError} `store_unavailable` when the store does not settle in time
 * @throws {GateError} `closed` after the gate's `close()`
 * @throws what the store, `people`, `onPerson` or `onProgress` throws, and the signal's reason
 * @example
 * const rows = people() // { key: row.id, username, email, …, password: parseDjangoHash(row.password) }
 * for await (const one of importUsers(gate, rows)) if (one.outcome === "refused") console.log(one.key, one.code, one.fields)
 */
export function importUsers<User>(
  gate: { readonly verifyBearer: VerifyBearer<User> },
  people: People,
  options: ImportUsersOptions<NoInfer<User>> = {},
): UsersImport<User> {
  const parts = adoptionParts<User>(gate, "importUsers", ["linkUser"])
  if (!isIterable(people))
    throw new GateError("config_invalid", "importUsers needs a list or a stream of people as its second argument.")
  readImportOptions(options)
  const begin = async () => (await import("./adoption/import-run.js")).importRun(parts, people, options)
  return asOneRun(begin)
}

function isIterable(people: unknown): boolean {
  if (typeof people !== "object" || people === null) return false
  return Symbol.asyncIterator in people || Symbol.iterator in people
}

function readImportOptions(options: unknown): void {
  readOptions("importUsers", options, given => {
    given.boolean("dryRun", false)
    const isFew = (one: unknown) => Number.isInteger(one) && Number(one) >= 1 && Number(one) <= 100
    given.one("concurrency", 8, "a whole number from 1 to 100", isFew)
    const isSignal = (one: unknown) => typeof (one as AbortSignal | null)?.throwIfAborted === "function"
    given.one("signal", null, "an AbortSignal", isSignal)
    given.function("onProgress")
    given.function("onPerson")
  })
}
