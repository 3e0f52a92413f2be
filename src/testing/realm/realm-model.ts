import { randomUUID } from "node:crypto"
import type { SentMail } from "../admin/account-mail.js"
import {
  type ClientFile,
  type ClientScopeFile,
  type CredentialFile,
  type GroupFile,
  type KnownRealmFile,
  type MapperFile,
  type RealmFile,
  type RoleFile,
  readRealmFile,
  refuse,
  type ScopeMappingFile,
  type UserFile,
} from "../import/realm-file.js"
import { knownMappers } from "../protocol/protocol-mappers.js"
import { type Account, type Accounts, createAccounts } from "./accounts.js"
import { type BruteForce, createBruteForce } from "./brute-force.js"
import {
  builtInClientRoles,
  builtInClientScopes,
  builtInClients,
  builtInRequiredActions,
  defaultScopes,
  optionalScopes,
} from "./built-in.js"
import type { Client, ClientScope, ProtocolMapper } from "./clients.js"
import { createGroups, type Group, type Groups } from "./groups.js"
import { type OneTimeCode, oneTimeCode } from "./one-time-code.js"
import { hashedPassword, type Password, plainPassword } from "./password.js"
import { type PasswordPolicy, parsePasswordPolicy } from "./password-policy.js"
import { createRoles, type Role, type Roles } from "./roles.js"
import { createSessions, type Sessions } from "./sessions.js"
import { createSigningKeys, type SigningKeys, signingAlgorithms } from "./signing-keys.js"
import { defaultUserProfile, type UserProfile, unknownValidation } from "./user-profile.js"

/** A realm in memory: all that the endpoints answer from. */
export interface RealmModel {
  readonly id: string
  readonly name: string
  readonly isEnabled: boolean
  readonly settings: RealmSettings
  readonly profile: UserProfile
  readonly passwordPolicy: PasswordPolicy
  readonly clients: ReadonlyMap<string, Client>
  readonly scopes: ReadonlyMap<string, ClientScope>
  readonly roles: Roles
  /** What every new account gets. */
  readonly defaultRole: Role
  readonly defaultGroups: readonly Group[]
  readonly requiredActions: ReadonlyMap<string, { readonly isEnabled: boolean; readonly isDefault: boolean }>
  readonly groups: Groups
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly bruteForce: BruteForce
  readonly keys: SigningKeys
  /** What Keycloak would have sent. */
  readonly mails: SentMail[]
  /** Ids of access tokens that were revoked one by one. */
  readonly revokedTokens: Set<string>
  /** Claims that a test has put into a token, by the token's id: introspection answers them too. */
  readonly claimsGiven: Map<string, Readonly<Record<string, unknown>>>
}

interface RealmSettings {
  readonly emailAsUsername: boolean
  readonly verifyEmail: boolean
  readonly loginWithEmail: boolean
  readonly editUsername: boolean
  readonly organizations: boolean
  readonly bruteForce: boolean
  readonly revokeRefreshToken: boolean
  readonly refreshTokenMaxReuse: number
  readonly reusableOneTimeCodes: boolean
  readonly accessTokenSeconds: number
  readonly sessionIdleSeconds: number
  readonly sessionMaxSeconds: number
  readonly offlineIdleSeconds: number
  readonly notBefore: number
  readonly signatureAlgorithm: string
  readonly sendsMail: boolean
}

/**
 * Imports a realm file as Keycloak does.
 *
 * @throws {GateError} `config_invalid` naming what this server can't stand in for
 */
