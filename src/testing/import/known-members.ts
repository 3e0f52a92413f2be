/**
 * What the test realm makes of each member of a realm file. Keycloak's import refuses a member that is missing here. One
 * whose value would change an answer that this server can't give is refused by name: a test must not pass because a
 * setting was overlooked.
 */
import {
  attributeMap,
  empty,
  flag,
  inert,
  isObject,
  list,
  type Member,
  type Members,
  named,
  number,
  object,
  only,
  refused,
  text,
  textMap,
  texts,
  textsMap,
} from "./member-kinds.js"

const words = (names: string) => names.trim().split(/\s+/)

/** Keycloak keeps these among a realm's attributes, so that an attribute of the name counts for more than the member. */
export const settingsInAttributes: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    words(`
      bruteForceProtected permanentLockout bruteForceStrategy maxTemporaryLockouts failureFactor maxFailureWaitSeconds
      minimumQuickLoginWaitSeconds waitIncrementSeconds quickLoginCheckMilliSeconds maxDeltaTimeSeconds
      maxSecondaryAuthFailures defaultSignatureAlgorithm offlineSessionMaxLifespanEnabled offlineSessionMaxLifespan
      clientSessionIdleTimeout clientSessionMaxLifespan clientOfflineSessionIdleTimeout clientOfflineSessionMaxLifespan
      organizationsEnabled adminPermissionsEnabled
    `).map(name => [name, name]),
  ),
  realmReusableOtpCode: "otpPolicyCodeReusable",
}

export const realmMembers: Members = {
  ...named(
    text,
    ...words(`
      id realm displayName displayNameHtml passwordPolicy bruteForceStrategy defaultSignatureAlgorithm otpPolicyAlgorithm
      otpPolicyType keycloakVersion directGrantFlow clientAuthenticationFlow
    `),
  ),
  ...named(
    flag,
    ...words(`
      enabled registrationEmailAsUsername verifyEmail loginWithEmailAllowed editUsernameAllowed bruteForceProtected
      permanentLockout revokeRefreshToken otpPolicyCodeReusable organizationsEnabled eventsEnabled
      adminEventsEnabled internationalizationEnabled
    `),
  ),
  ...named(
    number,
    ...words(`
      accessTokenLifespan ssoSessionIdleTimeout ssoSessionMaxLifespan offlineSessionIdleTimeout notBefore failureFactor
      clientSessionIdleTimeout clientSessionMaxLifespan waitIncrementSeconds quickLoginCheckMilliSeconds
      maxDeltaTimeSeconds minimumQuickLoginWaitSeconds maxFailureWaitSeconds maxTemporaryLockouts refreshTokenMaxReuse
      otpPolicyLookAheadWindow
    `),
  ),
  ...named(
    list,
    ...words("clients users groups clientScopes scopeMappings requiredActions authenticationFlows authenticatorConfig"),
  ),
  ...named(texts, ...words("defaultGroups defaultRoles defaultDefaultClientScopes defaultOptionalClientScopes")),
  ...named(object, ...words("roles defaultRole clientScopeMappings components")),
  ...named(textMap, "attributes", "smtpServer"),
  ...named(
    only(flag, false),
    ...words("duplicateEmailsAllowed adminPermissionsEnabled offlineSessionMaxLifespanEnabled"),
  ),
  ...named(
    only(number, 0),
    ...words("maxSecondaryAuthFailures clientOfflineSessionIdleTimeout clientOfflineSessionMaxLifespan"),
  ),
  ...named(
    empty,
    ...words(`
      identityProviders organizations federatedUsers userFederationProviders userFederationMappers applications
      oauthClients applicationScopeMappings clientTemplates social socialProviders
    `),
  ),
  clientPolicies: refused(object, policiesInForce),
  // Of login pages, mails, events, keys, other protocols, and other ways to log in.
  ...named(
    inert,
    ...words(`
      sslRequired registrationAllowed resetPasswordAllowed rememberMe accessCodeLifespan accessCodeLifespanLogin
      accessCodeLifespanUserAction accessTokenLifespanForImplicitFlow actionTokenGeneratedByAdminLifespan
      actionTokenGeneratedByUserLifespan supportedLocales defaultLocale localizationTexts
      adminEventsDetailsEnabled enabledEventTypes eventsExpiration eventsListeners browserFlow browserSecurityHeaders
      dockerAuthenticationFlow firstBrokerLoginFlow registrationFlow resetCredentialsFlow identityProviderMappers
      loginTheme accountTheme adminTheme emailTheme otpPolicyDigits otpPolicyInitialCounter otpPolicyPeriod
      otpSupportedApplications requiredCredentials scimApiEnabled ssoSessionIdleTimeoutRememberMe
      ssoSessionMaxLifespanRememberMe userManagedAccessAllowed verifiableCredentialsEnabled offlineSessionMaxLifespan
      oauth2DeviceCodeLifespan oauth2DevicePollingInterval clientProfiles privateKey publicKey certificate codeSecret
      passwordCredentialGrantAllowed userCacheEnabled realmCacheEnabled protocolMappers adminPermissionsClient
      updateProfileOnInitialSocialLogin
    `),
  ),
  ...named(
    inert,
    ...words(`
      AcceptableAaguids AttestationConveyancePreference AuthenticatorAttachment AvoidSameAuthenticatorRegister
      CreateTimeout ExtraOrigins RequireResidentKey ResidentKey RpEntityName RpId SignatureAlgorithms
      UserVerificationRequirement Mediation PasskeysEnabled
    `).flatMap(name => [`webAuthnPolicy${name}`, `webAuthnPolicyPasswordless${name}`]),
  ),
}

