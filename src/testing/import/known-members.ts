/**
 * What the test realm makes of each member of a realm file. A member that is missing here, or has a value that its rule
 * does not hold for, is refused by name: a test must not pass because a setting was overlooked.
 */
interface Rule {
  readonly holds: (value: unknown) => boolean
  readonly expected: string
}

export type Members = Readonly<Record<string, Rule>>

const text: Rule = { holds: value => typeof value === "string", expected: "a string" }
const flag: Rule = { holds: value => typeof value === "boolean", expected: "true or false" }
const number: Rule = { holds: value => typeof value === "number", expected: "a number" }
const list: Rule = { holds: Array.isArray, expected: "a list" }
const object: Rule = {
  holds: value => typeof value === "object" && value !== null && !Array.isArray(value),
  expected: "an object",
}
/** Changes nothing that this server answers. */
const ignored: Rule = { holds: () => true, expected: "" }
const only = (...known: unknown[]): Rule => ({
  holds: value => known.includes(value),
  expected: `${known.map(value => JSON.stringify(value)).join(" or ")}, all that the test realm knows`,
})
const none: Rule = {
  holds: value => Array.isArray(value) && value.length === 0,
  expected: "nothing: the test realm does not know it",
}

const named = (rule: Rule, ...names: string[]): Members => Object.fromEntries(names.map(name => [name, rule]))
const startingWith = (start: string, names: string): Members =>
  named(ignored, ...names.split(" ").map(name => start + name))

export const realmMembers: Members = {
  ...named(
    text,
    ...["id", "realm", "passwordPolicy", "bruteForceStrategy", "defaultSignatureAlgorithm", "otpPolicyAlgorithm"],
  ),
  ...named(
    flag,
    ...["enabled", "registrationEmailAsUsername", "verifyEmail", "loginWithEmailAllowed", "editUsernameAllowed"],
    ...["bruteForceProtected", "permanentLockout", "revokeRefreshToken", "otpPolicyCodeReusable"],
  ),
  ...named(
    number,
    ...["accessTokenLifespan", "ssoSessionIdleTimeout", "ssoSessionMaxLifespan", "offlineSessionIdleTimeout"],
    ...["notBefore", "failureFactor", "waitIncrementSeconds", "quickLoginCheckMilliSeconds", "maxDeltaTimeSeconds"],
    ...["minimumQuickLoginWaitSeconds", "maxFailureWaitSeconds", "maxTemporaryLockouts", "refreshTokenMaxReuse"],
  ),
  ...named(list, "clients", "users", "groups", "defaultGroups", "clientScopes", "scopeMappings", "requiredActions"),
  ...named(list, "defaultDefaultClientScopes", "defaultOptionalClientScopes", "authenticationFlows"),
  ...named(object, "roles", "defaultRole", "clientScopeMappings", "components", "attributes", "smtpServer"),
  ...named(only(false), "duplicateEmailsAllowed", "adminPermissionsEnabled", "offlineSessionMaxLifespanEnabled"),
  ...named(only(0), "clientSessionIdleTimeout", "clientSessionMaxLifespan", "maxSecondaryAuthFailures"),
  directGrantFlow: only("direct grant"),
  clientAuthenticationFlow: only("clients"),
  otpPolicyType: only("totp"),
  otpPolicyLookAheadWindow: only(1),
  ...named(
    none,
    "identityProviders",
    "organizations",
    "federatedUsers",
    "userFederationProviders",
    "userFederationMappers",
  ),
  // Of login pages, mails, events, other protocols, and other ways to log in.
  ...named(
    ignored,
    ...["displayName", "displayNameHtml", "sslRequired", "registrationAllowed", "resetPasswordAllowed", "rememberMe"],
    ...["accessCodeLifespan", "accessCodeLifespanLogin", "accessCodeLifespanUserAction", "internationalizationEnabled"],
    ...["accessTokenLifespanForImplicitFlow", "actionTokenGeneratedByAdminLifespan", "supportedLocales"],
    ...["actionTokenGeneratedByUserLifespan", "defaultLocale", "localizationTexts", "keycloakVersion"],
    ...["adminEventsDetailsEnabled", "adminEventsEnabled", "enabledEventTypes", "eventsEnabled", "eventsExpiration"],
    ...["eventsListeners", "authenticatorConfig", "browserFlow", "browserSecurityHeaders", "dockerAuthenticationFlow"],
    ...["firstBrokerLoginFlow", "registrationFlow", "resetCredentialsFlow", "identityProviderMappers", "loginTheme"],
    ...["accountTheme", "adminTheme", "emailTheme", "organizationsEnabled", "otpPolicyDigits"],
    ...[
      "otpPolicyInitialCounter",
      "otpPolicyPeriod",
      "otpSupportedApplications",
      "requiredCredentials",
      "scimApiEnabled",
    ],
    ...["ssoSessionIdleTimeoutRememberMe", "ssoSessionMaxLifespanRememberMe", "userManagedAccessAllowed"],
    ...["verifiableCredentialsEnabled", "clientOfflineSessionIdleTimeout", "clientOfflineSessionMaxLifespan"],
    ...["offlineSessionMaxLifespan", "oauth2DeviceCodeLifespan", "oauth2DevicePollingInterval", "webAuthnPolicy"],
  ),
  ...startingWith(
    "webAuthnPolicy",
    "AcceptableAaguids AttestationConveyancePreference AuthenticatorAttachment AvoidSameAuthenticatorRegister " +
      "CreateTimeout ExtraOrigins RequireResidentKey ResidentKey RpEntityName RpId SignatureAlgorithms UserVerificationRequirement",
  ),
  ...startingWith(
    "webAuthnPolicyPasswordless",
    "AcceptableAaguids AttestationConveyancePreference AuthenticatorAttachment AvoidSameAuthenticatorRegister " +
      "CreateTimeout ExtraOrigins RequireResidentKey ResidentKey RpEntityName RpId SignatureAlgorithms " +
      "UserVerificationRequirement PasskeysEnabled",
  ),
  // Policies that hold for nobody, as every export has them.
  clientPolicies: emptyOf("policies"),
  clientProfiles: emptyOf("profiles"),
}

