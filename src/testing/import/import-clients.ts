import { randomUUID } from "node:crypto"
import type { Client, ClientScope } from "../realm/clients.js"
import type { Roles } from "../realm/roles.js"
import { clientSignatures, signingAlgorithms } from "../realm/signing-keys.js"
import { builtInClients } from "./built-in.js"
import { allScopeMappings, type ImportedScopes, importMappers } from "./import-scopes.js"
import type { Migrations } from "./migrations.js"
import type { Problems } from "./problems.js"
import type { ClientFile, KnownRealmFile } from "./realm-file.js"

export function importClients(
  file: KnownRealmFile,
  { scopes, byDefault }: ImportedScopes,
  roles: Roles,
  migrations: Migrations,
  problems: Problems,
): ReadonlyMap<string, Client> {
  const listed = (file.clients ?? []).filter(({ clientId }) => clientId !== undefined)
  // Keycloak makes its own clients before it reads the scopes of a file, so that they get none of them.
  const ofBuiltIn = file.clientScopes === undefined ? byDefault : { defaultScopes: [], optionalScopes: [] }
  const builtIn = builtInClients.filter(({ clientId }) => !listed.some(client => client.clientId === clientId))
  const withAccount = new Set((file.users ?? []).map(({ serviceAccountClientId }) => serviceAccountClientId))
  const clients = new Map<string, Client>()
  const add = (client: ClientFile, names: ImportedScopes["byDefault"]): Client => {
    const imported = importClient(migrated(client, migrations), scopes, names, problems)
    clients.set(client.clientId, imported)
    return imported
  }
  for (const client of builtIn) add(client, scopeNames(client, ofBuiltIn, migrations))
  for (const client of listed) {
    if (clients.has(client.clientId)) problems.add(`clients.${client.clientId}`, "the file has this client twice")
    const { defaultScopes, optionalScopes } = scopeNames(client, byDefault, migrations)
    // Keycloak adds this scope where it makes the service account, and not where the file brings it.
    const isAccountMade = client.serviceAccountsEnabled === true && !withAccount.has(client.clientId)
    const hasScope = isAccountMade && !migrations.scopes.includes("service_account")
    add(client, { defaultScopes: [...defaultScopes, ...(hasScope ? ["service_account"] : [])], optionalScopes })
  }
  for (const mapping of allScopeMappings(file)) {
    if (mapping.client === undefined) continue
    for (const role of mapping.roles) clients.get(mapping.client)?.scopeRoles.add(roles.get(mapping.roleClient, role))
  }
  return clients
}

/** A client that names scopes of one kind has none of the other kind that it does not name. */
function scopeNames(
  { defaultClientScopes, optionalClientScopes, bearerOnly, protocol = "openid-connect" }: ClientFile,
  byDefault: ImportedScopes["byDefault"],
  migrations: Migrations,
): ImportedScopes["byDefault"] {
  const isOwn = defaultClientScopes !== undefined || optionalClientScopes !== undefined
  const own = { defaultScopes: defaultClientScopes ?? [], optionalScopes: optionalClientScopes ?? [] }
  const names = isOwn ? own : byDefault
  const isMigrated = protocol === "openid-connect" && bearerOnly !== true
  if (!isMigrated) return names
  return {
    defaultScopes: [...names.defaultScopes, ...migrations.scopesForAll],
    optionalScopes: [...names.optionalScopes, ...migrations.optionalForAll],
  }
}

function migrated(client: ClientFile, { lightensConsoles }: Migrations): ClientFile {
  if (!lightensConsoles || !["admin-cli", "security-admin-console"].includes(client.clientId)) return client
  const attributes = { ...client.attributes, "client.use.lightweight.access.token.enabled": "true" }
  return { ...client, fullScopeAllowed: true, attributes }
}

function importClient(
  file: ClientFile,
  scopes: ReadonlyMap<string, ClientScope>,
  { defaultScopes, optionalScopes }: ImportedScopes["byDefault"],
  problems: Problems,
): Client {
  const { clientId, attributes = {}, publicClient = false, protocol = "openid-connect" } = file
  const known = protocol === "openid-connect" ? signatures : {}
  for (const [attribute, algorithms] of Object.entries(known)) {
    const algorithm = attributes[attribute]
    if (algorithm !== undefined && algorithm !== "" && !algorithms.includes(algorithm))
      problems.add(
        `clients.${clientId}.attributes.${attribute}`,
        `the signature algorithm "${algorithm}" is not known to the test realm`,
      )
  }
  const named = (names: readonly string[]) => names.map(name => scopes.get(name)).filter(scope => scope !== undefined)
  const ofDefault = new Set(named(defaultScopes))
  return {
    id: file.id ?? randomUUID(),
    clientId,
    protocol,
    authenticator: file.clientAuthenticatorType ?? "client-secret",
    secret: publicClient ? null : (file.secret ?? randomUUID()),
    isEnabled: file.enabled ?? true,
    isPublic: publicClient,
    isBearerOnly: file.bearerOnly ?? false,
    hasDirectAccessGrants: file.directGrantsOnly ?? file.directAccessGrantsEnabled ?? false,
    hasServiceAccount: file.serviceAccountsEnabled ?? false,
    hasFullScope: file.fullScopeAllowed ?? file.consentRequired !== true,
    needsConsent: file.consentRequired ?? false,
    rootUrl: file.rootUrl ?? "",
    redirectUris: file.redirectUris ?? [],
    webOrigins: file.webOrigins ?? ["+"],
    notBefore: file.notBefore ?? 0,
    attributes,
    mappers: importMappers(`clients.${clientId}`, file.protocolMappers, problems),
    defaultScopes: [...ofDefault],
    optionalScopes: named(optionalScopes).filter(scope => !ofDefault.has(scope)),
    scopeRoles: new Set(),
  }
}

const signatures: Readonly<Record<string, readonly string[]>> = {
  "access.token.signed.response.alg": clientSignatures,
  "id.token.signed.response.alg": clientSignatures,
  "user.info.response.signature.alg": signingAlgorithms,
}
