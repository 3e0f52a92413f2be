import type { Connection } from "../keycloak/connection.js"
import type { Proven } from "../verify/check.js"
import type { Principal } from "../verify/principal.js"
import type { AskAlive } from "../verify/session/account-alive.js"
import { type BoundedStore, createBoundedStore } from "./bounded-store.js"
import { type CustomReader, type CustomSettings, createCustomReader } from "./custom-profile.js"
import { createAccountListing } from "./sync/keycloak-listing.js"
import type { SyncUsersSteps } from "./sync/sync-run.js"
import { createUserRows, type UserRows } from "./user-rows.js"
import type { UserStore } from "./user-store.js"

export interface UserSettings<User> {
  /** Null: the application keeps no users. */
  readonly store: UserStore<User> | null
  readonly storeTimeoutMs: number
  readonly syncServiceAccounts: boolean
  readonly customProfile: CustomSettings
}

/** The application's user table, as the gate keeps it. */
export interface Users<User> {
  /** The row of a verified principal; null without a store. */
  readonly syncUser: ((principal: Principal<null>) => Promise<User | null>) | null
  /** That row at once, undefined where it has to be asked for; null: it always has to. */
  readonly peekUser: ((proven: Proven) => User | null | undefined) | null
  readonly rows: UserRows<User> | null
  /** The application's store, in the limits of the gate. */
  readonly store: BoundedStore<User> | null
  /** What of an account also belongs into its row. */
  readonly custom: CustomReader
  /** What `syncUsers` works with. */
  readonly sync: SyncUsersSteps<User> | null
  /** Whether an event has told of this error of the store. */
  readonly hasTold: (error: object) => boolean
  readonly close: () => void
}

export function createUsers<User>(
  { store, storeTimeoutMs, syncServiceAccounts, customProfile }: UserSettings<User>,
  { realm, clock, report, elapsed, adminApi }: Connection,
  askAlive: AskAlive,
): Users<User> {
  const custom = createCustomReader(store === null ? { fromClaims: null, fromAccount: null } : customProfile)
  if (store === null)
    return {
      syncUser: null,
      peekUser: null,
      rows: null,
      store: null,
      custom,
      sync: null,
      hasTold: () => false,
      close() {},
    }
  const bounded = createBoundedStore<User>({ store, storeTimeoutMs, report, elapsed })
  const rows = createUserRows<User>({ store: bounded, custom, askAlive, clock, report })
  const peek = rows.peekUser

  async function syncService(principal: Principal<null>): Promise<null> {
    if (syncServiceAccounts) await rows.syncUser(principal)
    return null
  }

  return {
    // No promise of its own around that of a person's row: this is the path of every request.
    syncUser: principal => (principal.kind === "user" ? rows.syncUser(principal) : syncService(principal)),
    peekUser:
      peek && (proven => (proven.principal.kind === "user" ? peek(proven) : syncServiceAccounts ? undefined : null)),
    rows,
    store: bounded,
    custom,
    sync: {
      issuer: realm.issuer,
      store: bounded,
      rows,
      custom,
      listing: createAccountListing(adminApi("background"), clock, custom.isInAccounts),
    },
    hasTold: bounded.hasTold,
    close: bounded.close,
  }
}
