import type { createRoles, Role, Roles } from "../realm/roles.js"
import { builtInClientRoles } from "./built-in.js"
import type { GroupFile, KnownRealmFile, RoleFile } from "./realm-file.js"

export function importRoles(file: KnownRealmFile, roles: ReturnType<typeof createRoles>): Role {
  for (const [clientId, ofClient] of Object.entries(builtInClientRoles)) {
    for (const [name, parts] of Object.entries(ofClient)) {
      const role = roles.add(clientId, name, `$\{role_${name}}`)
      for (const part of parts) role.composites.add(roles.add(clientId, part, `$\{role_${part}}`))
    }
  }
  const compose = (role: Role, { composites = {} }: RoleFile) => {
    for (const name of composites.realm ?? []) role.composites.add(roles.get(null, name))
    for (const [clientId, names] of Object.entries(composites.client ?? {}))
      for (const name of names) role.composites.add(roles.get(clientId, name))
  }
  const listed: [string | null, RoleFile][] = [
    ...(file.roles?.realm ?? []).map((role): [null, RoleFile] => [null, role]),
    ...Object.entries(file.roles?.client ?? {}).flatMap(([clientId, ofClient]) =>
      ofClient.map((role): [string, RoleFile] => [clientId, role]),
    ),
  ]
  for (const [clientId, role] of listed) roles.add(clientId, role.name, role.description)
  for (const [clientId, role] of listed) compose(roles.get(clientId, role.name), role)

  roles.add(null, "offline_access", "$" + "{role_offline-access}")
  roles.add(null, "uma_authorization", "$" + "{role_uma_authorization}")
  if (file.defaultRole !== undefined) return roles.get(null, file.defaultRole.name)
  const defaultRole = roles.add(null, `default-roles-${file.realm.toLowerCase()}`, "$" + "{role_default-roles}")
  const composites = {
    realm: ["offline_access", "uma_authorization"],
    client: { account: ["manage-account", "view-profile"] },
  }
  compose(defaultRole, { name: defaultRole.name, composites })
  return defaultRole
}

export function rolesNamed(
  { realmRoles = [], clientRoles = {} }: Pick<GroupFile, "realmRoles" | "clientRoles">,
  roles: Roles,
): readonly Role[] {
  return [
    ...realmRoles.map(name => roles.get(null, name)),
    ...Object.entries(clientRoles).flatMap(([clientId, names]) => names.map(name => roles.get(clientId, name))),
  ]
}
