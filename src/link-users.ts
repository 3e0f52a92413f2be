import type { LinkCounts, LinkedAccount, LinkUsersOptions } from "./adoption/link-run.js"
import { asOneRun } from "./adoption/one-run.js"
import { adoptionParts } from "./gate-adoption.js"
import { readOptions } from "./option-reader.js"
import type { VerifyBearer } from "./verify/verify-bearer.js"

/**
 * One run: awaited for the counts, or iterated for what has become of each account. It begins with the first that is asked of it.
 */
export interface UsersLink<User> extends AsyncIterableIterator<LinkedAccount<User>>, Promise<LinkCounts> {}

/**
 * Ties rows without subject to accounts that exist already, where nothing but a name tells that they are one person's.
 *
 * An operator's act, once: whoever could register under a name of the table before `until` would get that person's row. Make a
 * dry run first, and read the documentation on what has to be checked before. It may run beside live traffic, and again. An account
 * that has a row keeps it. The service account needs `view-users`.
 *
 * @throws {GateError} `config_invalid` at once when an option is wrong or missing, `until` lies in the future, or the gate has no
 * `userStore` with `findUnlinked` and `linkUser`
 * @throws {GateError} `keycloak_unavailable` when Keycloak can't be reached
 * @throws {GateError} `keycloak_refused_us` when the service account may not see accounts
 * @throws {GateError} `store_unavailable` when the store does not settle in time
 * @throws {GateError} `closed` after the gate's `close()`
 * @throws what the store or `onProgress` throws, and the signal's reason
 * @example
 * const { linked, ambiguous } = await linkUsers(gate, { by: "email", until: new Date("2026-11-01"), dryRun: true })
 */
export function linkUsers<User>(
  gate: { readonly verifyBearer: VerifyBearer<User> },
  options: LinkUsersOptions,
): UsersLink<User> {
  const parts = adoptionParts<User>(gate, "linkUsers", ["findUnlinked", "linkUser"])
  readLinkOptions(options, parts.connection.now)
  return asOneRun(async () => (await import("./adoption/link-run.js")).linkRun(parts, options))
}

function readLinkOptions(options: unknown, now: () => number): void {
  const isPast = (one: unknown) => one instanceof Date && one.getTime() <= now()
  readOptions(
    "linkUsers",
    options,
    given => {
      given.one("by", null, '"username" or "email"', one => one === "username" || one === "email")
      given.one("until", null, "a Date that is not in the future", isPast)
      for (const name of ["by", "until"]) if (!given.has(name)) given.note(name, "is required")
      given.boolean("dryRun", false)
      const isSignal = (one: unknown) => typeof (one as AbortSignal | null)?.throwIfAborted === "function"
      given.one("signal", null, "an AbortSignal", isSignal)
      given.function("onProgress")
    },
    "`by` and `until`",
  )
}
