import { type GateError, invalidToken } from "../errors.js"
import { printable } from "../foreign-text.js"
import { type Claims, freezeDeep } from "./claims.js"
import { knowPrincipals } from "./principal-brand.js"

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

/**
 * Who asks, from verified claims and without the row, which the last step adds.
 *
 * @throws {GateError} `invalid_token` with reason `claims` when it can't be told whether a person or a client asks
 */
export function toPrincipal(claims: Claims, token: string): Principal<null> {
  const members: Members = {
    kind: isService(claims) ? "service" : "user",
    issuer: claims.iss,
    subject: claims.sub,
    username: textOrNull(claims.preferred_username),
    email: textOrNull(claims.email),
    emailVerified: claims.email_verified === true,
    realmRoles: rolesIn(claims.realm_access),
    scopes: scopesIn(claims.scope),
    groups: texts(claims.groups),
  }
  return new VerifiedPrincipal(members, { claims, token, clientRoles: null }, null) as unknown as Principal<null>
}

/** The same principal with the application's row in it. */
export function withUser<User>(principal: Principal<null>, user: User): Principal<User> {
  return VerifiedPrincipal.withUser(principal as unknown as VerifiedPrincipal, user) as unknown as Principal<User>
}

type Members = Omit<PrincipalBase, "clientRoles" | "claims" | "expiresAt" | "token" | "~principal"> & {
  readonly kind: "user" | "service"
}

/** What stands behind a principal, and behind its copies with a row. */
interface Source {
  readonly claims: Claims
  readonly token: string
  clientRoles: Readonly<Record<string, readonly string[]>> | null
}

/**
 * A class for its private field alone: `inspect` shows all that an object holds otherwise, hidden properties included.
 *
 * One is made for every new token, on the path of the request. So each member has a line of its own (`Object.assign` takes
 * as long as all the rest), and what few requests ask for is made when it is read: the claims are frozen then, and the
 * roles by client copied.
 */
class VerifiedPrincipal {
  /** What `inspect` calls it, also after the build has given it a shorter name. */
  static get name(): string {
    return "Principal"
  }
  declare readonly kind: Members["kind"]
  declare readonly user: unknown
  declare readonly issuer: string
  declare readonly subject: string
  declare readonly username: string | null
  declare readonly email: string | null
  declare readonly emailVerified: boolean
  declare readonly realmRoles: readonly string[]
  declare readonly scopes: readonly string[]
  declare readonly groups: readonly string[]
  readonly #source: Source

