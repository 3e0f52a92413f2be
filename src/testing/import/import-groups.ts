import type { Group, Groups } from "../realm/groups.js"
import type { Roles } from "../realm/roles.js"
import { rolesNamed } from "./import-roles.js"
import type { GroupFile } from "./realm-file.js"

export function importGroup(file: GroupFile, parent: Group | null, groups: Groups, roles: Roles): void {
  const group = groups.add(parent, file.name, file.attributes)
  for (const role of rolesNamed(file, roles)) group.roles.add(role)
  for (const child of file.subGroups ?? []) importGroup(child, group, groups, roles)
}
