import { randomUUID } from "node:crypto"
import { createAccounts } from "../realm/accounts.js"
import { createGroups } from "../realm/groups.js"
import { type PasswordPolicy, parsePasswordPolicy } from "../realm/password-policy.js"
import { createRealmModel, type RealmModel, type RealmSettings } from "../realm/realm-model.js"
import { createRoles } from "../realm/roles.js"
import { signingAlgorithms } from "../realm/signing-keys.js"
import { defaultUserProfile, type UserProfile, unknownValidation } from "../realm/user-profile.js"
import { builtInRequiredActions } from "./built-in.js"
import { importClients, importScopes } from "./import-clients.js"
import { importGroup } from "./import-groups.js"
import { importRoles } from "./import-roles.js"
import { importUser } from "./import-users.js"
import { type KnownRealmFile, type RealmFile, readRealmFile, refuse } from "./realm-file.js"

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

  return createRealmModel({
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
  })
}

function settingsOf(file: KnownRealmFile): RealmSettings {
  return {
    emailAsUsername: file.registrationEmailAsUsername ?? false,
    verifyEmail: file.verifyEmail ?? false,
    loginWithEmail: file.loginWithEmailAllowed ?? true,
    editUsername: file.editUsernameAllowed ?? false,
    organizations: file.organizationsEnabled ?? false,
    bruteForce: {
      isOn: file.bruteForceProtected ?? false,
      isPermanent: file.permanentLockout ?? false,
      maxTemporaryLockouts: file.maxTemporaryLockouts ?? 0,
      failureFactor: file.failureFactor ?? 30,
      strategy: file.bruteForceStrategy ?? "MULTIPLE",
      waitIncrementSeconds: file.waitIncrementSeconds ?? 60,
      quickLoginCheckMilliSeconds: file.quickLoginCheckMilliSeconds ?? 1000,
      minimumQuickLoginWaitSeconds: file.minimumQuickLoginWaitSeconds ?? 60,
      maxFailureWaitSeconds: file.maxFailureWaitSeconds ?? 900,
      maxDeltaTimeSeconds: file.maxDeltaTimeSeconds ?? 43_200,
    },
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