/** Attributes are free: those that are not listed change nothing, here as in Keycloak. */
export const realmAttributes: Members = {
  "client-policies.policies": refused(text, value => policiesInForce(parsed(value))),
}

export const clientMembers: Members = {
  ...named(text, ...words("id clientId secret protocol clientAuthenticatorType rootUrl")),
  ...named(
    flag,
    ...words(`
      enabled publicClient bearerOnly directAccessGrantsEnabled serviceAccountsEnabled fullScopeAllowed consentRequired
      authorizationServicesEnabled directGrantsOnly
    `),
  ),
  ...named(texts, ...words("redirectUris webOrigins defaultClientScopes optionalClientScopes defaultRoles")),
  protocolMappers: list,
  ...named(textMap, "attributes", "authenticationFlowBindingOverrides"),
  notBefore: number,
  clientTemplate: empty,
  ...named(
    inert,
    ...words(`
      name description type adminUrl baseUrl surrogateAuthRequired access origin registrationAccessToken
      alwaysDisplayInConsole standardFlowEnabled implicitFlowEnabled frontchannelLogout nodeReRegistrationTimeout
      registeredNodes authorizationSettings useTemplateConfig useTemplateScope useTemplateMappers
    `),
  ),
}

const off: Member = refused(text, value => (value === "true" ? 'only "false" is known to the test realm' : null))
const unset: Member = refused(text, value => (value === "" || value === "0" ? null : "the test realm does not know it"))

/** Attributes are free: those that are not listed change nothing, here as in Keycloak. */
export const clientAttributes: Members = {
  ...named(
    off,
    ...words(`
      tls.client.certificate.bound.access.tokens client.introspection.response.allow.jwt.claim.enabled
      allow.token.introspection.without.audience.check allow.userinfo.with.lightweight.access.token
    `),
  ),
  ...named(
    unset,
    ...words(`
      id.token.encrypted.response.alg user.info.encrypted.response.alg client.offline.session.idle.timeout
      client.offline.session.max.lifespan client.secret.expiration.time client.secret.rotated
      client.secret.authentication.allowed.method
    `),
  ),
}

export const scopeMembers: Members = {
  ...named(text, ...words("id name protocol description")),
  attributes: textMap,
  protocolMappers: list,
}

export const scopeAttributes: Members = named(off, "is.parameterized.scope", "is.dynamic.scope")

export const mapperMembers: Members = {
  ...named(text, ...words("id name protocol protocolMapper")),
  config: textMap,
  ...named(inert, "consentRequired", "consentText"),
}

export const roleMembers: Members = {
  ...named(text, ...words("id name description")),
  composites: object,
  attributes: textsMap,
  ...named(inert, ...words("composite clientRole containerId scopeParamRequired")),
}

export const userMembers: Members = {
  ...named(text, ...words("id username email firstName lastName serviceAccountClientId")),
  ...named(flag, "enabled", "emailVerified"),
  ...named(number, "createdTimestamp", "notBefore"),
  credentials: list,
  ...named(texts, ...words("requiredActions realmRoles groups")),
  clientRoles: textsMap,
  attributes: attributeMap,
  ...named(empty, ...words("federatedIdentities socialLinks federationLink applicationRoles")),
  ...named(
    inert,
    ...words(`
      totp disableableCredentialTypes clientConsents access self origin userProfileMetadata verifiableCredentials
      issuedVerifiableCredentials
    `),
  ),
}

export const credentialMembers: Members = {
  ...named(text, ...words("type value secretData credentialData hashedSaltedValue salt algorithm")),
  ...named(number, ...words("hashIterations digits period counter")),
  ...named(inert, ...words("id userLabel createdDate priority temporary device config federationLink")),
}

export const groupMembers: Members = {
  ...named(text, "id", "name", "path"),
  subGroups: list,
  realmRoles: texts,
  ...named(textsMap, "attributes", "clientRoles"),
  ...named(inert, ...words("description subGroupCount parentId access")),
}

function policiesInForce(value: unknown): string | null {
  const policies = isObject(value) && Array.isArray(value.policies) ? value.policies.filter(isObject) : []
  const names = policies.filter(({ enabled }) => enabled !== false).map(({ name }) => String(name))
  return names.length === 0
    ? null
    : `the test realm knows no client policies, and these are in force: ${names.join(", ")}`
}

function parsed(value: unknown): unknown {
  try {
    return JSON.parse(String(value))
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