  static {
    knowPrincipals(value => #source in value)
  }

  constructor(members: Members, source: Source, user: unknown) {
    this.kind = members.kind
    this.user = user
    this.issuer = members.issuer
    this.subject = members.subject
    this.username = members.username
    this.email = members.email
    this.emailVerified = members.emailVerified
    this.realmRoles = members.realmRoles
    this.scopes = members.scopes
    this.groups = members.groups
    this.#source = source
    Object.defineProperty(this, "clientRoles", madeWhenRead.clientRoles)
    Object.defineProperty(this, "claims", madeWhenRead.claims)
    Object.defineProperty(this, "expiresAt", madeWhenRead.expiresAt)
    Object.freeze(this)
  }

  static withUser(principal: VerifiedPrincipal, user: unknown): VerifiedPrincipal {
    return new VerifiedPrincipal(principal, principal.#source, user)
  }

  static sourceOf(principal: VerifiedPrincipal): Source {
    return principal.#source
  }

  get token(): string {
    return this.#source.token
  }
}

// Own and enumerable, so that they are in `res.json(principal)`; one descriptor each for all principals.
const madeWhenRead = {
  clientRoles: member(source => (source.clientRoles ??= rolesByClient(source.claims.resource_access))),
  claims: member(({ claims }) => freezeDeep(claims)),
  expiresAt: member(({ claims }) => new Date(claims.exp * 1000)),
}

function member(read: (source: Source) => unknown): PropertyDescriptor & ThisType<VerifiedPrincipal> {
  return {
    get() {
      return read(VerifiedPrincipal.sourceOf(this))
    },
    enumerable: true,
  }
}

/**
 * Whether a client acts on its own. Its token has no session, unless the client has "Use refresh tokens for client
 * credentials grant" on. Then only what Keycloak notes of such a login tells it from a person: `client_id`, `clientHost`,
 * `clientAddress`.
 *
 * The username proves nothing beside a session, since anybody could register `service-account-x` (Keycloak 26.7.4 accepts
 * it). Without a session it does, since no second account can have the name of an existing service account. It is needed
 * there: clients of an imported realm may lack the scope `service_account`, and their tokens carry no notes.
 *
 * A client may exchange its own token for one of another client, which then stands in `azp`. A lightweight token names
 * nobody. So it is also read how Keycloak came to issue the token.
 *
 * @throws {GateError} `invalid_token` with reason `claims` where a person and a client would look alike
 */
function isService({ sid, jti, client_id, azp, preferred_username, clientHost, clientAddress }: Claims): boolean {
  const isNameless = !isFilled(preferred_username)
  const hasServiceName = !isNameless && preferred_username.startsWith(servicePrefix)
  if (sid === undefined) {
    if (isFilled(client_id) || isNamedAfter(azp, preferred_username)) return true
    const { grant } = originOf(jti)
    return grant === "cc" || (grant === "te" && (hasServiceName || isNameless))
  }
  if (isFilled(clientHost) || isFilled(clientAddress)) return true
  if (isFilled(client_id)) return isNamedAfter(client_id, preferred_username)
  if (!hasServiceName && !isNameless) return false
  const { grant, isLightweight } = originOf(jti)
  const isExchanged = grant === "te" && (hasServiceName || isLightweight)
  if (isExchanged || isNamedAfter(azp, preferred_username)) throw personOrClient(azp)
  return false
}

const servicePrefix = "service-account-"

function isNamedAfter(client: unknown, username: unknown): boolean {
  return isFilled(client) && username === servicePrefix + client.toLowerCase()
}

/** How a token came to be, as its id tells: `cc` is the client credentials grant, `te` a token exchange. */
function originOf(jti: unknown): { readonly isLightweight: boolean; readonly grant: string | undefined } {
  const [, kind, grant] = (isFilled(jti) && /^..([rl]t)(..):/.exec(jti)) || []
  return { isLightweight: kind === "lt", grant }
}

function personOrClient(azp: unknown): GateError {
  const client = typeof azp === "string" ? printable(azp) : "the client that asks for tokens"
  return invalidToken(
    "claims",
    "Refused a token that does not tell whether a person or a client asks: it has a session, no `client_id`, and the username " +
      `of a service account, or none. If the client asked for itself: Clients → ${client} → Client scopes → Add client scope ` +
      "→ service_account (Default). If a person did: give the account another username; lightweight tokens need introspection.",
  )
}

function isFilled(claim: unknown): claim is string {
  return typeof claim === "string" && claim !== ""
}

function textOrNull(claim: unknown): string | null {
  return isFilled(claim) ? claim : null
}

// A list of strings is frozen and not copied. A hostile or mistaken mapper can put anything here: what is no list of
// strings counts as none, so that `"admin".includes("adm")` can't happen.
function texts(claim: unknown): readonly string[] {
  if (!Array.isArray(claim)) return none
  return Object.freeze(claim.every(isText) ? claim : claim.filter(isText))
}

const none: readonly string[] = Object.freeze([])

function isText(value: unknown): value is string {
  return typeof value === "string"
}

function scopesIn(scope: unknown): readonly string[] {
  if (typeof scope !== "string") return none
  const scopes = scope.split(" ")
  // A filtered list reserves room to grow, and one of these is kept with every remembered token.
  return Object.freeze(scopes.includes("") ? scopes.filter(Boolean) : scopes)
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
