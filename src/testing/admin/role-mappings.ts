import { type Answer, type Call, empty, json } from "../answer.js"
import { type Account, rolesOf } from "../realm/accounts.js"
import type { RealmModel } from "../realm/realm-model.js"
import { expand, type Role } from "../realm/roles.js"
import { parseList } from "./json-body.js"
import { role as representation } from "./representations.js"
import type { Rights } from "./rights.js"

export function listRealmRoles(realm: RealmModel, account: Account, which: string | undefined): Answer {
  const own = [...account.roles].filter(({ clientId }) => clientId === null)
  const chosen =
    which === "available"
      ? realm.roles.realmRoles().filter(role => !account.roles.has(role))
      : which === "composite"
        ? [...rolesOf(account)].filter(({ clientId }) => clientId === null)
        : own
  return json(
    200,
    chosen.map(role => representation(role, realm)),
  )
}

export function changeRealmRoles(realm: RealmModel, account: Account, call: Call, rights: Rights): Answer {
  const parsed = parseList(call)
  if ("refusal" in parsed) return parsed.refusal
  const roles = parsed.value.map(given => roleGiven(realm, given))
  for (const role of roles) {
    if (role === undefined) return json(404, { error: "Role not found" })
    if (!rights.mayGrant(expand([role]))) return json(403, { error: "HTTP 403 Forbidden" })
  }
  const known = roles.filter((role): role is Role => role !== undefined)
  for (const role of known) {
    if (call.method === "POST") account.roles.add(role)
    else account.roles.delete(role)
  }
  return empty(204)
}

/** Both the name and the id must be right. */
function roleGiven(realm: RealmModel, given: unknown): Role | undefined {
  const { id, name } = (given ?? {}) as { id?: unknown; name?: unknown }
  const role = realm.roles.find(null, String(name))
  return role?.id === id ? role : undefined
}
