import type { UserKey, UserProfile } from "../users/user-store.js"
import type { AdoptionParts } from "./adoption-parts.js"

/** Null: the row of this key is somebody else's by now, or there is none. */
export type TiedRow<User> = {
  readonly user: User
  /** Not tied by this call: it was before, or somebody else did it meanwhile. */
  readonly wasTied: boolean
} | null

/**
 * Makes the row of `key` the row of an account.
 *
 * `isClosed`: nobody can have logged in to the account. A row that it has all the same was made by `syncUsers` beside a run, is
 * nobody's, and makes way.
 */
export async function tieRow<User>(
  { store, rows }: Pick<AdoptionParts<User>, "store" | "rows">,
  key: UserKey,
  profile: UserProfile,
  isClosed: boolean,
): Promise<TiedRow<User>> {
  const { issuer, subject } = profile
  const linked = await rows.linkRow(key, profile, rows.beginReading())
  if (linked !== null) return { user: linked, wasTied: false }
  const user = await store.findUser({ issuer, subject })
  if (!user) return null
  if (!(await isUntied(store, key, profile))) return { user, wasTied: true }
  // The row of the account is another one than that of the key.
  if (!isClosed) return null
  await store.removeUser({ issuer, subject })
  const again = await rows.linkRow(key, profile, rows.beginReading())
  return again === null ? null : { user: again, wasTied: false }
}

/** Whether the row of the key is still without subject, as far as the store can tell. */
async function isUntied<User>(
  store: AdoptionParts<User>["store"],
  key: UserKey,
  profile: UserProfile,
): Promise<boolean> {
  if (!store.canFindUnlinked) return false
  for (const by of ["username", "email"] as const) {
    if (profile[by] === null) continue
    const keys = await store.findUnlinked(profile, { by })
    if (keys.some(one => String(one) === String(key))) return true
  }
  return false
}
