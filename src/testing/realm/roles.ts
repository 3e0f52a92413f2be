import { randomUUID } from "node:crypto"
import type { Attributes } from "./attributes.js"

export interface Role {
  readonly id: string
  readonly name: string
  /** Null for a realm role. */
  readonly clientId: string | null
  readonly description: string | null
  readonly composites: Set<Role>
  readonly attributes: Attributes
}

/** The realm's roles; a role that somebody is given and that does not exist is made, as in Keycloak's import. */
export interface Roles {
  readonly get: (clientId: string | null, name: string) => Role
  readonly find: (clientId: string | null, name: string) => Role | undefined
  readonly realmRoles: () => readonly Role[]
  readonly ofClient: (clientId: string) => readonly Role[]
}

interface NewRoles extends Roles {
  readonly add: (clientId: string | null, name: string, description?: string, attributes?: Attributes) => Role
}

export function createRoles(): NewRoles {
  const roles = new Map<string, Role>()
  const keyOf = (clientId: string | null, name: string) => JSON.stringify([clientId, name])
  const find = (clientId: string | null, name: string) => roles.get(keyOf(clientId, name))

  function add(clientId: string | null, name: string, description?: string, attributes: Attributes = {}): Role {
    const existing = find(clientId, name)
    if (existing !== undefined) return existing
    const own = { id: randomUUID(), name, clientId, description: description ?? null, attributes }
    const role: Role = { ...own, composites: new Set() }
    roles.set(keyOf(clientId, name), role)
    return role
  }

  const all = () => [...roles.values()]
  return {
    add,
    find,
    get: (clientId, name) => add(clientId, name),
    realmRoles: () => all().filter(role => role.clientId === null),
    ofClient: clientId => all().filter(role => role.clientId === clientId),
  }
}

/** These roles and all that they are made of. */
export function expand(roles: Iterable<Role>): ReadonlySet<Role> {
  const expanded = new Set<Role>()
  const rest = [...roles]
  for (let role = rest.pop(); role !== undefined; role = rest.pop()) {
    if (expanded.has(role)) continue
    expanded.add(role)
    rest.push(...role.composites)
  }
  return expanded
}
