import type { Account } from "../realm/accounts.js"
import { type Attributes, valuesUnder } from "../realm/attributes.js"
import type { ProtocolMapper } from "../realm/clients.js"
import { lineage } from "../realm/groups.js"
import type { TokenContext } from "./token-context.js"

/** Where a claim may go; each mapper says for each of them whether it goes there. */
export type Target = "access" | "lightweight" | "id" | "userinfo" | "introspection" | "response"

export type MutableClaims = Record<string, unknown>

type Config = Readonly<Record<string, string>>
type Mapper = (claims: MutableClaims, config: Config, context: TokenContext) => void

/** Puts into `claims` what the mappers of the client and its scopes have for this target. */
export function mapClaims(claims: MutableClaims, target: Target, context: TokenContext): MutableClaims {
  const all = [...context.client.mappers, ...context.scopes.flatMap(({ mappers }) => mappers)]
  const chosen = all.filter(mapper => isFor(target, mapper)).sort((a, b) => priority(a) - priority(b))
  for (const { type, config } of chosen) mappers[type]?.(claims, config, context)
  return claims
}

function isFor(target: Target, { type, config }: ProtocolMapper): boolean {
  const flag = (name: string) => config[name] === "true"
  if (withoutTarget[target]?.has(type)) return false
  // Audiences and roles are the resource server's business, so userinfo and ID tokens take them only when asked to.
  switch (target) {
    case "access":
      return flag("access.token.claim") || (isForAll.has(type) && config["access.token.claim"] === undefined)
    case "response":
      return flag("access.tokenResponse.claim") && isForResponses.has(type)
    case "lightweight":
      return flag("lightweight.claim")
    case "id":
      return flag("id.token.claim")
    case "userinfo":
      return config["userinfo.token.claim"] === undefined ? flag("id.token.claim") : flag("userinfo.token.claim")
    case "introspection":
      return config["introspection.token.claim"] === undefined
        ? isFor("access", { type, config })
        : flag("introspection.token.claim")
  }
}

/** Targets that a kind of mapper has nothing for, whatever its switches say. */
const withoutTarget: Readonly<Partial<Record<Target, ReadonlySet<string>>>> = {
  id: new Set(["oidc-audience-resolve-mapper", "oidc-allowed-origins-mapper", "oidc-sub-mapper"]),
  introspection: new Set(["oidc-amr-mapper"]),
  userinfo: new Set([
    ...["oidc-acr-mapper", "oidc-amr-mapper", "oidc-audience-mapper", "oidc-audience-resolve-mapper"],
    ...["oidc-allowed-origins-mapper", "oidc-sub-mapper"],
  ]),
}

/** They had no switches before Keycloak 25. */
const isForAll: ReadonlySet<string> = new Set(["oidc-audience-resolve-mapper", "oidc-allowed-origins-mapper"])

const isForResponses: ReadonlySet<string> = new Set([
  "oidc-hardcoded-claim-mapper",
  "oidc-usersessionmodel-note-mapper",
])

/** Roles are mapped last, and audiences that follow from roles after those that are set. */
function priority({ type }: ProtocolMapper): number {
  if (type === "oidc-audience-resolve-mapper") return 1
  return /role-mapper$/.test(type) && type !== "oidc-hardcoded-role-mapper" ? 2 : 0
}

const mappers: Readonly<Record<string, Mapper>> = {
  "oidc-audience-mapper"(claims, config) {
    const audience = config["included.client.audience"] || config["included.custom.audience"]
    if (audience) addAudience(claims, audience)
  },
  "oidc-audience-resolve-mapper"(claims, _config, { roles, client }) {
    for (const { clientId } of roles)
      if (clientId !== null && clientId !== client.clientId) addAudience(claims, clientId)
  },
  "oidc-usermodel-realm-role-mapper"(claims, config, { roles }) {
    const prefix = config["usermodel.realmRoleMapping.rolePrefix"] ?? ""
    const names = [...roles].filter(({ clientId }) => clientId === null).map(({ name }) => prefix + name)
    setClaim(claims, config, names)
  },
  "oidc-usermodel-client-role-mapper"(claims, config, { roles }) {
    const prefix = config["usermodel.clientRoleMapping.rolePrefix"] ?? ""
    const only = config["usermodel.clientRoleMapping.clientId"]
    const clients = new Set([...roles].map(({ clientId }) => clientId))
    for (const clientId of clients) {
      if (clientId === null || (only && clientId !== only)) continue
      const names = [...roles].filter(role => role.clientId === clientId).map(({ name }) => prefix + name)
      setClaim(claims, config, names, clientId)
    }
  },
  "oidc-usermodel-attribute-mapper"(claims, config, { account }) {
    const values = attributeOf(account, config["user.attribute"] ?? "", config["aggregate.attrs"] === "true")
    setClaim(claims, config, values)
  },
  "oidc-usermodel-property-mapper"(claims, config, { account }) {
    const { id, emailVerified, enabled, createdTimestamp } = account
    const properties: Readonly<Record<string, unknown>> = { id, emailVerified, enabled, createdTimestamp }
    const name = config["user.attribute"] ?? ""
    const values = name in properties ? [String(properties[name])] : attributeOf(account, name, false)
    setClaim(claims, config, values)
  },
  "oidc-full-name-mapper"(claims, _config, { account: { firstName, lastName } }) {
    const name = [firstName, lastName].filter(Boolean).join(" ")
    if (name !== "") claims.name = name
  },
  "oidc-group-membership-mapper"(claims, config, { account }) {
    const isFull = config["full.path"] !== "false"
    const groups = [...account.groups].map(({ path, name }) => (isFull ? path : name))
    setClaim(claims, { ...config, multivalued: "true" }, groups)
  },
  "oidc-usersessionmodel-note-mapper"(claims, config, { notes }) {
    const note = notes[config["user.session.note"] ?? ""]
    if (note !== undefined) setClaim(claims, config, [note])
  },
  "oidc-hardcoded-claim-mapper"(claims, config) {
    if (config["claim.value"] !== undefined) setClaim(claims, config, [config["claim.value"]])
  },
  "oidc-allowed-origins-mapper"(claims, _config, { client, issuer }) {
    const base = new URL(issuer).origin
    const ofRedirects = client.redirectUris.flatMap(uri => originOf(uri, client.rootUrl || base, base))
    const origins = client.webOrigins.flatMap(origin => (origin === "+" ? ofRedirects : [origin]))
    if (origins.length > 0) claims["allowed-origins"] = [...new Set(origins)]
  },
  "oidc-acr-mapper"(claims, _config, { client, realm }) {
    claims.acr =
      levelsOf(client.attributes["acr.loa.map"], realm.settings.levels).find(([, level]) => level === 1)?.[0] ?? "1"
  },
  "oidc-amr-mapper"(claims) {
    claims.amr = []
  },
  "oidc-session-state-mapper"(claims, _config, { session }) {
    if (session !== null) claims.session_state = session.id
  },
  "oidc-sub-mapper"(claims, _config, { account }) {
    claims.sub = account.id
  },
  "oidc-address-mapper"(claims, config, { account }) {
    const parts: Readonly<Record<string, string>> = {
      formatted: "formatted",
      street: "street_address",
      locality: "locality",
      region: "region",
      postal_code: "postal_code",
      country: "country",
    }
    const address = Object.entries(parts).flatMap(([part, claim]) => {
      const [value] = valuesUnder(account.attributes, config[`user.attribute.${part}`] ?? part)
      return value === undefined ? [] : [[claim, value]]
    })
    if (address.length > 0) claims.address = Object.fromEntries(address)
  },
  // No organizations here, and neither nonce nor `claims` parameter without a login page.
  "oidc-organization-membership-mapper"() {},
  "oidc-nonce-backwards-compatible-mapper"() {},
  "oidc-claims-param-token-mapper"() {},
  "oidc-claims-param-value-idtoken-mapper"() {},
  // It counts where the roles of a token are gathered.
  "oidc-hardcoded-role-mapper"() {},
}

