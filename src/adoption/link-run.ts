import { findByEmail } from "../accounts/keycloak/account.js"
import { openChannel } from "../accounts/keycloak/channel.js"
import { profileOfAccount } from "../users/custom-profile.js"
import { nextStep, start, type WalkPosition } from "../users/sync/account-walk.js"
import { createAccountListing, type ListedAccount } from "../users/sync/keycloak-listing.js"
import { mapLimited } from "../users/sync/map-limited.js"
import type { UserKey, UserProfile } from "../users/user-store.js"
import type { AdoptionParts } from "./adoption-parts.js"
import type { Run } from "./one-run.js"

/** Which accounts and rows `linkUsers` takes for one person. */
export interface LinkUsersOptions {
  /** By what they are the same. `"email"` counts only where Keycloak has verified it, and no other account has it too. */
  readonly by: "username" | "email"
  /**
   * Only accounts that were made before this moment, which has to be past: the one since which nobody registers by themselves, or
   * the one at which rows without subject came to an end. A rename leaves the date of an account as it was.
   */
  readonly until: Date
  /** Changes nothing, and counts what would be done; default false. */
  readonly dryRun?: boolean | undefined
  /** Ends the run with the signal's reason; rows that are being tied are finished first. */
  readonly signal?: AbortSignal | undefined
  /** Called after each page of accounts, and waited for. */
  readonly onProgress?: ((counts: LinkCounts) => void) | undefined
}

/** How many accounts have come to which end. */
export interface LinkCounts {
  readonly linked: number
  /** The account has a row. */
  readonly alreadyLinked: number
  /** Several rows, or several accounts, are the same by that. */
  readonly ambiguous: number
  /** No row without subject is the same by that. */
  readonly withoutRow: number
}

/** What has become of one account. */
export interface LinkedAccount<User> {
  readonly outcome: keyof LinkCounts
  /** The account's id. */
  readonly subject: string
  /** The rows that are the same by that, before anything was done: one of a linked account, several of an ambiguous one. */
  readonly keys: readonly UserKey[]
  /** The row; null in a dry run, and where the account has none. */
  readonly user: User | null
}

const atOnce = 8

/** Begins when the first result is asked for. */
export function linkRun<User>(
  parts: AdoptionParts<User>,
  options: LinkUsersOptions,
): Run<LinkedAccount<User>, LinkCounts> {
  const { connection, store, rows, custom } = parts
  const { by, until, dryRun = false, signal, onProgress } = options
  const { issuer } = connection.realm
  const listing = createAccountListing(connection.adminApi("background"), connection.clock, custom.isInAccounts)
  const channel = openChannel(connection, "background")
  const counts = { linked: 0, alreadyLinked: 0, ambiguous: 0, withoutRow: 0 }
  // Keycloak takes whoever was made in that very millisecond, too.
  const createdBefore = new Date(until.getTime() - 1)

  async function link(profile: UserProfile, reading: ReturnType<typeof rows.beginReading>) {
    const { subject } = profile
    const result = (outcome: keyof LinkCounts, keys: readonly UserKey[], user: User | null): LinkedAccount<User> =>
      Object.freeze({ outcome, subject, keys: Object.freeze([...keys]), user })
    const before = await store.findUser({ issuer, subject })
    if (before) return result("alreadyLinked", [], before)
    const isSure = by === "username" ? profile.username !== null : profile.email !== null && profile.emailVerified
    const keys = isSure ? await store.findUnlinked(profile, { by }) : []
    const [key] = keys
    if (key === undefined) return result("withoutRow", [], null)
    if (keys.length > 1 || (by === "email" && (await isShared(profile)))) return result("ambiguous", keys, null)
    if (dryRun) return result("linked", keys, null)
    const user = await rows.linkRow(key, profile, reading)
    if (user !== null) return result("linked", keys, user)
    // Somebody was quicker: the row went to this account, or to another one.
    const after = await store.findUser({ issuer, subject })
    return after ? result("alreadyLinked", [], after) : result("withoutRow", [], null)
  }

  function profileOf(account: ListedAccount, asOf: Date): UserProfile {
    return profileOfAccount(custom, { issuer, subject: account.id }, account, account.attributes, asOf)
  }

  /** A realm may let several accounts have one e-mail. */
  async function isShared({ email }: UserProfile): Promise<boolean> {
    return email !== null && (await findByEmail(channel, email)).length > 1
  }

  async function* results(): AsyncGenerator<LinkedAccount<User>, void> {
    signal?.throwIfAborted()
    await listing.assertMaySee()
    const read = (first: number, max: number) => listing.readPage({ first, max, createdAfter: null, createdBefore })
    for (let at: WalkPosition | null = start; at !== null; ) {
      signal?.throwIfAborted()
      const reading = rows.beginReading()
      const { asOf, accounts, next }: Awaited<ReturnType<typeof nextStep>> = await nextStep(read, at)
      const meant = accounts.filter(({ createdTimestamp }) => createdTimestamp < until.getTime())
      const linked = await mapLimited(meant, atOnce, async account => {
        signal?.throwIfAborted()
        return link(profileOf(account, asOf), reading)
      })
      for (const { outcome } of linked) counts[outcome] += 1
      await onProgress?.(Object.freeze({ ...counts }))
      yield* linked
      at = next
    }
  }

  return { results: results(), counts: () => Object.freeze({ ...counts }) }
}
