import type { Claims } from "./claims.js"

interface PrincipalBase {
  readonly issuer: string
  /** Keycloak's id of the account: the only thing about a person that never changes. */
  readonly subject: string
  readonly username: string | null
  readonly email: string | null
  readonly emailVerified: boolean
  readonly realmRoles: readonly string[]
  /** Roles by client id; an object without prototype. */
  readonly clientRoles: Readonly<Record<string, readonly string[]>>
  readonly scopes: readonly string[]
  /** Empty unless a group mapper is set up in Keycloak. */
  readonly groups: readonly string[]
  readonly claims: Claims
  /** A new Date on each read, since a Date can't be frozen. */
  readonly expiresAt: Date
  /** The access token itself; not enumerable, so that it stays out of JSON and logs. */
  readonly token: string
  /** Type only: a principal comes from a verified token, never from an object literal. */
  readonly "~principal": "verified"
}

/** A person, with the application's own row. */
export interface UserPrincipal<User> extends PrincipalBase {
  readonly kind: "user"
  readonly user: User
}

/** A client acting on its own (client credentials): it has no row. */
export interface ServicePrincipal extends PrincipalBase {
  readonly kind: "service"
  readonly user: null
}

/** Who asks: frozen, made from a verified token only. */
export type Principal<User> = UserPrincipal<User> | ServicePrincipal

/** Who asks, from verified claims and without the row, which the last step adds. */
export function toPrincipal(claims: Claims, token: string): Principal<null> {
  const principal = {
    kind: isService(claims) ? ("service" as const) : ("user" as const),
    user: null,
    issuer: claims.iss,
    subject: claims.sub,
    username: textOrNull(claims.preferred_username),
    email: textOrNull(claims.email),
    emailVerified: claims.email_verified === true,
    realmRoles: rolesIn(claims.realm_access),
    clientRoles: rolesByClient(claims.resource_access),
    scopes: Object.freeze(typeof claims.scope === "string" ? claims.scope.split(" ").filter(Boolean) : []),
    groups: texts(claims.groups),
    claims,
    get expiresAt() {
      return new Date(claims.exp * 1000)
    },
  }
  return Object.freeze(Object.defineProperty(principal, "token", { get: () => token })) as Principal<null>
}

/** The same principal with the application's row in it. */
export function withUser<User>(principal: Principal<null>, user: User): Principal<User> {
  const members = Object.getOwnPropertyDescriptors(principal)
  return Object.freeze(
    Object.defineProperties({}, { ...members, user: { value: user, enumerable: true } }),
  ) as Principal<User>
}

/**
 * A client's own token has no session. Its username alone proves nothing, since anybody could register
 * `service-account-x` (Keycloak 26.7.4 accepts it); but whoever logs in has a session, and no second account can have
 * the name of an existing service account. The name is needed for clients of an imported realm: Keycloak does not give
 * them the scope `service_account`, and their tokens carry no `client_id`.
 */
function isService({ sid, client_id, azp, preferred_username }: Claims): boolean {
  if (sid !== undefined) return false
  return (
    typeof client_id === "string" ||
    (typeof azp === "string" && preferred_username === `service-account-${azp.toLowerCase()}`)
  )
}

function textOrNull(claim: unknown): string | null {
  return typeof claim === "string" && claim !== "" ? claim : null
}

// A hostile or mistaken mapper can put anything here: what is no list of strings counts as none, so that
// `"admin".includes("adm")` can't happen.
function texts(claim: unknown): readonly string[] {
  return Object.freeze(Array.isArray(claim) ? claim.filter(one => typeof one === "string") : [])
}

function rolesIn(access: unknown): readonly string[] {
  return texts(isObject(access) ? access.roles : null)
}

function rolesByClient(access: unknown): Readonly<Record<string, readonly string[]>> {
  const roles: Record<string, readonly string[]> = Object.create(null)
  if (isObject(access)) for (const [client, entry] of Object.entries(access)) roles[client] = rolesIn(entry)
  return Object.freeze(roles)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
