import { argon2Sync, pbkdf2Sync, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type Client,
  claimsOf,
  createRealmClient,
  type Realm,
  type RealmAddress,
  type RealmClient,
  type RealmHost,
} from "./realm-client.ts"

export const filePassword = "Edith-2026!"
const secret = "gate-secret"
const manager: Client = { id: "shop-api", secret }

interface Login {
  readonly client: string
  readonly user?: string
  readonly secret?: string
  readonly scope?: string
  readonly otp?: string
}

/** A realm file of a shape that people have, who can log in there, and what only this shape shows. */
export interface RealmFileCase {
  readonly name: string
  readonly file: Realm
  readonly logins: readonly Login[]
  /** The client whose service account may use the Admin API. */
  readonly manager?: Client
  readonly shows: Readonly<Record<string, (realm: FileRealm) => Promise<void>>>
}

interface FileRealm extends RealmClient {
  readonly enter: (login: Login) => Promise<{ status: number; body: Record<string, unknown> }>
  /** The claims of the access token of a login. */
  readonly claims: (login: Login) => Promise<Record<string, unknown>>
}

export function openedFile(address: RealmAddress, manager?: Client): FileRealm {
  const realm = createRealmClient(address, manager)
  const enter = (login: Login) =>
    realm.token(
      {
        ...{ grant_type: "password", username: login.user ?? "edith", password: filePassword },
        ...(login.scope !== undefined && { scope: login.scope }),
        ...(login.otp !== undefined && { otp: login.otp }),
      },
      { id: login.client, secret: login.secret ?? secret },
    )
  const claims = async (login: Login) => claimsOf(String((await enter(login)).body.access_token))
  return { ...realm, enter, claims }
}

/** Each file on one kind of server, with what it must show there. */
export function describeRealmFiles(name: string, host: RealmHost): void {
  describe.each(realmFileCases)(
    `${name} (keycloak-facts.md, Realm files) takes $name, which`,
    ({ file, manager, shows }) => {
      let realm: FileRealm
      let close: () => Promise<void>
      beforeAll(async () => {
        const opened = await host.open(structuredClone(file))
        close = opened.close
        realm = openedFile(opened, manager)
      })
      afterAll(() => close?.())
      it.each(Object.entries(shows))("%s", (_fact, show) => show(realm))
    },
  )
}

function fromFile(name: string): Realm {
  return JSON.parse(readFileSync(new URL(`../../testing/realms/${name}.json`, import.meta.url), "utf8"))
}

const client = (clientId: string, more: Record<string, unknown> = {}) => {
  return { clientId, secret, directAccessGrantsEnabled: true, ...more }
}
const mapper = (protocolMapper: string, config: Record<string, string>, protocol = "openid-connect") => {
  return { name: `${protocolMapper} ${Object.values(config)[0]}`, protocol, protocolMapper, config }
}
const person = (username: string, more: Record<string, unknown> = {}) => ({
  ...{ username, enabled: true, email: `${username}@example.test`, emailVerified: true },
  ...{ firstName: "Edith", lastName: "S", credentials: [{ type: "password", value: filePassword }] },
  ...more,
})
const shopApi = client("shop-api", { serviceAccountsEnabled: true, fullScopeAllowed: true })
const account = (...roles: string[]) => ({
  ...{ username: "service-account-shop-api", enabled: true, serviceAccountClientId: "shop-api" },
  clientRoles: { "realm-management": roles },
})
const realm = (name: string, more: Partial<Realm>): Realm => ({
  ...{ realm: `files-${name}`, enabled: true, clients: [shopApi], users: [person("edith")] },
  ...more,
})
const profile = (config: object) => ({
  "org.keycloak.userprofile.UserProfileProvider": [
    { providerId: "declarative-user-profile", config: { "kc.user.profile.config": [JSON.stringify(config)] } },
  ],
})
const everywhere = { "access.token.claim": "true", "id.token.claim": "true" }

