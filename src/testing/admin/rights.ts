import type { PresentedToken } from "../protocol/presented-token.js"
import { tokenContext } from "../protocol/token-context.js"
import type { RealmModel } from "../realm/realm-model.js"
import type { Role } from "../realm/roles.js"

/** What a caller of the Admin API may do, from the roles of `realm-management` that it has now. */
export interface Rights {
  readonly hasAny: boolean
  readonly queriesUsers: boolean
  readonly viewsUsers: boolean
  readonly managesUsers: boolean
  readonly viewsRealm: boolean
  readonly viewsEvents: boolean
  readonly viewsActions: boolean
  readonly impersonates: boolean
  /** Nobody may hand out administration that goes beyond their own. */
  readonly mayGrant: (roles: ReadonlySet<Role>) => boolean
}

export function rightsOf(
  realm: RealmModel,
  issuer: string,
  { client, account, session, claims }: PresentedToken,
): Rights {
  const { roles } = tokenContext({ realm, issuer, client, account, session, notes: {} }, String(claims.scope ?? ""))
  const own = [...roles].filter(isAdministration)
  const has = (...names: readonly string[]) => own.some(({ name }) => names.includes(name))
  return {
    hasAny: own.length > 0,
    queriesUsers: has("query-users", "view-users", "manage-users"),
    viewsUsers: has("view-users", "manage-users"),
    managesUsers: has("manage-users"),
    viewsRealm: has("view-realm", "manage-realm"),
    viewsActions: has("view-realm", "manage-realm", "query-users", "view-users"),
    impersonates: has("impersonation"),
    viewsEvents: has("view-events", "manage-events"),
    mayGrant: granted => [...granted].filter(isAdministration).every(role => own.includes(role)),
  }
}

function isAdministration({ clientId }: Role): boolean {
  return clientId === "realm-management"
}
