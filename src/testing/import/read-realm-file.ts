import {
  clientAttributes,
  clientMembers,
  credentialMembers,
  groupMembers,
  mapperMembers,
  realmAttributes,
  realmMembers,
  roleMembers,
  scopeAttributes,
  scopeMembers,
  settingsInAttributes,
  userMembers,
} from "./known-members.js"
import { isObject, type Members } from "./member-kinds.js"
import { type Problems, step } from "./problems.js"
import type { KnownRealmFile, RealmFile } from "./realm-file.js"

type Read = Readonly<Record<string, unknown>>
type Reader = (at: string, value: Read) => Read

/** Reads a realm file as Keycloak's import does; what this server can't stand in for becomes a problem and is left out. */
export function readRealmFile(given: RealmFile | readonly RealmFile[], problems: Problems): KnownRealmFile {
  /** The members of one object that are known, each as its kind; free attributes are checked apart. */
  function members(at: string, value: Read, known: Members, isFree = false): Read {
    const read: Record<string, unknown> = {}
    for (const [name, member] of Object.entries(value)) {
      const path = at === "" ? step(name) : `${at}.${step(name)}`
      if (member === null || member === undefined || problems.isIgnored(path)) continue
      const rule = Object.hasOwn(known, name) ? known[name] : undefined
      if (rule === undefined) {
        if (isFree) read[name] = member
        else problems.add(path, "Keycloak's import knows no such member")
        continue
      }
      const result = rule.read(member)
      if (result === null) continue
      const problem = result === undefined ? `expected ${rule.expected}` : rule.refusal(result)
      if (problem === null) read[name] = result
      else problems.add(path, problem)
    }
    return read
  }

  /** Each element of a list under the name that tells it from the others. */
  function each(at: string, elements: unknown, nameMember: string, reader: Reader): readonly Read[] {
    const list = (elements ?? []) as readonly Read[]
    return list.flatMap((element, index) => {
      const path = `${at}.${step(String(element[nameMember] ?? index))}`
      return problems.isIgnored(path) ? [] : [reader(path, element)]
    })
  }

  const mapper: Reader = (at, value) => members(at, value, mapperMembers)
  const withMappers = (at: string, value: Read): Read => ({
    ...value,
    ...(value.protocolMappers !== undefined && {
      protocolMappers: each(`${at}.protocolMappers`, value.protocolMappers, "name", mapper),
    }),
  })
  const withAttributes = (at: string, value: Read, known: Members): Read => ({
    ...value,
    ...(value.attributes !== undefined && {
      attributes: members(`${at}attributes`, value.attributes as Read, known, true),
    }),
  })

  const client: Reader = (at, value) => {
    const read = members(at, value, clientMembers)
    // What a client of another protocol is like nobody can see here.
    const isForeign = read.protocol !== undefined && read.protocol !== "openid-connect"
    return isForeign ? read : withMappers(at, withAttributes(`${at}.`, read, clientAttributes))
  }
  const scope: Reader = (at, value) =>
    withMappers(at, withAttributes(`${at}.`, members(at, value, scopeMembers), scopeAttributes))
  const role: Reader = (at, value) => members(at, value, roleMembers)
  const credential: Reader = (at, value) => members(at, value, credentialMembers)
  const user: Reader = (at, value) => {
    const read = members(at, value, userMembers)
    const { credentials } = read
    if (credentials === undefined) return read
    return { ...read, credentials: each(`${at}.credentials`, credentials, "id", credential) }
  }
  const group: Reader = (at, value) => {
    const read = members(at, value, groupMembers)
    if (read.subGroups === undefined) return read
    return { ...read, subGroups: each(`${at}.subGroups`, read.subGroups, "name", group) }
  }
  const roles: Reader = (at, value) => {
    const ofClients = isObject(value.client) ? Object.entries(value.client) : []
    return {
      realm: each(`${at}.realm`, value.realm, "name", role),
      client: Object.fromEntries(
        ofClients.map(([clientId, list]) => [clientId, each(`${at}.client.${step(clientId)}`, list, "name", role)]),
      ),
    }
  }

  const file = joined(given, problems)
  const read = withAttributes("", members("", withSettingsOfAttributes(file), realmMembers), realmAttributes)
  if (typeof read.realm !== "string" || read.realm === "") problems.add("realm", "expected the realm's name")
  const listed = (name: string, nameMember: string, reader: Reader) =>
    read[name] === undefined ? {} : { [name]: each(name, read[name], nameMember, reader) }
  const known = {
    ...read,
    ...listed("clients", "clientId", client),
    ...listed("clientScopes", "name", scope),
    ...listed("users", "username", user),
    ...listed("groups", "name", group),
    ...(read.roles !== undefined && { roles: roles("roles", read.roles as Read) }),
  }
  return withoutNulls(known) as unknown as KnownRealmFile
}

/**
 * One realm out of several files: a realm with those of its users, or an export of all realms. The master realm is no
 * application's.
 */
function joined(given: RealmFile | readonly RealmFile[], problems: Problems): Read {
  if (!Array.isArray(given)) return isObject(given) ? given : {}
  const files = (given as readonly unknown[]).filter(isObject)
  const names = [...new Set(files.map(({ realm }) => realm))].filter(name => name !== "master")
  const [name = "master", ...others] = names
  if (others.length > 0)
    problems.add("realm", `these files hold several realms: ${names.join(", ")}; give the file of one of them`)
  const parts = files.filter(({ realm }) => realm === name)
  const users = parts.flatMap(part => (Array.isArray(part.users) ? part.users : []))
  return Object.assign({}, ...parts, users.length > 0 ? { users } : {})
}

function withSettingsOfAttributes(file: Read): Read {
  const attributes = isObject(file.attributes) ? file.attributes : {}
  const settings = Object.entries(settingsInAttributes).filter(([name]) => (attributes[name] ?? "") !== "")
  return { ...file, ...Object.fromEntries(settings.map(([name, member]) => [member, attributes[name]])) }
}

// The console of Keycloak writes null for what nobody has set.
function withoutNulls(file: object): object {
  return JSON.parse(JSON.stringify(file, (_name, value) => value ?? undefined))
}