const api: Login = { client: "shop-api", scope: "openid" }
const web: Login = { client: "shop-web", scope: "openid" }
const migrated = {
  "gives every client the claims that were scopes of their own since": async (at: FileRealm) => {
    for (const login of [api, web]) expect(await at.claims(login)).toMatchObject({ sub: expect.any(String), acr: "1" })
    expect(await at.claims(web)).toMatchObject({ "allowed-origins": ["http://localhost:*"] })
  },
  "checks the hashes of its version": async (at: FileRealm) => {
    expect((await at.enter(api)).status).toBe(200)
  },
}

const withOptionalCode = [
  { authenticator: "direct-grant-validate-username", requirement: "REQUIRED", priority: 10 },
  { authenticator: "direct-grant-validate-password", requirement: "REQUIRED", priority: 20 },
  { authenticator: "direct-grant-validate-otp", requirement: "OPTIONAL", priority: 30 },
]

export const realmFileCases: readonly RealmFileCase[] = [
  {
    name: "an export of Keycloak 20",
    file: fromFile("export-of-20"),
    logins: [api, web, { ...api, user: "nameless" }, { client: "admin-cli" }],
    manager,
    shows: {
      ...migrated,
      "asks nobody for a name, as that version did": async at => {
        expect((await at.enter({ ...api, user: "nameless" })).status).toBe(200)
      },
      "keeps attributes that no user profile knew": async at => {
        const id = await at.createUser("plan-holder", { attributes: { plan: ["pro"] } })
        expect((await at.admin("GET", `/users/${id}`)).body.attributes).toEqual({ plan: ["pro"] })
      },
    },
  },
  {
    name: "an export of Keycloak 24",
    file: fromFile("export-of-24"),
    logins: [api, web, { ...api, user: "nameless" }, { client: "admin-cli" }, { client: "books" }],
    manager,
    shows: {
      ...migrated,
      "asks for a name, as that version did": async at => {
        expect((await at.enter({ ...api, user: "nameless" })).body.error_description).toBe(
          "Account is not fully set up",
        )
      },
    },
  },
  {
    name: "an export of Keycloak 4.8",
    file: asBefore(fromFile("export-of-20")),
    logins: [api, { ...web, scope: "openid microprofile-jwt" }, { client: "admin-cli" }],
    manager,
    shows: {
      ...migrated,
      "lets every client ask for the scope that was added": async at => {
        const login = { ...web, scope: "microprofile-jwt" }
        expect(await at.claims(login)).toMatchObject({
          upn: "edith",
          scope: expect.stringContaining("microprofile-jwt"),
        })
      },
    },
  },
  {
    name: "a partial export of the console",
    file: fromFile("partial-export"),
    logins: [{ client: "shop-web", user: "service-account-shop-api" }],
    manager: { id: "shop-api", secret: "**********" },
    shows: {
      "takes the mask for the secret": async at => {
        expect((await at.admin("GET", "/users/count")).status).toBe(200)
      },
    },
  },
  {
    name: "a file written by hand, with texts for numbers and flags",
    file: realm("by-hand", {
      enabled: "true",
      accessTokenLifespan: "120",
      displayName: 7,
      roles: { realm: [{ name: "app-user" }], client: { "shop-api": [{ name: "editor" }] } },
      groups: [{ name: "editors", clientRoles: { "shop-api": ["editor"] }, attributes: { plan: ["team"] } }],
      clients: [
        client("shop-api", {
          ...{ enabled: "true", serviceAccountsEnabled: "true", publicClient: "false" },
          attributes: { "access.token.lifespan": 60, "use.refresh.tokens": false },
          protocolMappers: [
            mapper("oidc-usermodel-attribute-mapper", {
              ...{ "user.attribute": "plan", "claim.name": "plan", "jsonType.label": "String", ...everywhere },
            }),
          ],
        }),
        client("shop-web", { publicClient: true, secret: undefined }),
      ],
      users: [
        person("Edith", { attributes: { plan: "pro" }, groups: ["/editors"], realmRoles: ["app-user "] }),
        account("manage-users"),
      ],
    }),
    logins: [api, { client: "shop-web" }],
    manager,
    shows: {
      "reads them as what they stand for": async at => {
        const claims = await at.claims(api)
        expect(claims).toMatchObject({ plan: "pro", realm_access: { roles: ["app-user"] } })
        expect(Number(claims.exp) - Number(claims.iat)).toBe(60)
        expect((await at.enter(api)).body).not.toHaveProperty("refresh_token")
        const ofWeb = await at.claims({ client: "shop-web" })
        expect(Number(ofWeb.exp) - Number(ofWeb.iat)).toBe(120)
      },
    },
  },
  {
    name: "a file with client scopes of its own",
    file: realm("own-scopes", {
      clientScopes: [
        {
          ...{ name: "shop", protocol: "openid-connect", attributes: { "include.in.token.scope": "true" } },
          protocolMappers: [
            mapper("oidc-sub-mapper", { "access.token.claim": "true", "introspection.token.claim": "true" }),
            mapper("oidc-usermodel-attribute-mapper", {
              ...{ "user.attribute": "email", "claim.name": "mail", "jsonType.label": "String", ...everywhere },
            }),
          ],
        },
        { name: "hidden", protocol: "openid-connect", attributes: { "include.in.openid.provider.metadata": "false" } },
        { name: "role_list", protocol: "saml", protocolMappers: [mapper("saml-role-list-mapper", {}, "saml")] },
      ],
      defaultDefaultClientScopes: ["shop", "role_list"],
      defaultOptionalClientScopes: ["hidden"],
      clients: [
        shopApi,
        client("only-default", { defaultClientScopes: ["shop", "no-such-scope"] }),
        client("only-optional", { optionalClientScopes: ["shop"] }),
      ],
    }),
    logins: [
      ...[api, { ...api, scope: "openid offline_access" }, { ...api, scope: "hidden" }],
      ...[
        { client: "only-default", scope: "hidden" },
        { client: "only-default", scope: "openid" },
      ],
      ...[{ client: "only-optional" }, { client: "only-optional", scope: "shop" }, { client: "admin-cli" }],
    ],
    shows: {
      "gives a client that names none those of the realm, and the one for offline sessions": async at => {
        expect(await at.claims(api)).toMatchObject({ mail: "edith@example.test", sub: expect.any(String) })
        expect((await at.enter({ ...api, scope: "hidden" })).status).toBe(200)
        expect((await at.enter({ ...api, scope: "offline_access" })).body).toMatchObject({ error: "not_allowed" })
      },
      "gives a client that names one kind none of the other": async at => {
        expect((await at.enter({ client: "only-default", scope: "hidden" })).body.error).toBe("invalid_scope")
        expect(await at.claims({ client: "only-optional" })).not.toHaveProperty("sub")
      },
    },
  },
  {
    name: "a file with clients of every kind",
    file: realm("all-kinds", {
      clients: [
        shopApi,
        client("saml", { protocol: "saml", attributes: { "saml.encrypt": "false", saml_name_id_format: "email" } }),
        client("saml-public", { protocol: "saml", publicClient: true }),
        client("signed-jwt", { clientAuthenticatorType: "client-jwt", attributes: { "use.jwks.url": "true" } }),
        client("secret-jwt", { clientAuthenticatorType: "client-secret-jwt" }),
        client("certificate", { clientAuthenticatorType: "client-x509" }),
        client("bearer-only", { bearerOnly: true }),
        client("consent", { consentRequired: true }),
        client("direct-only", { directAccessGrantsEnabled: false, directGrantsOnly: true }),
        client("off", { enabled: false }),
        client("resources", { serviceAccountsEnabled: true, authorizationServicesEnabled: true }),
      ],
      groups: [{ name: "members" }],
      defaultGroups: ["/members"],
    }),
    logins: [
      ...["shop-api", "saml", "saml-public", "signed-jwt", "secret-jwt", "certificate", "bearer-only", "consent"],
      ...["direct-only", "off", "resources"],
    ].map(one => ({ client: one })),
    shows: {
      "tells clients of other protocols, and those that prove themselves otherwise": async at => {
        const told = async (one: string) => (await at.enter({ client: one })).body.error_description
        expect(await told("saml")).toBe("Wrong client protocol.")
        expect(await told("signed-jwt")).toBe("Parameter client_assertion_type is missing")
      },
      "gives the service account of a resource server its role": async at => {
        const { body } = await at.token({ grant_type: "client_credentials" }, { id: "resources", secret })
        expect(claimsOf(body.access_token)).toMatchObject({
          resource_access: { resources: { roles: ["uma_protection"] } },
        })
      },
    },
  },
  {
    name: "a file with settings among its attributes",
    file: realm("attributes", {
      failureFactor: 30,
      codeSecret: "none",
      attributes: {
        ...{ frontendUrl: "", "acr.loa.map": '{"silver":"1","gold":"2"}', organizationsEnabled: "true" },
        ...{ "_browser_header.xFrameOptions": "SAMEORIGIN", clientSessionIdleTimeout: "600", failureFactor: 7 },
        ...{ "oauth2.device.polling.interval": "5", "made up": "by somebody", bruteForceProtected: "true" },
      },
      clients: [
        client("shop-api", {
          serviceAccountsEnabled: true,
          attributes: {
            ...{
              "acr.loa.map": "{}",
              "saml.assertion.signature": "false",
              "oauth2.device.authorization.grant.enabled": "",
            },
            ...{ "use.jwks.url": "false", "user.info.response.signature.alg": "", "id.token.signed.response.alg": "" },
            ...{ "client.session.idle.timeout": "", "access.token.lifespan": "", "made up": "too" },
          },
        }),
        client("levels", { attributes: { "acr.loa.map": '{"bronze":"1"}', "client.session.idle.timeout": "300" } }),
        client("short", { attributes: { "client.session.max.lifespan": "240" } }),
      ],
      users: [person("edith"), account("manage-users", "view-realm")],
    }),
    logins: [api, { client: "levels", scope: "openid" }, { client: "short" }],
    manager,
    shows: {
      "goes by them": async at => {
        expect(await at.claims(api)).toMatchObject({ acr: "silver" })
        expect(await at.claims({ client: "levels" })).toMatchObject({ acr: "bronze" })
        expect((await at.admin("GET", "")).body).toMatchObject({ failureFactor: 7, bruteForceProtected: true })
        expect((await at.enter({ client: "levels" })).body.refresh_expires_in).toBeLessThanOrEqual(300)
      },
    },
  },
  {
    name: "a file with a frontend URL",
    file: realm("frontend", {
      attributes: { frontendUrl: "https://id.example.test/auth" },
      users: [person("edith"), account("manage-users")],
    }),
    logins: [api],
    manager,
    shows: {
      "names it in tokens and discovery": async at => {
        const issuer = "https://id.example.test/auth/realms/files-frontend"
        expect(await at.claims(api)).toMatchObject({ iss: issuer })
        const path = "/realms/files-frontend/.well-known/openid-configuration"
        expect((await at.get(path)).body).toMatchObject({ issuer })
      },
    },
  },
  {
    name: "a file with redirect URIs of every form",
    file: realm("origins", {
      clients: [
        client("shop-api", {
          webOrigins: ["+"],
          redirectUris: [
            ...[
              "http://localhost:*/cb",
              "https://*.example.test/x",
              "*",
              "/inside/*",
              "https://a.test:443/x",
              "myapp://cb",
            ],
            ...["http://[::1]:3/x", "https://b.test*", "http*"],
          ],
        }),
        client("rooted", {
          rootUrl: "https://root.test/app",
          redirectUris: ["/x", "https://other.test/*"],
          webOrigins: ["+"],
        }),
        client("base", {
          rootUrl: "$" + "{authBaseUrl}",
          redirectUris: ["/realms/x/*"],
          webOrigins: ["+", "https://c.test"],
        }),
        client("unsaid", { redirectUris: ["https://q.test/x"] }),
        client("none", { redirectUris: ["https://q.test/x"], webOrigins: [] }),
        client("any", { webOrigins: ["*"] }),
      ],
    }),
    logins: ["shop-api", "rooted", "base", "unsaid", "none", "any"].map(one => ({ client: one })),
    shows: {
      "names their origins as they stand": async at => {
        const { "allowed-origins": origins } = await at.claims(api)
        expect(origins).toEqual(
          expect.arrayContaining(["http://localhost:*", "https://*.example.test", "https://b.test*"]),
        )
      },
    },
  },
  {
    name: "a file with e-mails as usernames and names that nobody must give",
    file: realm("emails", {
      registrationEmailAsUsername: true,
      users: [person("edith@example.test", { email: "edith@example.test" }), account("manage-users", "view-users")],
      components: profile({
        attributes: [
          { name: "username", validations: { length: { min: 3, max: 255 } } },
          { name: "email", validations: { email: {} }, required: { roles: ["user"] } },
          { name: "firstName" },
          { name: "lastName" },
          { name: "phone", permissions: { view: ["admin"], edit: ["admin"] }, multivalued: true },
        ],
      }),
    }),
    logins: [{ client: "shop-api", user: "edith@example.test" }],
    manager,
    shows: {
      "makes the e-mail the username, and lets people without names in": async at => {
        const names = { firstName: undefined, lastName: undefined, attributes: { phone: ["1", "2"], other: ["x"] } }
        const id = await at.createUser("zoe", { ...names, credentials: [{ value: filePassword }] })
        expect((await at.admin("GET", `/users/${id}`)).body).toMatchObject({
          ...{ username: "zoe@example.test", attributes: { phone: ["1", "2"] } },
        })
        expect((await at.enter({ client: "shop-api", user: "zoe@example.test" })).status).toBe(200)
      },
    },
  },
  {
    name: "a file whose service account sees the realm",
    file: realm("view-realm", {
      organizationsEnabled: true,
      verifyEmail: true,
      displayName: "The shop",
      passwordPolicy: "length(8) and notUsername",
      roles: { realm: [{ name: "app-user", description: "Uses it", attributes: { colour: ["red"] } }] },
      requiredActions: [
        {
          alias: "VERIFY_EMAIL",
          name: "Verify Email",
          providerId: "VERIFY_EMAIL",
          enabled: true,
          defaultAction: false,
          priority: 50,
        },
        {
          alias: "UPDATE_PASSWORD",
          name: "Update Password",
          providerId: "UPDATE_PASSWORD",
          enabled: true,
          defaultAction: true,
          priority: 30,
        },
        {
          alias: "terms_and_conditions",
          name: "Terms",
          providerId: "terms_and_conditions",
          enabled: false,
          priority: 20,
        },
      ],
      smtpServer: {
        host: "127.0.0.1",
        port: "25",
        from: "shop@example.test",
        auth: "true",
        user: "shop",
        password: secret,
      },
      users: [person("edith", { requiredActions: ["terms_and_conditions"] }), account("realm-admin")],
    }),
    logins: [api],
    manager,
    shows: {
      "is told its settings, roles, required actions and events": async at => {
        expect((await at.admin("GET", "")).body).toMatchObject({
          ...{ verifyEmail: true, displayName: "The shop", organizationsEnabled: true, accessTokenLifespan: 300 },
          smtpServer: { password: "**********" },
        })
        expect((await at.admin("GET", "/roles/app-user")).body).toMatchObject({ attributes: { colour: ["red"] } })
        expect((await at.admin("GET", "/roles/nope")).status).toBe(404)
        const actions = (await at.admin("GET", "/authentication/required-actions")).body
        expect(actions.map(({ alias }: { alias: string }) => alias)).toContain("UPDATE_PASSWORD")
        expect((await at.admin("GET", "/events")).body).toEqual([])
      },
    },
  },
  {
    name: "a file with mappers and token forms of every kind",
    file: realm("mappers", {
      roles: { realm: [{ name: "plain" }] },
      users: [person("edith", { realmRoles: ["plain"] })],
      clients: [
        client("shop-api", {
          protocolMappers: [
            mapper("oidc-amr-mapper", everywhere),
            mapper("oidc-session-state-mapper", everywhere),
            mapper("oidc-hardcoded-role-mapper", { role: "extra" }),
            mapper("oidc-hardcoded-role-mapper", { role: "small.editor" }),
            mapper("oidc-claims-param-token-mapper", everywhere),
            mapper("saml-user-property-mapper", { "user.attribute": "email" }, "saml"),
            mapper("oidc-hardcoded-claim-mapper", {
              ...{ "claim.name": "hello", "claim.value": "world", "jsonType.label": "String" },
              "access.tokenResponse.claim": "true",
            }),
          ],
        }),
        client("small", { attributes: { "token.response.type.bearer.lower-case": "true" } }),
        client("signed", { attributes: { "user.info.response.signature.alg": "RS256" } }),
        client("secretly", {
          attributes: { "id.token.signed.response.alg": "HS256", "access.token.signed.response.alg": "HS512" },
        }),
      ],
    }),
    logins: ["shop-api", "small", "signed", "secretly"].map(one => ({ client: one, scope: "openid" })),
    shows: {
      "puts the claims where they belong": async at => {
        expect(await at.claims(api)).toMatchObject({
          ...{ amr: [], session_state: expect.any(String), realm_access: { roles: expect.arrayContaining(["extra"]) } },
          resource_access: { small: { roles: ["editor"] } },
        })
        expect((await at.enter(api)).body).toMatchObject({ hello: "world" })
        expect(await at.claims({ client: "small" })).toMatchObject({ typ: "bearer" })
      },
    },
  },
  {
    name: "a file from before Keycloak 13, with lists of default roles",
    file: realm("default-roles", {
      defaultRoles: ["reader"],
      roles: { realm: [{ name: "default-roles-files-default-roles" }, { name: "offline_access" }] },
      clients: [{ ...shopApi, defaultRoles: ["buyer"] }],
      users: [
        person("edith", { requiredActions: ["update_profile"] }),
        person("frank", { realmRoles: ["default-roles-files-default-roles-1"] }),
        account("manage-users", "view-realm"),
      ],
    }),
    logins: [api, { client: "shop-api", user: "frank" }],
    manager,
    shows: {
      "gives them to everybody new": async at => {
        await at.createUser("newcomer", { credentials: [{ value: filePassword }] })
        const claims = await at.claims({ client: "shop-api", user: "newcomer" })
        expect(claims).toMatchObject({
          realm_access: { roles: expect.arrayContaining(["reader", "default-roles-files-default-roles-1"]) },
          resource_access: { "shop-api": { roles: ["buyer"] } },
        })
      },
    },
  },
  {
    name: "a file whose login asks for no one-time code",
    file: realm("own-flow", {
      directGrantFlow: "my direct grant",
      authenticationFlows: [
        {
          ...{ alias: "my direct grant", providerId: "basic-flow", topLevel: true, builtIn: false },
          authenticationExecutions: [
            { authenticator: "direct-grant-validate-username", requirement: "REQUIRED", priority: 10 },
            { authenticator: "direct-grant-validate-otp", requirement: "DISABLED", priority: 30 },
            { flowAlias: "my password", authenticatorFlow: true, requirement: "REQUIRED", priority: 20 },
          ],
        },
        {
          ...{ alias: "my password", providerId: "basic-flow", topLevel: false, builtIn: false },
          authenticationExecutions: [{ authenticator: "direct-grant-validate-password", requirement: "REQUIRED" }],
        },
      ],
      users: [
        person("edith", {
          credentials: [
            { type: "password", value: filePassword },
            {
              type: "otp",
              secretData: JSON.stringify({ value: "JBSWY3DPEHPK3PXP" }),
              credentialData: JSON.stringify({
                subType: "totp",
                digits: 6,
                period: 30,
                counter: 0,
                algorithm: "HmacSHA1",
              }),
            },
          ],
        }),
      ],
    }),
    logins: [api],
    shows: {
      "lets in whoever has one": async at => {
        expect((await at.enter(api)).status).toBe(200)
      },
    },
  },
  {
    name: "a file with hashed passwords, a directory and a policy that are switched off",
    file: realm("switched-off", {
      clientProfiles: { profiles: [{ name: "mine", executors: [] }] },
      clientPolicies: { policies: [{ name: "idle", enabled: false, conditions: [], profiles: ["mine"] }] },
      components: {
        "org.keycloak.storage.UserStorageProvider": [
          {
            ...{ name: "people", providerId: "ldap", subComponents: {} },
            config: {
              ...{
                enabled: ["false"],
                vendor: ["other"],
                connectionUrl: ["ldap://127.0.0.1:1"],
                editMode: ["READ_ONLY"],
              },
              ...{ usersDn: ["ou=people"], authType: ["none"], userObjectClasses: ["person"], priority: ["0"] },
              ...{ usernameLDAPAttribute: ["uid"], rdnLDAPAttribute: ["uid"], uuidLDAPAttribute: ["entryUUID"] },
            },
          },
        ],
      },
      users: [person("edith", { credentials: [hashed()] }), person("frank", { credentials: [inTheOldForm()] })],
    }),
    logins: [api, { client: "shop-api", user: "frank" }],
    shows: {
      "checks the hashes": async at => {
        for (const user of ["edith", "frank"]) expect((await at.enter({ client: "shop-api", user })).status).toBe(200)
      },
    },
  },
]