export const realmAttributes: Members = {
  ...named(
    ignored,
    ...["cibaBackchannelTokenDeliveryMode", "cibaExpiresIn", "cibaAuthRequestedUserHint", "cibaInterval"],
    ...["oauth2DeviceCodeLifespan", "oauth2DevicePollingInterval", "parRequestUriLifespan", "realmReusableOtpCode"],
    ...[
      "clientSessionIdleTimeout",
      "clientSessionMaxLifespan",
      "clientOfflineSessionIdleTimeout",
      "shortVerificationUri",
    ],
    ...["clientOfflineSessionMaxLifespan", "actionTokenGeneratedByUserLifespan.verify-email"],
    ...["actionTokenGeneratedByUserLifespan.reset-credentials", "client-policies.policies", "client-policies.profiles"],
    ...["userProfileEnabled", "displayName", "displayNameHtml", "webAuthnPolicyRpEntityName"],
  ),
}

export const clientMembers: Members = {
  ...named(text, "id", "clientId", "secret"),
  ...named(flag, "enabled", "publicClient", "bearerOnly", "directAccessGrantsEnabled", "serviceAccountsEnabled"),
  ...named(flag, "fullScopeAllowed", "consentRequired"),
  ...named(list, "redirectUris", "webOrigins", "protocolMappers", "defaultClientScopes", "optionalClientScopes"),
  ...named(object, "attributes"),
  notBefore: number,
  protocol: only("openid-connect"),
  clientAuthenticatorType: only("client-secret"),
  authorizationServicesEnabled: only(false),
  authenticationFlowBindingOverrides: {
    holds: value => object.holds(value) && Object.keys(value as object).length === 0,
    expected: "no overrides, all that the test realm knows",
  },
  ...named(
    ignored,
    ...["name", "description", "type", "rootUrl", "adminUrl", "baseUrl", "surrogateAuthRequired", "access", "origin"],
    ...["alwaysDisplayInConsole", "standardFlowEnabled", "implicitFlowEnabled", "frontchannelLogout"],
    ...["nodeReRegistrationTimeout", "registeredNodes", "authorizationSettings"],
  ),
}

export const clientAttributes: Members = {
  ...named(
    only("true", "false"),
    ...["client.use.lightweight.access.token.enabled", "access.token.header.type.rfc9068", "dpop.bound.access.tokens"],
    ...["use.refresh.tokens", "client_credentials.use_refresh_token"],
  ),
  ...named(text, "access.token.lifespan", "access.token.signed.response.alg", "id.token.signed.response.alg"),
  ...named(
    only("false"),
    ...["client.introspection.response.allow.jwt.claim.enabled"],
    ...[
      "tls.client.certificate.bound.access.tokens",
      "token.response.type.bearer.lower-case",
      "require.pushed.authorization.requests",
    ],
  ),
  // Of redirects, other grants, and logout calls, none of which this server does.
  ...named(
    ignored,
    ...["realm_client", "post.logout.redirect.uris", "pkce.code.challenge.method", "client.secret.creation.time"],
    ...["oauth2.device.authorization.grant.enabled", "backchannel.logout.url", "backchannel.logout.session.required"],
    ...["backchannel.logout.revoke.offline.tokens", "standard.token.exchange.enabled", "display.on.consent.screen"],
    ...["oidc.ciba.grant.enabled", "login_theme", "acr.loa.map", "consent.screen.text", "frontchannel.logout.url"],
    ...["frontchannel.logout.session.required", "saml_force_name_id_format", "access.token.header.typ"],
    ...["standard.token.exchange.enableRefreshRequestedTokenType", "oauth2.jwt.authorization.grant.enabled"],
  ),
}

export const userMembers: Members = {
  ...named(text, "id", "username", "email", "firstName", "lastName", "serviceAccountClientId"),
  ...named(flag, "enabled", "emailVerified"),
  ...named(number, "createdTimestamp", "notBefore"),
  ...named(list, "credentials", "requiredActions", "realmRoles", "groups"),
  ...named(object, "clientRoles", "attributes"),
  ...named(none, "federatedIdentities", "socialLinks"),
  ...named(ignored, "totp", "disableableCredentialTypes", "clientConsents", "access", "self", "origin"),
}

export const groupMembers: Members = {
  ...named(text, "id", "name", "path"),
  ...named(list, "subGroups", "realmRoles"),
  ...named(object, "attributes", "clientRoles"),
  ...named(ignored, "description", "subGroupCount", "parentId", "access"),
}

function emptyOf(member: string): Rule {
  return {
    holds: value => none.holds((value as Record<string, unknown> | null)?.[member]),
    expected: `no ${member}, all that the test realm knows`,
  }
}
