import type { Connection } from "../keycloak/connection.js"
import type { Users } from "../users/users.js"
import type { AdoptionParts } from "./adoption-parts.js"
import { createLegacyLogins, type LegacyLogins } from "./after-refusal.js"
import type { LegacyLoginSettings } from "./legacy-login.js"

/** Bringing in people who exist already. */
export interface Adoption<User> {
  /** What `importUsers` and `linkUsers` work with; null: the gate keeps no users. */
  readonly parts: AdoptionParts<User> | null
  /** null: nobody is asked when Keycloak has refused a login. */
  readonly afterRefusal: LegacyLogins["afterRefusal"] | null
  readonly close: () => void
}

export function createAdoption<User>(
  settings: LegacyLoginSettings | null,
  { store, rows, custom }: Users<User>,
  connection: Connection,
): Adoption<User> {
  const parts = store === null || rows === null ? null : { connection, store, rows, custom }
  const legacy = settings === null || parts === null ? null : createLegacyLogins({ ...parts, settings })
  return { parts, afterRefusal: legacy?.afterRefusal ?? null, close: () => legacy?.close() }
}
