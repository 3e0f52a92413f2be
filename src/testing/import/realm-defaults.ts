import { settingsInAttributes } from "./known-members.js"
import type { KnownRealmFile } from "./realm-file.js"

/** The settings of a realm as the Admin API tells them to whoever may see the realm; roles, clients and the like apart. */
export function realmRepresentation(file: KnownRealmFile): Readonly<Record<string, unknown>> {
  const given = Object.entries(file).filter(([name]) => !contents.has(name))
  const { smtpServer = {}, attributes = {} } = file
  const hidden = (name: string) =>
    name.startsWith("_browser_header.") || (name in settingsInAttributes && !name.startsWith("clientSession"))
  return {
    ...defaults,
    ...Object.fromEntries(given),
    smtpServer: smtpServer.password === undefined ? smtpServer : { ...smtpServer, password: "**********" },
    attributes: {
      ...defaultAttributes,
      ...Object.fromEntries(Object.entries(attributes).filter(([name]) => !hidden(name))),
    },
  }
}

/** What is no setting, or is told elsewhere. */
const contents: ReadonlySet<string> = new Set([
  ...["clients", "clientScopes", "users", "groups", "roles", "components", "scopeMappings", "clientScopeMappings"],
  ...["authenticationFlows", "authenticatorConfig", "requiredActions", "defaultRole", "defaultRoles", "defaultGroups"],
  ...["identityProviderMappers", "keycloakVersion", "privateKey", "publicKey", "certificate", "codeSecret"],
  ...["defaultDefaultClientScopes", "defaultOptionalClientScopes", "protocolMappers", "localizationTexts"],
  ...["adminPermissionsClient", "organizations", "federatedUsers", "userFederationProviders", "userFederationMappers"],
  ...["identityProviders"],
])

const webAuthn = (more: Readonly<Record<string, unknown>>) => ({
  RpEntityName: "keycloak",
  SignatureAlgorithms: ["ES256", "RS256"],
  RpId: "",
  AttestationConveyancePreference: "not specified",
  AuthenticatorAttachment: "not specified",
  RequireResidentKey: "not specified",
  ResidentKey: "not specified",
  UserVerificationRequirement: "not specified",
  CreateTimeout: 0,
  AvoidSameAuthenticatorRegister: false,
  AcceptableAaguids: [],
  ExtraOrigins: [],
  ...more,
})
const startingWith = (start: string, members: object) =>
  Object.fromEntries(Object.entries(members).map(([name, value]) => [start + name, value]))

const defaults: Readonly<Record<string, unknown>> = {
  notBefore: 0,
  defaultSignatureAlgorithm: "RS256",
  revokeRefreshToken: false,
  refreshTokenMaxReuse: 0,
  accessTokenLifespan: 300,
  accessTokenLifespanForImplicitFlow: 900,
  ssoSessionIdleTimeout: 1800,
  ssoSessionMaxLifespan: 36_000,
  ssoSessionIdleTimeoutRememberMe: 0,
  ssoSessionMaxLifespanRememberMe: 0,
  offlineSessionIdleTimeout: 2_592_000,
  offlineSessionMaxLifespanEnabled: false,
  offlineSessionMaxLifespan: 5_184_000,
  clientSessionIdleTimeout: 0,
  clientSessionMaxLifespan: 0,
  clientOfflineSessionIdleTimeout: 0,
  clientOfflineSessionMaxLifespan: 0,
  accessCodeLifespan: 60,
  accessCodeLifespanLogin: 1800,
  accessCodeLifespanUserAction: 300,
  actionTokenGeneratedByAdminLifespan: 43_200,
  actionTokenGeneratedByUserLifespan: 300,
  oauth2DeviceCodeLifespan: 600,
  oauth2DevicePollingInterval: 5,
  enabled: false,
  sslRequired: "external",
  registrationAllowed: false,
  registrationEmailAsUsername: false,
  rememberMe: false,
  verifyEmail: false,
  loginWithEmailAllowed: true,
  duplicateEmailsAllowed: false,
  resetPasswordAllowed: false,
  editUsernameAllowed: false,
  bruteForceProtected: false,
  permanentLockout: false,
  maxTemporaryLockouts: 0,
  bruteForceStrategy: "MULTIPLE",
  maxFailureWaitSeconds: 900,
  minimumQuickLoginWaitSeconds: 60,
  waitIncrementSeconds: 60,
  quickLoginCheckMilliSeconds: 1000,
  maxDeltaTimeSeconds: 43_200,
  failureFactor: 30,
  maxSecondaryAuthFailures: 0,
  requiredCredentials: ["password"],
  otpPolicyType: "totp",
  otpPolicyAlgorithm: "HmacSHA1",
  otpPolicyInitialCounter: 0,
  otpPolicyDigits: 6,
  otpPolicyLookAheadWindow: 1,
  otpPolicyPeriod: 30,
  otpPolicyCodeReusable: false,
  otpSupportedApplications: ["totpAppFreeOTPName", "totpAppGoogleName", "totpAppMicrosoftAuthenticatorName"],
  ...startingWith("webAuthnPolicy", webAuthn({})),
  ...startingWith(
    "webAuthnPolicyPasswordless",
    webAuthn({ ResidentKey: "required", UserVerificationRequirement: "required" }),
  ),
  browserSecurityHeaders: {
    contentSecurityPolicyReportOnly: "",
    xContentTypeOptions: "nosniff",
    referrerPolicy: "no-referrer",
    xRobotsTag: "none",
    xFrameOptions: "SAMEORIGIN",
    contentSecurityPolicy: "frame-src 'self'; frame-ancestors 'self'; object-src 'none';",
    strictTransportSecurity: "max-age=31536000; includeSubDomains",
  },
  eventsEnabled: false,
  eventsListeners: ["jboss-logging"],
  enabledEventTypes: [],
  adminEventsEnabled: false,
  adminEventsDetailsEnabled: false,
  internationalizationEnabled: false,
  browserFlow: "browser",
  registrationFlow: "registration",
  directGrantFlow: "direct grant",
  resetCredentialsFlow: "reset credentials",
  clientAuthenticationFlow: "clients",
  dockerAuthenticationFlow: "docker auth",
  firstBrokerLoginFlow: "first broker login",
  userManagedAccessAllowed: false,
  organizationsEnabled: false,
  verifiableCredentialsEnabled: false,
  adminPermissionsEnabled: false,
  scimApiEnabled: false,
  clientProfiles: { profiles: [] },
  clientPolicies: { policies: [] },
}

const defaultAttributes = {
  cibaBackchannelTokenDeliveryMode: "poll",
  cibaExpiresIn: "120",
  cibaAuthRequestedUserHint: "login_hint",
  oauth2DeviceCodeLifespan: "600",
  oauth2DevicePollingInterval: "5",
  parRequestUriLifespan: "60",
  cibaInterval: "5",
  realmReusableOtpCode: "false",
}
