import { quotedName } from "../../keycloak/quoted.js"
import { type LogoutListener, logoutListener } from "../../setup/logout-listener.js"
import type { Administrator } from "./administrator.js"
import { InitError } from "./init-error.js"

/** What is to be there in the end. */
export interface Wanted {
  readonly realm: string
  readonly clientId: string
  /** What access tokens have to name in `aud`. */
  readonly audience: string
  /** Another client whose tokens come to this application. */
  readonly issuingClient: string | null
  /** Where Keycloak tells of the logouts of that client, or of the application's own; null: that stays as it is. */
  readonly logoutUrl: string | null
}

/** What is there now. */
export interface Found {
  readonly hasRealm: boolean
  /** Null: there is no such client, or it is not asked for. */
  readonly client: FoundClient | null
  readonly issuingClient: FoundClient | null
  /** Scopes that Keycloak gives to a new client. */
  readonly scopesOfNewClients: readonly string[]
}

export interface FoundClient {
  readonly clientId: string
  readonly protocol: string
  readonly isPublic: boolean
  readonly isBearerOnly: boolean
  readonly authenticator: string
  readonly hasDirectGrants: boolean
  readonly hasServiceAccount: boolean
  readonly hasFullScope: boolean
  readonly secret: string | null
  readonly scopes: readonly string[]
  /** What fills a person's access token: the client's own mappers, and those of its scopes. */
  readonly mappers: readonly Mapper[]
  readonly ownMapperNames: readonly string[]
  /** The service account has the role `manage-users`, be it by another role. */
  readonly managesUsers: boolean
  /** The client's tokens may carry that role. */
  readonly mayCarryRole: boolean
  /** What Keycloak puts before a relative address; "": there is none. */
  readonly rootUrl: string
  readonly hears: LogoutListener
}

interface Mapper {
  readonly kind: string
  readonly config: Readonly<Record<string, unknown>>
}

type Members = Readonly<Record<string, unknown>>

/** Reads what the set-up is about, and nothing else. */
export async function look(admin: Administrator, wanted: Wanted): Promise<Found> {
  const base = `/${encodeURIComponent(wanted.realm)}`
  const nothing = { hasRealm: false, client: null, issuingClient: null, scopesOfNewClients: [] }
  if ((await admin.read("the realm", base)) === null) return nothing
  const defaults = await admin.read("the default client scopes", `${base}/default-default-client-scopes`)
  return {
    hasRealm: true,
    client: await lookAtClient(admin, base, wanted.clientId),
    issuingClient: wanted.issuingClient === null ? null : await lookAtClient(admin, base, wanted.issuingClient),
    scopesOfNewClients: members(defaults).map(({ name }) => String(name)),
  }
}

async function lookAtClient(admin: Administrator, base: string, clientId: string): Promise<FoundClient | null> {
  const found = await findClient(admin, base, clientId)
  if (found === null) return null
  const scopes = Array.isArray(found.defaultClientScopes) ? found.defaultClientScopes.map(String) : []
  const ofScopes = members(await admin.read("the client scopes", `${base}/client-scopes`))
    .filter(({ name }) => scopes.includes(String(name)))
    .flatMap(({ protocolMappers }) => members(protocolMappers))
  const own = members(found.protocolMappers)
  const hasServiceAccount = found.serviceAccountsEnabled === true
  return {
    clientId,
    protocol: quotedName(String(found.protocol ?? "openid-connect")),
    isPublic: found.publicClient === true,
    isBearerOnly: found.bearerOnly === true,
    authenticator: quotedName(String(found.clientAuthenticatorType ?? "client-secret")),
    hasDirectGrants: found.directAccessGrantsEnabled === true,
    hasServiceAccount,
    hasFullScope: found.fullScopeAllowed !== false,
    secret: typeof found.secret === "string" && found.secret !== "" ? found.secret : null,
    scopes,
    mappers: [...own, ...ofScopes].map(({ protocolMapper, config }) => ({
      kind: String(protocolMapper),
      config: (config ?? {}) as Members,
    })),
    rootUrl: typeof found.rootUrl === "string" ? found.rootUrl : "",
    hears: logoutListener(found),
    ownMapperNames: own.map(({ name }) => String(name)),
    ...(await lookAtRole(admin, base, found.id, hasServiceAccount)),
  }
}

async function lookAtRole(
  admin: Administrator,
  base: string,
  id: string,
  hasServiceAccount: boolean,
): Promise<Pick<FoundClient, "managesUsers" | "mayCarryRole">> {
  const management = await managementId(admin, base)
  const isManageUsers = ({ name }: Members) => name === "manage-users"
  const scope = `${base}/clients/${id}/evaluate-scopes/scope-mappings/${management}/granted`
  const mayCarryRole = members(await admin.read("the client's scope", scope)).some(isManageUsers)
  if (!hasServiceAccount) return { managesUsers: false, mayCarryRole }
  const roles = `${await rolesOfServiceAccount(admin, base, id)}/clients/${management}/composite`
  const given = members(await admin.read("the roles of the service account", roles))
  return { managesUsers: given.some(isManageUsers), mayCarryRole }
}

/** With its id, checked to be one step of a path. */
export async function findClient(
  admin: Administrator,
  base: string,
  clientId: string,
): Promise<(Members & { readonly id: string }) | null> {
  const list = members(await admin.read("the clients", `${base}/clients?${new URLSearchParams({ clientId })}`))
  const found = list.find(one => one.clientId === clientId)
  return found === undefined ? null : { ...found, id: segment(found.id) }
}

/** The client whose roles let somebody manage the realm. */
export async function managementId(admin: Administrator, base: string): Promise<string> {
  return (await findClient(admin, base, "realm-management"))?.id ?? "none"
}

/** The path of its roles. */
export async function rolesOfServiceAccount(admin: Administrator, base: string, id: string): Promise<string> {
  const account = await admin.read("the service account", `${base}/clients/${id}/service-account-user`)
  return `${base}/users/${segment((account as Members | null)?.id)}/role-mappings`
}

export function members(list: unknown): readonly Members[] {
  return Array.isArray(list) ? list.filter(one => typeof one === "object" && one !== null) : []
}

/** An id of an answer: a step in the path would lead elsewhere. */
export function segment(id: unknown): string {
  if (typeof id === "string" && /^[\w-]{1,64}$/.test(id)) return id
  throw new InitError(
    "server-not-keycloak",
    "What answers as Keycloak's Admin API sent no id where Keycloak sends one.",
    "Check the address, and what stands between here and Keycloak. Then run init again.",
  )
}
