import type { createRoles, Role, Roles } from "../realm/roles.js"
import { builtInClientRoles } from "./built-in.js"
import type { Problems } from "./problems.js"
import type { GroupFile, KnownRealmFile, RoleFile } from "./realm-file.js"

/** Imports the roles of a realm; returns the one that every new account gets. */
export function importRoles(file: KnownRealmFile, roles: ReturnType<typeof createRoles>, problems: Problems): Role {
  const ofRealm = file.roles?.realm ?? []
  const ofClients = Object.entries(file.roles?.client ?? {})
  const brought = new Set((file.clients ?? []).map(({ clientId }) => clientId))
  const known = new Set([...brought, ...Object.keys(builtInClientRoles)])
  for (const [clientId] of ofClients)
    if (!known.has(clientId)) problems.add(`roles.client.${clientId}`, "the file has no such client")

  const listed: readonly (readonly [string | null, RoleFile])[] = [
    ...ofRealm.map(role => [null, role] as const),
    ...ofClients.flatMap(([clientId, ofClient]) => ofClient.map(role => [clientId, role] as const)),
  ]
  // Keycloak makes this role itself unless the file has both it and its scope.
  const hasOfflineAccess =
    ofRealm.some(({ name }) => name === "offline_access") &&
    file.clientScopes?.some(({ name }) => name === "offline_access") === true
  if (!hasOfflineAccess) roles.add(null, "offline_access", "$" + "{role_offline-access}")
  for (const [clientId, role] of listed) roles.add(clientId, role.name, role.description, role.attributes)
  addBuiltIn(roles, brought)
  const compose = (role: Role, { composites = {} }: RoleFile) => {
    for (const name of composites.realm ?? []) role.composites.add(roles.get(null, name))
    for (const [clientId, names] of Object.entries(composites.client ?? {}))
      for (const name of names) role.composites.add(roles.get(clientId, name))
  }
  for (const [clientId, role] of listed) compose(roles.get(clientId, role.name), role)

  const defaultRole = defaultRoleOf(file, roles)
  const added = [
    ...(hasOfflineAccess ? [] : ["offline_access"]),
    ...(roles.find(null, "uma_authorization") === undefined ? ["uma_authorization"] : []),
  ]
  roles.add(null, "offline_access", "$" + "{role_offline-access}")
  roles.add(null, "uma_authorization", "$" + "{role_uma_authorization}")
  const ofAccount = brought.has("account") ? [] : ["manage-account", "view-profile"]
  compose(defaultRole, { name: defaultRole.name, composites: { realm: added, client: { account: ofAccount } } })
  if (file.defaultRole === undefined) addDefaultRoles(file, roles, defaultRole)
  return defaultRole
}

export function rolesNamed(
  { realmRoles = [], clientRoles = {} }: Pick<GroupFile, "realmRoles" | "clientRoles">,
  roles: Roles,
): readonly Role[] {
  return [
    ...realmRoles.map(name => roles.get(null, name.trim())),
    ...Object.entries(clientRoles).flatMap(([clientId, names]) => names.map(name => roles.get(clientId, name.trim()))),
  ]
}

/** A client that the file brings has the roles of the file; what administers the realm is completed. */
function addBuiltIn(roles: ReturnType<typeof createRoles>, brought: ReadonlySet<string>): void {
  for (const [clientId, ofClient] of Object.entries(builtInClientRoles)) {
    if (brought.has(clientId) && clientId !== "realm-management") continue
    for (const [name, parts] of Object.entries(ofClient)) {
      const role = roles.add(clientId, name, `$\{role_${name}}`)
      for (const part of parts) role.composites.add(roles.add(clientId, part, `$\{role_${part}}`))
    }
  }
  roles.add("account", "delete-account", "$" + "{role_delete-account}")
}

/** Where the file has a role of the name that Keycloak would give, Keycloak takes the next number. */
function defaultRoleOf(file: KnownRealmFile, roles: ReturnType<typeof createRoles>): Role {
  if (file.defaultRole !== undefined) return roles.add(null, file.defaultRole.name, file.defaultRole.description)
  const names = new Set((file.roles?.realm ?? []).map(({ name }) => name))
  const first = `default-roles-${file.realm.toLowerCase()}`
  let name = first
  for (let number = 1; names.has(name); number++) name = `${first}-${number}`
  return roles.add(null, name, "$" + "{role_default-roles}")
}

/** How default roles were listed before Keycloak 13. */
function addDefaultRoles(file: KnownRealmFile, roles: Roles, defaultRole: Role): void {
  for (const name of file.defaultRoles ?? []) defaultRole.composites.add(roles.get(null, name.trim()))
  for (const { clientId, defaultRoles = [] } of file.clients ?? [])
    for (const name of defaultRoles) defaultRole.composites.add(roles.get(clientId, name.trim()))
}
