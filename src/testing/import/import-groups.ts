import { createGroups, type Group, type Groups } from "../realm/groups.js"
import type { Roles } from "../realm/roles.js"
import { rolesNamed } from "./import-roles.js"
import type { Problems } from "./problems.js"
import type { GroupFile, KnownRealmFile } from "./realm-file.js"

export interface ImportedGroups {
  readonly groups: Groups
  readonly defaultGroups: readonly Group[]
}

export function importGroups(file: KnownRealmFile, roles: Roles, problems: Problems): ImportedGroups {
  const groups = createGroups()
  for (const group of file.groups ?? []) importGroup(group, null, groups, roles)
  // Keycloak reads the default groups of a file with groups only.
  const paths = file.groups === undefined ? [] : (file.defaultGroups ?? [])
  for (const path of paths)
    if (groups.byPath(path) === undefined) problems.add("defaultGroups", `the file has no group "${path}"`)
  return { groups, defaultGroups: paths.map(groups.byPath).filter(group => group !== undefined) }
}

function importGroup(file: GroupFile, parent: Group | null, groups: Groups, roles: Roles): void {
  const group = groups.add(parent, file.name, file.attributes)
  for (const role of rolesNamed(file, roles)) group.roles.add(role)
  for (const child of file.subGroups ?? []) importGroup(child, group, groups, roles)
}