export const knownMappers: ReadonlySet<string> = new Set(Object.keys(mappers))

/** What Keycloak takes for the origin of a redirect URI, wildcards included. */
function originOf(uri: string, root: string, base: string): readonly string[] {
  const absolute = uri.startsWith("/") ? root.replace(/^\$\{auth(Base|Admin)Url\}/, base) + uri : uri
  const [origin] = /^https?:\/\/[^/]+/.exec(absolute) ?? []
  return origin === undefined ? [] : [origin]
}

/** Names of levels of authentication: those of the client, or those of the realm where it has none. */
export function levelsOf(
  ...maps: readonly (string | undefined)[]
): readonly (readonly [name: string, level: number])[] {
  for (const map of maps) {
    const levels = Object.entries((decoded(map) ?? {}) as Readonly<Record<string, unknown>>)
    if (levels.length > 0) return levels.map(([name, level]) => [name, Number(level)])
  }
  return []
}

function decoded(text: string | undefined): unknown {
  try {
    return JSON.parse(text || "{}")
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function addAudience(claims: MutableClaims, audience: string): void {
  const list = claims.aud === undefined ? [] : [claims.aud].flat()
  const all = list.includes(audience) ? list : [...list, audience]
  claims.aud = all.length === 1 ? all[0] : all
}

function attributeOf(account: Account, name: string, aggregate: boolean): readonly string[] {
  const own = valuesUnder(valuesOf(account), name)
  const ofGroups = () => [...account.groups].flatMap(lineage).flatMap(group => valuesUnder(group.attributes, name))
  if (aggregate) return [...new Set([...own, ...ofGroups()])]
  return own.length > 0 ? own : ofGroups()
}

export type AccountData = Pick<Account, "username" | "email" | "firstName" | "lastName" | "attributes">

/** All attributes of an account, with the four that have a member of their own. */
export function valuesOf({ attributes, username, email, firstName, lastName }: AccountData): Attributes {
  const own = { username, email, firstName, lastName }
  const given = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== null)
  return { ...attributes, ...Object.fromEntries(given.map(([name, value]) => [name, [value]])) }
}

/** Sets a claim whose name may lead into objects; a blank list leaves it out. */
function setClaim(claims: MutableClaims, config: Config, values: readonly string[], clientId = ""): void {
  if (values.length === 0) return
  const typed = values.map(value => typedValue(value, config["jsonType.label"] ?? "String"))
  // A dot leads into an object unless a backslash is before it, and a client id is one step whatever is in it.
  const path = (config["claim.name"] ?? "")
    .split(/(?<!\\)\./)
    .map(step => step.replaceAll("\\.", ".").replace("$" + "{client_id}", clientId))
  const last = path.pop() ?? ""
  let target = claims
  for (const step of path) {
    const next = target[step]
    const found = typeof next === "object" && next !== null ? (next as MutableClaims) : {}
    target[step] = found
    target = found
  }
  const isMerged = config.multivalued === "true" && Array.isArray(target[last])
  if (isMerged) target[last] = [...new Set([...(target[last] as unknown[]), ...typed])]
  else target[last] = config.multivalued === "true" ? typed : typed[0]
}

function typedValue(value: string, type: string): unknown {
  if (type === "boolean") return value === "true"
  if (type === "long" || type === "int") return Number(value)
  return type === "JSON" ? JSON.parse(value) : value
}
