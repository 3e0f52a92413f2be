import type { Connection } from "../keycloak/connection.js"
import type { BoundedStore } from "../users/bounded-store.js"
import type { CustomReader } from "../users/custom-profile.js"
import type { UserRows } from "../users/user-rows.js"

/** What bringing in people who exist already needs of a gate. */
export interface AdoptionParts<User> {
  readonly connection: Connection
  readonly store: BoundedStore<User>
  readonly rows: UserRows<User>
  readonly custom: CustomReader
}