export function importRealm(realmFile: RealmFile): RealmModel {
  const file = readRealmFile(realmFile)
  const problems: string[] = []
  const settings = settingsOf(file)
  if (!signingAlgorithms.includes(settings.signatureAlgorithm))
    problems.push(`\`realm.defaultSignatureAlgorithm\` "${settings.signatureAlgorithm}" is not known to the test realm`)

  const roles = createRoles()
  const defaultRole = importRoles(file, roles)
  const groups = createGroups()
  for (const group of file.groups ?? []) importGroup(group, null, groups, roles)
  const scopes = importScopes(file, roles, problems)
  const clients = importClients(file, scopes, roles, problems)
  const profile = profileOf(file)
  const validation = unknownValidation(profile)
  if (validation !== null) problems.push(`the user profile's validation "${validation}" is not known to the test realm`)
  const policy = parsePasswordPolicy(file.passwordPolicy ?? "")
  if ("unknown" in policy) problems.push(`the password policy "${policy.unknown}" is not known to the test realm`)
  const accounts = createAccounts()
  for (const user of file.users ?? []) importUser(user, { accounts, groups, roles, clients }, problems)
  for (const client of clients.values()) {
    if (client.hasServiceAccount && accounts.serviceAccountOf(client.clientId) === undefined) {
      const username = `service-account-${client.clientId}`
      accounts.add({ username, serviceAccountOf: client.clientId }).roles.add(defaultRole)
    }
  }
  refuse(problems)

  return {
    id: file.id ?? randomUUID(),
    name: file.realm,
    isEnabled: file.enabled ?? false,
    settings,
    profile,
    passwordPolicy: policy as PasswordPolicy,
    clients,
    scopes,
    roles,
    defaultRole,
    defaultGroups: (file.defaultGroups ?? []).map(groups.byPath).filter(group => group !== undefined),
    requiredActions: requiredActionsOf(file),
    groups,
    accounts,
    sessions: createSessions(),
    bruteForce: createBruteForce({
      isOn: settings.bruteForce,
      isPermanent: file.permanentLockout ?? false,
      maxTemporaryLockouts: file.maxTemporaryLockouts ?? 0,
      failureFactor: file.failureFactor ?? 30,
      strategy: file.bruteForceStrategy ?? "MULTIPLE",
      waitIncrementSeconds: file.waitIncrementSeconds ?? 60,
      quickLoginCheckMilliSeconds: file.quickLoginCheckMilliSeconds ?? 1000,
      minimumQuickLoginWaitSeconds: file.minimumQuickLoginWaitSeconds ?? 60,
      maxFailureWaitSeconds: file.maxFailureWaitSeconds ?? 900,
      maxDeltaTimeSeconds: file.maxDeltaTimeSeconds ?? 43_200,
    }),
    keys: createSigningKeys(file.realm, settings.signatureAlgorithm),
    mails: [],
    revokedTokens: new Set(),
    claimsGiven: new Map(),
  }
}

function settingsOf(file: KnownRealmFile): RealmSettings {
  return {
    emailAsUsername: file.registrationEmailAsUsername ?? false,
    verifyEmail: file.verifyEmail ?? false,
    loginWithEmail: file.loginWithEmailAllowed ?? true,
    editUsername: file.editUsernameAllowed ?? false,
    organizations: file.organizationsEnabled ?? false,
    bruteForce: file.bruteForceProtected ?? false,
    revokeRefreshToken: file.revokeRefreshToken ?? false,
    refreshTokenMaxReuse: file.refreshTokenMaxReuse ?? 0,
    reusableOneTimeCodes: file.otpPolicyCodeReusable ?? false,
    accessTokenSeconds: file.accessTokenLifespan ?? 300,
    sessionIdleSeconds: file.ssoSessionIdleTimeout ?? 1800,
    sessionMaxSeconds: file.ssoSessionMaxLifespan ?? 36_000,
    offlineIdleSeconds: file.offlineSessionIdleTimeout ?? 2_592_000,
    notBefore: file.notBefore ?? 0,
    signatureAlgorithm: file.defaultSignatureAlgorithm ?? "RS256",
    sendsMail: file.smtpServer?.host !== undefined,
  }
}

function importRoles(file: KnownRealmFile, roles: ReturnType<typeof createRoles>): Role {
  for (const [clientId, ofClient] of Object.entries(builtInClientRoles)) {
    for (const [name, parts] of Object.entries(ofClient)) {
      const role = roles.add(clientId, name, `$\{role_${name}}`)
      for (const part of parts) role.composites.add(roles.add(clientId, part, `$\{role_${part}}`))
    }
  }
  const compose = (role: Role, { composites = {} }: RoleFile) => {
    for (const name of composites.realm ?? []) role.composites.add(roles.get(null, name))
    for (const [clientId, names] of Object.entries(composites.client ?? {}))
      for (const name of names) role.composites.add(roles.get(clientId, name))
  }
  const listed: [string | null, RoleFile][] = [
    ...(file.roles?.realm ?? []).map((role): [null, RoleFile] => [null, role]),
    ...Object.entries(file.roles?.client ?? {}).flatMap(([clientId, ofClient]) =>
      ofClient.map((role): [string, RoleFile] => [clientId, role]),
    ),
  ]
  for (const [clientId, role] of listed) roles.add(clientId, role.name, role.description)
  for (const [clientId, role] of listed) compose(roles.get(clientId, role.name), role)

  roles.add(null, "offline_access", "$" + "{role_offline-access}")
  roles.add(null, "uma_authorization", "$" + "{role_uma_authorization}")
  if (file.defaultRole !== undefined) return roles.get(null, file.defaultRole.name)
  const defaultRole = roles.add(null, `default-roles-${file.realm.toLowerCase()}`, "$" + "{role_default-roles}")
  const composites = {
    realm: ["offline_access", "uma_authorization"],
    client: { account: ["manage-account", "view-profile"] },
  }
  compose(defaultRole, { name: defaultRole.name, composites })
  return defaultRole
}

