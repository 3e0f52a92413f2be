import { randomUUID } from "node:crypto"
import type { Attributes } from "./attributes.js"
import type { Role } from "./roles.js"

export interface Group {
  readonly id: string
  readonly name: string
  readonly path: string
  readonly parent: Group | null
  readonly children: Group[]
  readonly roles: Set<Role>
  readonly attributes: Attributes
}

export interface Groups {
  readonly top: readonly Group[]
  readonly byPath: (path: string) => Group | undefined
  readonly byId: (id: string) => Group | undefined
  readonly add: (parent: Group | null, name: string, attributes?: Attributes) => Group
}

export function createGroups(): Groups {
  const all: Group[] = []
  const top: Group[] = []
  return {
    top,
    byPath: path => all.find(group => group.path === (path.startsWith("/") ? path : `/${path}`)),
    byId: id => all.find(group => group.id === id),
    add(parent, name, attributes = {}) {
      const path = `${parent?.path ?? ""}/${name.replaceAll("/", "~/")}`
      const existing = all.find(group => group.path === path)
      if (existing !== undefined) return existing
      const group = { id: randomUUID(), name, path, parent, children: [], roles: new Set<Role>(), attributes }
      all.push(group)
      ;(parent?.children ?? top).push(group)
      return group
    },
  }
}

/** A group and the groups that it is in: their roles are inherited. */
export function lineage(group: Group): readonly Group[] {
  return group.parent === null ? [group] : [group, ...lineage(group.parent)]
}
