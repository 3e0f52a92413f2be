import { NotKnown } from "../answer.js"
import { type Account, rolesOf } from "../realm/accounts.js"
import type { Client, ClientScope } from "../realm/clients.js"
import type { RealmModel } from "../realm/realm-model.js"
import { expand, type Role } from "../realm/roles.js"
import type { Notes, Session } from "../realm/sessions.js"

/** What the claims of a token are made from. */
export interface TokenContext {
  readonly realm: RealmModel
  readonly issuer: string
  readonly client: Client
  readonly account: Account
  /** Null for a client's own token, unless it wants refresh tokens. */
  readonly session: Session | null
  readonly isOpenid: boolean
  readonly scopes: readonly ClientScope[]
  readonly roles: ReadonlySet<Role>
  /** What is remembered of the login itself, for mappers. */
  readonly notes: Notes
}

export function issuerOf(origin: string, realm: RealmModel): string {
  return `${realm.settings.frontendUrl ?? origin}/realms/${encodeURIComponent(realm.name)}`
}

/** The first words of a scope parameter that this client can't ask for, or null when all of it is good. */
export function invalidScopes(client: Client, realm: RealmModel, scope: string | null): string | null {
  if (scope === null) return null
  const known = [...client.defaultScopes, ...client.optionalScopes].map(({ name }) => name)
  // A blank at the end counts for nothing, one before or between does.
  const asked = scope.replace(/(?<=.) +$/, "").split(" ")
  if (realm.settings.organizations && asked.some(name => name.startsWith("organization:")))
    throw new NotKnown("has no organizations.")
  return asked.every(name => name === "openid" || known.includes(name)) ? null : scope
}

type Ingredients = Omit<TokenContext, "isOpenid" | "scopes" | "roles">

export function tokenContext(ingredients: Ingredients, scope: string | null): TokenContext {
  const { client, account } = ingredients
  const asked = scope?.split(" ") ?? []
  const requested = [...client.defaultScopes, ...client.optionalScopes.filter(({ name }) => asked.includes(name))]
  const ofAccount = rolesOf(account)
  const scopes = requested.filter(({ roles }) => roles.size === 0 || [...roles].some(role => ofAccount.has(role)))
  return {
    ...ingredients,
    isOpenid: asked.includes("openid"),
    scopes,
    roles: new Set([
      ...rolesInToken(ingredients.realm, client, scopes, ofAccount),
      ...hardcodedRoles(ingredients.realm, client, scopes),
    ]),
  }
}

/** Without full scope a token holds only roles of the client itself and those mapped to it or to its scopes. */
function rolesInToken(
  realm: RealmModel,
  client: Client,
  scopes: readonly ClientScope[],
  ofAccount: ReadonlySet<Role>,
): ReadonlySet<Role> {
  if (client.hasFullScope) return ofAccount
  const mapped = [
    ...realm.roles.ofClient(client.clientId),
    ...client.scopeRoles,
    ...scopes.flatMap(({ roles }) => [...roles]),
  ]
  const allowed = expand(mapped)
  return new Set([...ofAccount].filter(role => allowed.has(role)))
}

/** Roles that a mapper gives to everybody, which need not exist. */
function hardcodedRoles(realm: RealmModel, client: Client, scopes: readonly ClientScope[]): readonly Role[] {
  return [...client.mappers, ...scopes.flatMap(({ mappers }) => mappers)]
    .filter(({ type }) => type === "oidc-hardcoded-role-mapper")
    .map(({ config }) => {
      const path = config.role ?? ""
      const dot = path.lastIndexOf(".")
      const [clientId, name] = dot < 0 ? [null, path] : [path.slice(0, dot), path.slice(dot + 1)]
      const unknown = { id: "", name, clientId, description: null, composites: new Set<Role>(), attributes: {} }
      return realm.roles.find(clientId, name) ?? unknown
    })
}
