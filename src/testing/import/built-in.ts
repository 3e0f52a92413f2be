/** What every new realm of Keycloak 26.7 has before anybody adds to it, in the words of its realm files. */
import type { RequiredAction } from "../realm/required-actions.js"
import type { ClientFile, ClientScopeFile, MapperFile } from "./realm-file.js"

const inTokens = { "access.token.claim": "true", "introspection.token.claim": "true" }
const everywhere = { ...inTokens, "id.token.claim": "true", "userinfo.token.claim": "true" }

function mapper(protocolMapper: string, config: Readonly<Record<string, string>>): MapperFile {
  return { name: protocolMapper, protocol: "openid-connect", protocolMapper, config }
}

function attribute(claim: string, name: string, type = "String"): MapperFile {
  const config = { ...everywhere, "user.attribute": name, "claim.name": claim, "jsonType.label": type }
  return mapper("oidc-usermodel-attribute-mapper", config)
}

function sessionNote(claim: string, note: string, type: string): MapperFile {
  const config = { ...inTokens, "id.token.claim": "true", "user.session.note": note, "claim.name": claim }
  return mapper("oidc-usersessionmodel-note-mapper", { ...config, "jsonType.label": type })
}

function scope(name: string, isInTokenScope: boolean, protocolMappers: readonly MapperFile[]): ClientScopeFile {
  const attributes = { "include.in.token.scope": String(isInTokenScope) }
  return { name, protocol: "openid-connect", attributes, protocolMappers }
}

const roleList = { multivalued: "true", "jsonType.label": "String" }

export const builtInClientScopes: readonly ClientScopeFile[] = [
  scope("profile", true, [
    mapper("oidc-full-name-mapper", everywhere),
    attribute("preferred_username", "username"),
    attribute("given_name", "firstName"),
    attribute("family_name", "lastName"),
    attribute("middle_name", "middleName"),
    ...["nickname", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale"].map(name =>
      attribute(name, name),
    ),
    attribute("updated_at", "updatedAt", "long"),
  ]),
  scope("email", true, [
    mapper("oidc-usermodel-property-mapper", {
      ...everywhere,
      "user.attribute": "emailVerified",
      "claim.name": "email_verified",
      "jsonType.label": "boolean",
    }),
    attribute("email", "email"),
  ]),
  scope("roles", false, [
    mapper("oidc-usermodel-realm-role-mapper", { ...inTokens, ...roleList, "claim.name": "realm_access.roles" }),
    mapper("oidc-usermodel-client-role-mapper", {
      ...inTokens,
      ...roleList,
      // The braces are Keycloak's placeholder.
      "claim.name": "resource_access.$" + "{client_id}.roles",
    }),
    mapper("oidc-audience-resolve-mapper", inTokens),
  ]),
  scope("web-origins", false, [mapper("oidc-allowed-origins-mapper", inTokens)]),
  scope("acr", false, [mapper("oidc-acr-mapper", { ...inTokens, "id.token.claim": "true" })]),
  scope("basic", false, [mapper("oidc-sub-mapper", inTokens), sessionNote("auth_time", "AUTH_TIME", "long")]),
  scope("offline_access", true, []),
  scope("address", true, [mapper("oidc-address-mapper", everywhere)]),
  scope("phone", true, [
    attribute("phone_number", "phoneNumber"),
    attribute("phone_number_verified", "phoneNumberVerified", "boolean"),
  ]),
  scope("microprofile-jwt", true, [
    attribute("upn", "username"),
    mapper("oidc-usermodel-realm-role-mapper", {
      ...inTokens,
      ...roleList,
      "id.token.claim": "true",
      "claim.name": "groups",
    }),
  ]),
  scope("organization", true, [
    mapper("oidc-organization-membership-mapper", { ...inTokens, "id.token.claim": "true" }),
  ]),
  scope("service_account", false, [
    sessionNote("client_id", "client_id", "String"),
    sessionNote("clientHost", "clientHost", "String"),
    sessionNote("clientAddress", "clientAddress", "String"),
  ]),
]

export const defaultScopes: readonly string[] = ["profile", "email", "roles", "web-origins", "acr", "basic"]
export const optionalScopes: readonly string[] = [
  "offline_access",
  "address",
  "phone",
  "microprofile-jwt",
  "organization",
]

const lightweight = { "client.use.lightweight.access.token.enabled": "true" }
const page = { publicClient: true, directAccessGrantsEnabled: false }

export const builtInClients: readonly ClientFile[] = [
  { clientId: "account", ...page, fullScopeAllowed: false },
  { clientId: "account-console", ...page, fullScopeAllowed: false },
  { clientId: "admin-cli", publicClient: true, directAccessGrantsEnabled: true, attributes: lightweight },
  { clientId: "broker", bearerOnly: true, fullScopeAllowed: false },
  { clientId: "realm-management", bearerOnly: true, fullScopeAllowed: false },
  { clientId: "security-admin-console", ...page, attributes: lightweight },
]

const realmManagement = [
  "create-client",
  "impersonation",
  ...["authorization", "clients", "events", "identity-providers", "organizations", "realm", "users"].flatMap(what => [
    `view-${what}`,
    `manage-${what}`,
  ]),
  ...["clients", "groups", "organizations", "realms", "users"].map(what => `query-${what}`),
]

/** Roles by client, each with the roles of the same client that it is made of. */
export const builtInClientRoles: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "realm-management": {
    ...Object.fromEntries(realmManagement.map(name => [name, []])),
    "view-clients": ["query-clients"],
    "view-organizations": ["query-organizations"],
    "view-users": ["query-groups", "query-users"],
    "realm-admin": realmManagement,
  },
  account: {
    "view-profile": [],
    "view-applications": [],
    "view-consent": [],
    "view-groups": [],
    "delete-account": [],
    "manage-account-links": [],
    "manage-account": ["manage-account-links"],
    "manage-consent": ["view-consent"],
  },
  broker: { "read-token": [] },
}

const action = (alias: string, name: string, isEnabled: boolean, priority: number): RequiredAction => {
  return { alias, name, providerId: alias, isEnabled, isDefault: false, priority, config: {} }
}

/** Required actions that an account can be given in a new realm. */
export const builtInRequiredActions: Readonly<Record<string, RequiredAction>> = Object.fromEntries(
  [
    action("TERMS_AND_CONDITIONS", "Terms and Conditions", false, 20),
    action("UPDATE_PROFILE", "Update Profile", true, 40),
    action("VERIFY_EMAIL", "Verify Email", true, 50),
    action("CONFIGURE_TOTP", "Configure OTP", true, 54),
    action("UPDATE_PASSWORD", "Update Password", true, 57),
    action("delete_account", "Delete Account", false, 60),
    action("UPDATE_EMAIL", "Update Email", false, 70),
    action("webauthn-register", "Webauthn Register", true, 80),
    action("webauthn-register-passwordless", "Webauthn Register Passwordless", true, 90),
    action("VERIFY_PROFILE", "Verify Profile", true, 100),
    action("delete_credential", "Delete Credential", true, 110),
    action("idp_link", "Linking Identity Provider", true, 120),
    action("CONFIGURE_RECOVERY_AUTHN_CODES", "Recovery Authentication Codes", true, 130),
    action("update_user_locale", "Update User Locale", true, 1000),
  ].map(one => [one.alias, one]),
)
