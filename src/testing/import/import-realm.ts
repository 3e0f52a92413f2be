import { randomUUID } from "node:crypto"
import { parsePasswordPolicy } from "../realm/password-policy.js"
import { createRealmModel, type RealmModel, type RealmSettings } from "../realm/realm-model.js"
import { createRoles } from "../realm/roles.js"
import { signingAlgorithms } from "../realm/signing-keys.js"
import { importClients } from "./import-clients.js"
import { importFlows } from "./import-flows.js"
import { importGroups } from "./import-groups.js"
import { importProfile } from "./import-profile.js"
import { importRequiredActions } from "./import-required-actions.js"
import { importRoles } from "./import-roles.js"
import { importScopes } from "./import-scopes.js"
import { importUsers } from "./import-users.js"
import { migrationsOf } from "./migrations.js"
import { createProblems, type Problems } from "./problems.js"
import { readRealmFile } from "./read-realm-file.js"
import { realmRepresentation } from "./realm-defaults.js"
import type { ComponentFile, KnownRealmFile, RealmFile } from "./realm-file.js"

/**
 * Imports a realm file as Keycloak 26.7 does, with the migrations that it makes of older exports.
 *
 * @throws {GateError} `config_invalid` naming all that this server can't stand in for
 */
export function importRealm(given: RealmFile | readonly RealmFile[], ignore: readonly string[]): RealmModel {
  const problems = createProblems(ignore)
  const file = readRealmFile(given, problems)
  const name = String(file.realm)
  const migrations = migrationsOf(file, problems)
  checkComponents(file, problems)
  const settings = settingsOf(file, problems)
  const roles = createRoles()
  const defaultRole = importRoles(file, roles, problems)
  const { groups, defaultGroups } = importGroups(file, roles, problems)
  const imported = importScopes(file, roles, migrations, problems)
  const clients = importClients(file, imported, roles, migrations, problems)
  const profile = importProfile(file, migrations, problems)
  const { policy, unknown } = parsePasswordPolicy(file.passwordPolicy ?? "")
  for (const rule of unknown)
    problems.add(
      `passwordPolicy.${/^\w*/.exec(rule)?.[0]}`,
      `the password policy "${rule}" is not known to the test realm`,
    )
  const accounts = importUsers(file, { groups, defaultGroups, roles, defaultRole, clients }, problems)
  problems.refuse()

  const id = file.id ?? randomUUID()
  return createRealmModel({
    id,
    name,
    isEnabled: file.enabled ?? false,
    settings,
    representation: { id, ...realmRepresentation(file) },
    profile,
    passwordPolicy: policy,
    clients,
    scopes: imported.scopes,
    roles,
    defaultRole,
    defaultGroups,
    requiredActions: importRequiredActions(file, migrations),
    groups,
    accounts,
  })
}

function settingsOf(file: KnownRealmFile, problems: Problems): RealmSettings {
  const signatureAlgorithm = file.defaultSignatureAlgorithm ?? "RS256"
  if (!signingAlgorithms.includes(signatureAlgorithm))
    problems.add("defaultSignatureAlgorithm", `"${signatureAlgorithm}" is not known to the test realm`)
  return {
    emailAsUsername: file.registrationEmailAsUsername ?? false,
    verifyEmail: file.verifyEmail ?? false,
    loginWithEmail: file.loginWithEmailAllowed ?? true,
    editUsername: file.editUsernameAllowed ?? false,
    organizations: file.organizationsEnabled ?? false,
    hasLanguages: file.internationalizationEnabled ?? false,
    recordsEvents: file.eventsEnabled ?? false,
    recordsAdminEvents: file.adminEventsEnabled ?? false,
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
    ...importFlows(file, problems),
    oneTimeCodes: { isReusable: file.otpPolicyCodeReusable ?? false, window: file.otpPolicyLookAheadWindow ?? 1 },
    accessTokenSeconds: file.accessTokenLifespan ?? 300,
    sessionIdleSeconds: file.ssoSessionIdleTimeout ?? 1800,
    sessionMaxSeconds: file.ssoSessionMaxLifespan ?? 36_000,
    clientSessionIdleSeconds: file.clientSessionIdleTimeout ?? 0,
    clientSessionMaxSeconds: file.clientSessionMaxLifespan ?? 0,
    offlineIdleSeconds: file.offlineSessionIdleTimeout ?? 2_592_000,
    notBefore: file.notBefore ?? 0,
    signatureAlgorithm,
    sendsMail: Boolean(file.smtpServer?.host),
    frontendUrl: file.attributes?.frontendUrl?.replace(/\/+$/, "") || null,
    levels: file.attributes?.["acr.loa.map"] ?? "",
  }
}

const knownComponents: ReadonlySet<string> = new Set([
  "org.keycloak.userprofile.UserProfileProvider",
  "org.keycloak.keys.KeyProvider",
  "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy",
])

/** A directory of users that is switched off is asked for nobody. */
function checkComponents({ components = {} }: KnownRealmFile, problems: Problems): void {
  const isOff = ({ config = {} }: ComponentFile) => config.enabled?.[0] === "false"
  for (const [kind, ofKind] of Object.entries(components)) {
    if (knownComponents.has(kind)) continue
    const isDirectory = kind === "org.keycloak.storage.UserStorageProvider"
    if (isDirectory && ofKind.every(isOff)) continue
    const names = ofKind.map(({ name, providerId }) => name ?? providerId).join(", ")
    problems.add(`components.${kind}`, `not known to the test realm: ${names}`)
  }
}
