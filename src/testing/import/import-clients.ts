import { randomUUID } from "node:crypto"
import { knownMappers } from "../protocol/protocol-mappers.js"
import type { Client, ClientScope, ProtocolMapper } from "../realm/clients.js"
import type { Roles } from "../realm/roles.js"
import { signingAlgorithms } from "../realm/signing-keys.js"
import { builtInClientScopes, builtInClients, defaultScopes, optionalScopes } from "./built-in.js"
import type { ClientFile, ClientScopeFile, KnownRealmFile, MapperFile, ScopeMappingFile } from "./realm-file.js"

export function importScopes(file: KnownRealmFile, roles: Roles, problems: string[]): ReadonlyMap<string, ClientScope> {
  const files: readonly ClientScopeFile[] = file.clientScopes ?? builtInClientScopes
  const scopes = new Map<string, ClientScope>()
  for (const { name, protocol = "openid-connect", attributes, protocolMappers } of files) {
    if (protocol !== "openid-connect") continue
    scopes.set(name, {
      name,
      isInTokenScope: attributes?.["include.in.token.scope"] !== "false",
      mappers: importMappers(`client scope ${name}`, protocolMappers, problems),
      roles: new Set(),
    })
  }
  if (file.clientScopes === undefined) scopes.get("offline_access")?.roles.add(roles.get(null, "offline_access"))
  for (const mapping of allScopeMappings(file)) {
    if (mapping.clientScope === undefined) continue
    for (const role of mapping.roles) scopes.get(mapping.clientScope)?.roles.add(roles.get(mapping.roleClient, role))
  }
  return scopes
}

export function importClients(
  file: KnownRealmFile,
  scopes: ReadonlyMap<string, ClientScope>,
  roles: Roles,
  problems: string[],
): ReadonlyMap<string, Client> {
  const listed = file.clients ?? []
  const builtIn = builtInClients.filter(({ clientId }) => !listed.some(client => client.clientId === clientId))
  const byDefault = {
    defaultScopes: file.defaultDefaultClientScopes ?? defaultScopes,
    optionalScopes: file.defaultOptionalClientScopes ?? optionalScopes,
  }
  const withAccount = new Set((file.users ?? []).map(({ serviceAccountClientId }) => serviceAccountClientId))
  const clients = new Map<string, Client>()
  for (const client of [...builtIn, ...listed]) {
    // Keycloak adds this scope where it makes the service account, and not where the file brings it.
    const isAccountMade = client.serviceAccountsEnabled === true && !withAccount.has(client.clientId)
    const ofAccount = isAccountMade ? ["service_account"] : []
    const imported = importClient(client, scopes, byDefault, ofAccount, problems)
    clients.set(client.clientId, imported)
    for (const mapping of allScopeMappings(file)) {
      if (mapping.client !== client.clientId) continue
      for (const role of mapping.roles) imported.scopeRoles.add(roles.get(mapping.roleClient, role))
    }
  }
  return clients
}

function importClient(
  file: ClientFile,
  scopes: ReadonlyMap<string, ClientScope>,
  byDefault: { readonly defaultScopes: readonly string[]; readonly optionalScopes: readonly string[] },
  ofAccount: readonly string[],
  problems: string[],
): Client {
  const { clientId, attributes = {}, publicClient = false } = file
  for (const kind of ["access", "id"]) {
    const algorithm = attributes[`${kind}.token.signed.response.alg`]
    if (algorithm !== undefined && algorithm !== "" && !signingAlgorithms.includes(algorithm))
      problems.push(`client ${clientId}: the signature algorithm "${algorithm}" is not known to the test realm`)
  }
  if (file.secret === "**********")
    problems.push(`client ${clientId}: the export has masked its secret; write one into the file`)
  const named = (names: readonly string[]) => names.map(name => scopes.get(name)).filter(scope => scope !== undefined)
  return {
    id: file.id ?? randomUUID(),
    clientId,
    secret: publicClient ? null : (file.secret ?? randomUUID()),
    isEnabled: file.enabled ?? true,
    isPublic: publicClient,
    isBearerOnly: file.bearerOnly ?? false,
    hasDirectAccessGrants: file.directAccessGrantsEnabled ?? false,
    hasServiceAccount: file.serviceAccountsEnabled ?? false,
    hasFullScope: file.fullScopeAllowed ?? true,
    needsConsent: file.consentRequired ?? false,
    redirectUris: file.redirectUris ?? [],
    webOrigins: file.webOrigins ?? ["+"],
    notBefore: file.notBefore ?? 0,
    attributes,
    mappers: importMappers(`client ${clientId}`, file.protocolMappers, problems),
    defaultScopes: named([...new Set([...(file.defaultClientScopes ?? byDefault.defaultScopes), ...ofAccount])]),
    optionalScopes: named(file.optionalClientScopes ?? byDefault.optionalScopes),
    scopeRoles: new Set(),
  }
}

function importMappers(
  at: string,
  mappers: readonly MapperFile[] | undefined,
  problems: string[],
): readonly ProtocolMapper[] {
  const unknown = mappers?.filter(({ protocolMapper }) => !knownMappers.has(protocolMapper)) ?? []
  for (const { protocolMapper } of unknown)
    problems.push(`${at}: the mapper "${protocolMapper}" is not known to the test realm`)
  return (mappers ?? []).map(({ protocolMapper, config = {} }) => ({ type: protocolMapper, config }))
}

function allScopeMappings(file: KnownRealmFile): readonly (ScopeMappingFile & { roleClient: string | null })[] {
  const ofRealm = (file.scopeMappings ?? []).map(mapping => ({ ...mapping, roleClient: null }))
  const ofClients = Object.entries(file.clientScopeMappings ?? {}).flatMap(([roleClient, mappings]) =>
    mappings.map(mapping => ({ ...mapping, roleClient })),
  )
  return [...ofRealm, ...ofClients]
}