/** What an export of Keycloak 4.8 has otherwise. */
function asBefore(file: Realm): Realm {
  const { defaultRole: _none, ...rest } = file
  const later = ["acr", "microprofile-jwt"]
  const without = (names: unknown) => (names as string[]).filter(name => !later.includes(name))
  const flows = file.authenticationFlows as { alias: string; authenticationExecutions: object[] }[]
  return {
    ...rest,
    ...{ realm: "files-export-of-4", keycloakVersion: "4.8.3.Final", defaultRoles: ["offline_access", "app-user"] },
    clientScopes: (file.clientScopes as { name: string }[]).filter(({ name }) => !later.includes(name)),
    clients: file.clients.map(one => ({
      ...one,
      defaultClientScopes: without(one.defaultClientScopes),
      optionalClientScopes: without(one.optionalClientScopes),
    })),
    authenticationFlows: flows
      .filter(({ alias }) => alias !== "Direct Grant - Conditional OTP")
      .map(flow => (flow.alias === "direct grant" ? { ...flow, authenticationExecutions: withOptionalCode } : flow)),
  }
}

/** As Keycloak writes it since version 25. */
function hashed() {
  const nonce = randomBytes(16)
  const hash = argon2Sync("argon2id", {
    ...{ message: filePassword, nonce, parallelism: 1, tagLength: 32, memory: 7168, passes: 5 },
  })
  const additionalParameters = {
    hashLength: ["32"],
    memory: ["7168"],
    type: ["id"],
    version: ["1.3"],
    parallelism: ["1"],
  }
  return {
    type: "password",
    secretData: JSON.stringify({ value: hash.toString("base64"), salt: nonce.toString("base64") }),
    credentialData: JSON.stringify({ hashIterations: 5, algorithm: "argon2", additionalParameters }),
  }
}

/** As Keycloak wrote it before version 8. */
function inTheOldForm() {
  const salt = randomBytes(16)
  const hash = pbkdf2Sync(filePassword, salt, 27_500, 64, "sha256")
  return {
    ...{ type: "password", hashIterations: 27_500, algorithm: "pbkdf2-sha256" },
    ...{ hashedSaltedValue: hash.toString("base64"), salt: salt.toString("base64") },
  }
}