function importGroup(file: GroupFile, parent: Group | null, groups: Groups, roles: Roles): void {
  const group = groups.add(parent, file.name, file.attributes)
  for (const role of rolesNamed(file, roles)) group.roles.add(role)
  for (const child of file.subGroups ?? []) importGroup(child, group, groups, roles)
}

function rolesNamed(
  { realmRoles = [], clientRoles = {} }: Pick<GroupFile, "realmRoles" | "clientRoles">,
  roles: Roles,
) {
  return [
    ...realmRoles.map(name => roles.get(null, name)),
    ...Object.entries(clientRoles).flatMap(([clientId, names]) => names.map(name => roles.get(clientId, name))),
  ]
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

function importScopes(file: KnownRealmFile, roles: Roles, problems: string[]): ReadonlyMap<string, ClientScope> {
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

function allScopeMappings(file: KnownRealmFile): readonly (ScopeMappingFile & { roleClient: string | null })[] {
  const ofRealm = (file.scopeMappings ?? []).map(mapping => ({ ...mapping, roleClient: null }))
  const ofClients = Object.entries(file.clientScopeMappings ?? {}).flatMap(([roleClient, mappings]) =>
    mappings.map(mapping => ({ ...mapping, roleClient })),
  )
  return [...ofRealm, ...ofClients]
}

function importClients(
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

function profileOf(file: KnownRealmFile): UserProfile {
  const components = file.components?.["org.keycloak.userprofile.UserProfileProvider"] ?? []
  const text = components[0]?.config?.["kc.user.profile.config"]?.[0]
  return text === undefined ? defaultUserProfile : (JSON.parse(text) as UserProfile)
}

function requiredActionsOf(file: KnownRealmFile): RealmModel["requiredActions"] {
  const listed =
    file.requiredActions?.map(({ alias, enabled, defaultAction }) => [alias, enabled, defaultAction] as const) ??
    Object.entries(builtInRequiredActions).map(([alias, isEnabled]) => [alias, isEnabled, false] as const)
  return new Map(listed.map(([alias, isEnabled, isDefault]) => [alias, { isEnabled, isDefault }]))
}

interface Surroundings {
  readonly accounts: Accounts
  readonly groups: Groups
  readonly roles: Roles
  readonly clients: ReadonlyMap<string, Client>
}

function importUser(file: UserFile, { accounts, groups, roles, clients }: Surroundings, problems: string[]): Account {
  const at = `user ${file.username}`
  const account = accounts.add({
    username: file.username,
    ...(file.id !== undefined && { id: file.id }),
    ...(file.createdTimestamp !== undefined && { createdTimestamp: file.createdTimestamp }),
    serviceAccountOf: file.serviceAccountClientId ?? null,
    email: file.email ?? null,
    firstName: file.firstName ?? null,
    lastName: file.lastName ?? null,
    enabled: file.enabled ?? false,
    emailVerified: file.emailVerified ?? false,
    attributes: file.attributes ?? {},
    requiredActions: file.requiredActions ?? [],
    notBefore: file.notBefore ?? 0,
  })
  if (file.serviceAccountClientId !== undefined && clients.get(file.serviceAccountClientId) === undefined)
    problems.push(`${at}: there is no client "${file.serviceAccountClientId}" whose service account it could be`)
  for (const role of rolesNamed(file, roles)) account.roles.add(role)
  for (const path of file.groups ?? []) {
    const group = groups.byPath(path)
    if (group === undefined) problems.push(`${at}: there is no group "${path}"`)
    else account.groups.add(group)
  }
  const credentials = (file.credentials ?? []).map(credential => importCredential(at, credential, problems))
  account.password = credentials.findLast(
    credential => credential !== null && "isRight" in credential,
  ) as Password | null
  account.password ??= null
  account.oneTimeCodes = credentials.filter(credential => credential !== null && "accept" in credential)
  return account
}

function importCredential(at: string, credential: CredentialFile, problems: string[]): Password | OneTimeCode | null {
  const { type = "password", value, secretData, credentialData } = credential
  const stored = secretData !== undefined && credentialData !== undefined
  if (type === "password" && value !== undefined) return plainPassword(value)
  const imported =
    stored && type === "password"
      ? hashedPassword(secretData, credentialData)
      : stored && type === "otp"
        ? oneTimeCode(secretData, credentialData)
        : null
  if (imported === null)
    problems.push(`${at}: the test realm can't check this credential of type ${type}; write a \`value\``)
  return imported
}
