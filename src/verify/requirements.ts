import type { RequiredAccess } from "../errors.js"
import { GateError } from "../errors.js"
import { inQuotes, printable } from "../foreign-text.js"
import { isScopeToken } from "../refusal.js"
import type { RegisteredClientRoles, RegisteredGroup, RegisteredRealmRole, RegisteredScope } from "../register.js"
import type { Principal } from "./principal.js"

/**
 * What a route asks of a principal: everything listed is needed, unless `any: true` makes one of them enough.
 *
 * `kind` defaults to `"user"`: a client's own token is refused unless the route asks for `"service"` or `"any"`. For
 * anything beyond this, stack guards. Where `KeycloakGate.Register` declares names, no others compile.
 */
export interface Requirements {
  /** Realm roles, from the token's `realm_access`. */
  readonly realmRoles?: readonly RegisteredRealmRole[] | undefined
  /** Roles by client id, from the token's `resource_access`. */
  readonly clientRoles?: RegisteredClientRoles | undefined
  /** OAuth scopes, from the token's `scope`; lacking ones are named in the challenge. */
  readonly scopes?: readonly RegisteredScope[] | undefined
  /** Groups as the token's `groups` claim spells them; Keycloak sends it only where a group mapper is set up. */
  readonly groups?: readonly RegisteredGroup[] | undefined
  /** One of all the listed roles, scopes and groups is enough; default: all are needed. */
  readonly any?: boolean | undefined
  /** Whose token: a person's (default), a client's own, or either. */
  readonly kind?: "user" | "service" | "any" | undefined
}

/** Requirements that were checked: no list is empty, no name is misspelt. */
export interface ParsedRequirements {
  readonly required: RequiredAccess
  readonly checks: readonly ((principal: Principal<unknown>) => boolean)[]
  readonly kind: "user" | "service" | "any"
  readonly any: boolean
}

const names = ["realmRoles", "clientRoles", "scopes", "groups", "any", "kind"]

/**
 * Checks requirements once, when the guard is made, so that no typing error opens a route. Whoever knows more members than
 * these looks at those itself.
 *
 * @throws {GateError} `config_invalid` when a requirement is unknown, empty or of the wrong type
 */
export function parseRequirements(requirements: unknown, more: readonly string[] = []): ParsedRequirements {
  if (typeof requirements !== "object" || requirements === null || Array.isArray(requirements)) {
    throw wrongRequirements(`expected an object such as { realmRoles: ["editor"] }, got ${kindOf(requirements)}`)
  }
  const given = requirements as Record<string, unknown>
  const known = [...names, ...more]
  const unknownName = Object.keys(given).find(name => !known.includes(name))
  if (unknownName !== undefined)
    throw wrongRequirements(`there is no \`${printable(unknownName)}\`; known are ${known.join(", ")}`)

  const realmRoles = listOf(given.realmRoles, "realmRoles")
  const clientRoles = rolesByClient(given.clientRoles)
  const scopes = listOf(given.scopes, "scopes")
  const groups = listOf(given.groups, "groups")
  const badScope = scopes.find(scope => !isScopeToken(scope))
  if (badScope !== undefined) throw wrongRequirements("a scope has no blanks, quotes or backslashes (RFC 6749 §3.3)")
  const any = given.any ?? false
  if (typeof any !== "boolean") throw wrongRequirements(`\`any\` is true or false, got ${kindOf(any)}`)
  const kind = given.kind ?? "user"
  if (kind !== "user" && kind !== "service" && kind !== "any")
    throw wrongRequirements('`kind` is "user", "service" or "any"')

  const checks = [
    ...realmRoles.map(role => (principal: Principal<unknown>) => principal.realmRoles.includes(role)),
    ...Object.entries(clientRoles).flatMap(([client, roles]) =>
      roles.map(role => (principal: Principal<unknown>) => principal.clientRoles[client]?.includes(role) ?? false),
    ),
    ...scopes.map(scope => (principal: Principal<unknown>) => principal.scopes.includes(scope)),
    ...groups.map(group => (principal: Principal<unknown>) => principal.groups.includes(group)),
  ]
  if (any && checks.length === 0)
    throw wrongRequirements("`any: true` with nothing listed would let nobody in, or everybody")
  const required: RequiredAccess = {
    ...(realmRoles.length > 0 && { realmRoles }),
    ...(Object.keys(clientRoles).length > 0 && { clientRoles }),
    ...(scopes.length > 0 && { scopes }),
    ...(groups.length > 0 && { groups }),
    ...(any && { any }),
    ...(kind !== "any" && { kind }),
  }
  return { required, checks, kind, any }
}

/**
 * Lets a verified principal pass or refuses it.
 *
 * @throws {GateError} `insufficient_scope` when the principal is of the other kind or lacks what is required
 */
export function assertAllowed(principal: Principal<unknown>, requirements: ParsedRequirements): void {
  const { checks, required, kind, any } = requirements
  if (kind !== "any" && principal.kind !== kind) {
    throw notAllowed(`this route is for a ${kind}, and the token belongs to a ${principal.kind}`, { kind })
  }
  if (checks.length === 0) return
  const allowed = any ? checks.some(check => check(principal)) : checks.every(check => check(principal))
  if (!allowed) throw notAllowed(`required: ${printable(JSON.stringify(required), 1000)}`, lacking(principal, required))
}

/** Everything required is told, but `scopes` only where scopes lack: they go into the challenge (RFC 6750 §3). */
function lacking(principal: Principal<unknown>, required: RequiredAccess): RequiredAccess {
  const { scopes, ...others } = required
  if (scopes === undefined || scopes.every(scope => principal.scopes.includes(scope))) return others
  return required
}

function notAllowed(why: string, required: RequiredAccess): GateError {
  return new GateError("insufficient_scope", `Refused a verified token: ${why}.`, { required })
}

function rolesByClient(value: unknown): Record<string, readonly string[]> {
  if (value === undefined) return {}
  if (typeof value !== "object" || value === null || Array.isArray(value) || Object.keys(value).length === 0) {
    throw wrongRequirements(`\`clientRoles\` is an object such as { "shop-api": ["editor"] }, got ${kindOf(value)}`)
  }
  const entries = Object.entries(value).map(
    ([client, roles]) => [client, listOf(roles ?? null, `clientRoles[${inQuotes(client)}]`)] as const,
  )
  return Object.assign(Object.create(null), Object.fromEntries(entries))
}

function listOf(value: unknown, name: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length === 0 || !value.every(isName)) {
    throw wrongRequirements(`\`${name}\` is a list of at least one non-empty string, got ${kindOf(value)}`)
  }
  return Object.freeze([...value])
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== ""
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list with something else in it"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** Names what is wrong with the requirements of a guard. */
export function wrongRequirements(why: string): GateError {
  return new GateError("config_invalid", `Wrong requirements: ${why}.`)
}
