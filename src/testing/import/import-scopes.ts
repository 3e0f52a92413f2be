import { knownMappers } from "../protocol/protocol-mappers.js"
import type { ClientScope, ProtocolMapper } from "../realm/clients.js"
import type { Roles } from "../realm/roles.js"
import { builtInClientScopes, defaultScopes, optionalScopes } from "./built-in.js"
import type { Migrations } from "./migrations.js"
import type { Problems } from "./problems.js"
import type { ClientScopeFile, KnownRealmFile, MapperFile, ScopeMappingFile } from "./realm-file.js"

export interface ImportedScopes {
  readonly scopes: ReadonlyMap<string, ClientScope>
  /** What a client has that names none itself. */
  readonly byDefault: { readonly defaultScopes: readonly string[]; readonly optionalScopes: readonly string[] }
}

export function importScopes(
  file: KnownRealmFile,
  roles: Roles,
  migrations: Migrations,
  problems: Problems,
): ImportedScopes {
  const given = new Set(file.clientScopes?.map(({ name }) => name))
  const { scopesForAll, optionalForAll } = migrations
  const added = new Set([...scopesForAll, ...optionalForAll, ...migrations.scopes].filter(name => !given.has(name)))
  const files: readonly ClientScopeFile[] =
    file.clientScopes === undefined
      ? builtInClientScopes
      : [...withOfflineAccess(file.clientScopes), ...builtInClientScopes.filter(({ name }) => added.has(name))]
  const scopes = new Map<string, ClientScope>()
  for (const { name, protocol = "openid-connect", attributes, protocolMappers } of files) {
    if (protocol !== "openid-connect") continue
    scopes.set(name, {
      name,
      isInTokenScope: attributes?.["include.in.token.scope"] !== "false",
      isInDiscovery: attributes?.["include.in.openid.provider.metadata"] !== "false",
      mappers: importMappers(`clientScopes.${name}`, protocolMappers, problems),
      roles: new Set(),
    })
  }
  if (file.clientScopes?.some(({ name }) => name === "offline_access") !== true)
    scopes.get("offline_access")?.roles.add(roles.get(null, "offline_access"))
  for (const mapping of allScopeMappings(file)) {
    if (mapping.clientScope === undefined) continue
    for (const role of mapping.roles) scopes.get(mapping.clientScope)?.roles.add(roles.get(mapping.roleClient, role))
  }
  return { scopes, byDefault: defaultsOf(file) }
}

/** Mappers of other protocols have no say here. */
export function importMappers(
  at: string,
  mappers: readonly MapperFile[] | undefined,
  problems: Problems,
): readonly ProtocolMapper[] {
  return (mappers ?? [])
    .filter(({ protocol = "openid-connect" }) => protocol === "openid-connect")
    .map(({ name, protocolMapper = "", config = {} }) => {
      const path = `${at}.protocolMappers.${name ?? protocolMapper}`
      if (!knownMappers.has(protocolMapper))
        problems.add(path, `the mapper "${protocolMapper}" is not known to the test realm`)
      // Since a userinfo switch was added, the one of the ID token counts for both where there is none.
      const switches = config["id.token.claim"] !== undefined && { "userinfo.token.claim": config["id.token.claim"] }
      return { type: protocolMapper, config: { ...switches, ...config } }
    })
}

export function allScopeMappings(
  file: KnownRealmFile,
): readonly (ScopeMappingFile & { readonly roleClient: string | null })[] {
  const ofRealm = (file.scopeMappings ?? []).map(mapping => ({ ...mapping, roleClient: null }))
  const ofClients = Object.entries(file.clientScopeMappings ?? {}).flatMap(([roleClient, mappings]) =>
    mappings.map(mapping => ({ ...mapping, roleClient })),
  )
  return [...ofRealm, ...ofClients]
}

/** Keycloak makes this scope where the file has none, before it reads the others. */
function withOfflineAccess(files: readonly ClientScopeFile[]): readonly ClientScopeFile[] {
  const builtIn = builtInClientScopes.filter(({ name }) => name === "offline_access")
  return files.some(({ name }) => name === "offline_access") ? files : [...builtIn, ...files]
}

function defaultsOf(file: KnownRealmFile): ImportedScopes["byDefault"] {
  const { clientScopes, defaultDefaultClientScopes, defaultOptionalClientScopes } = file
  if (clientScopes === undefined) return { defaultScopes, optionalScopes }
  const hasOffline = clientScopes.some(({ name }) => name === "offline_access")
  return {
    defaultScopes: defaultDefaultClientScopes ?? [],
    optionalScopes: [...(hasOffline ? [] : ["offline_access"]), ...(defaultOptionalClientScopes ?? [])],
  }
}
