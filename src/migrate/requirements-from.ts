import { GateError } from "../errors.js"
import { kindOf, type OptionReader, readOptions, shown } from "../option-reader.js"
import type { Requirements } from "../verify/requirements.js"

/** What a role is read with. */
export interface ProtectSettings {
  /** The application's own Client ID, for roles that name no client. */
  readonly clientId?: string | undefined
  /** One of several roles is enough; default: all are needed. */
  readonly any?: boolean | undefined
}

/**
 * The requirements that a role of keycloak-connect's `protect`, or a list of nest-keycloak-connect's `@Roles`, stands for:
 * `"realm:admin"` is a role of the realm, `"shop-api:editor"` one of that client, `"editor"` one of `clientId`.
 *
 * What follows the first colon is the role, later colons included; keycloak-connect leaves out what follows a second one.
 *
 * @throws {GateError} `config_invalid` when a role is empty, odd or no text, or names no client and `clientId` is missing
 * @example
 * app.get("/admin", requireUser(requirementsFrom("realm:admin", { clientId: "shop-api" })), handler)
 */
export function requirementsFrom(role: string | readonly string[], settings: ProtectSettings = {}): Requirements {
  const { clientId, any } = readOptions("requirementsFrom", settings, readSettings)
  const roles: readonly unknown[] = Array.isArray(role) ? role : [role]
  if (roles.length === 0) throw wrong("an empty list of roles would let everybody in")
  const read = roles.map(one => readRole(one, clientId))
  const realmRoles = namesOf(null)
  const clients = read.flatMap(({ client }) => client ?? [])
  const clientRoles = Object.fromEntries(clients.map(client => [client, namesOf(client)]))
  return Object.freeze({
    ...(realmRoles.length > 0 && { realmRoles }),
    ...(clients.length > 0 && { clientRoles }),
    ...(any !== undefined && { any }),
  })

  function namesOf(of: string | null): string[] {
    return read.flatMap(({ client, name }) => (client === of ? name : []))
  }
}

function readSettings(given: OptionReader): ProtectSettings {
  return {
    clientId: given.one<string | undefined>("clientId", undefined, "a Client ID", isName),
    any: given.one<boolean | undefined>("any", undefined, "true or false", one => typeof one === "boolean"),
  }
}

/** A role, with its client; null for one of the realm. */
function readRole(role: unknown, clientId: string | undefined): { client: string | null; name: string } {
  if (typeof role === "function")
    throw wrong("a function is a question of your own: give it to `requireUser` as `allow`")
  if (typeof role !== "string") throw wrong(`expected a text such as "realm:admin", got ${kindOf(role)}`)
  const [before, name] = split(role, clientId)
  if (!isName(name) || (before !== null && !isName(before))) {
    throw wrong(`expected "realm:ROLE", "CLIENT:ROLE" or "ROLE", got ${shown(role)}`)
  }
  if (before === "realm") return { client: null, name }
  const client = before ?? clientId
  if (client === undefined) throw wrong(`${shown(role)} is a role of your own client: give its \`clientId\``)
  return { client, name }
}

/** At the first colon; a Client ID that is an address has one itself. */
function split(role: string, clientId: string | undefined): readonly [before: string | null, name: string] {
  if (clientId !== undefined && clientId !== "realm" && role.startsWith(`${clientId}:`))
    return [clientId, role.slice(clientId.length + 1)]
  const at = role.indexOf(":")
  return at === -1 ? [null, role] : [role.slice(0, at), role.slice(at + 1)]
}

/** As Keycloak has them: on one line, with nothing around it. */
function isName(text: unknown): text is string {
  return typeof text === "string" && text !== "" && text.trim() === text && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)
}

function wrong(why: string): GateError {
  return new GateError("config_invalid", `requirementsFrom: ${why}.`)
}
