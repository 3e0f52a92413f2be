import { spelling } from "../nearest-name.js"

/** What stands here for a setting of another library. */
export interface OtherName {
  /** The option of ours; null where there is none. */
  readonly ours: string | null
  /** What it takes, or why there is none: a sentence without its end. */
  readonly how: string
}

/**
 * What a setting of keycloak-connect, nest-keycloak-connect, keycloak-js, the Keycloak clients for Java and Python, JWT
 * libraries and OpenID Connect clients is called here, in whatever spelling; null for a name that none of them has.
 */
export function otherName(name: string): OtherName | null {
  return Object.hasOwn(byName, spelling(name)) ? (byName[spelling(name)] ?? null) : null
}

/** What to say about an option of another library; null for a name that none of them has. */
export function adviceOn(name: string): string | null {
  if (/^(KEYCLOAK|KC|OIDC|AUTH|OAUTH2?)_[A-Z0-9_]+$/.test(name))
    return "environment variables are read by `optionsFromEnv(process.env)`"
  const other = otherName(name)
  if (other === null) return null
  if (other.ours === null) return other.how
  const advice = `did you mean \`${other.ours}\`? ${other.how}`
  return spelling(name) === "authserverurl" ? `${advice}. ${readsTheFile}` : advice
}

const readsTheFile = "`optionsFromKeycloakJson` of keycloak-gate/migrate reads a whole keycloak.json"
const found = "leave it out: it is found from `serverUrl` and `realm`"
const ofBrowsers =
  "login pages, their sessions and cookies belong to an OpenID Connect client, which sends its access token here"

/** By our option, with what it takes: the names of others, each in one spelling. */
const table: readonly (readonly [ours: string | null, how: string, names: string])[] = [
  [
    "serverUrl",
    "It takes Keycloak's address, the part before `/realms/`",
    "authServerUrl url uri baseUrl rootUrl server serverUri host hostname address domain endpoint origin authUrl keycloak " +
      "keycloakUrl keycloakBaseUrl keycloakServerUrl keycloakAuthServerUrl keycloakHost ssoUrl frontendUrl publicUrl",
  ],
  [
    "serverUrl",
    "It takes the part of that address before `/realms/`, and `realm` the name behind it",
    "issuer iss issuerUrl issuerUri issuerBaseUrl allowedIssuers authority realmUrl realmUri wellKnown wellKnownUrl " +
      "discovery discoveryUrl discoveryUri discoveryEndpoint configurationUrl configurationEndpoint metadataUrl " +
      "serverMetadataUrl openidConnectUrl oidcUrl",
  ],
  [
    null,
    found,
    "jwks jwksUri jwksUrl jwksEndpoint certs certsUrl keysUrl tokenUrl tokenEndpoint authorizationUrl authorizationEndpoint " +
      "userinfoUrl userinfoEndpoint userInfoUrl introspectionUrl introspectionEndpoint logoutUrl logoutEndpoint " +
      "endSessionEndpoint",
  ],
  [
    null,
    "leave it out: Keycloak's keys are found from `serverUrl` and `realm`, and they change",
    "realmPublicKey publicKey publicKeys key pem cert certificate secretOrKey secretOrKeyProvider secretOrPublicKey " +
      "getKey jwtSecret verifyKey",
  ],
  ["realm", "It takes the realm's name", "realmName realmId tenant tenantId"],
  [
    "clientId",
    "It takes the Client ID of this application",
    "resource client clientName azp authorizedParty appId appName applicationId consumerKey",
  ],
  ["clientSecret", "It takes the text of the member `secret`", "credentials clientCredentials"],
  ["clientSecret", "It takes the secret from Clients → Credentials", "secret clientSecretKey clientKey consumerSecret"],
  [
    "audience",
    "It takes one name, `clientId` by default. `null` switches the check off",
    "aud audiences expectedAudience allowedAudiences verifyTokenAudience verifyAudience verifyAud checkAudience " +
      "validateAudience resourceId",
  ],
  [
    "verification",
    '"introspection" asks Keycloak about each token, "local" checks signatures',
    "tokenValidation validation validationMode verificationMode verifyMode introspect introspection useIntrospection " +
      "userinfo offlineValidation onlineValidation",
  ],
  [
    "algorithms",
    "It takes a list",
    "algorithm alg algs signingAlgorithm signingAlgorithms tokenSigningAlg allowedAlgorithms",
  ],
  [
    "clockToleranceSeconds",
    "It takes seconds",
    "clockTolerance clockToleranceMs clockSkew clockSkewSeconds allowedClockSkew leeway tokenLeeway skew",
  ],
  [
    "timeoutMs",
    "It takes milliseconds",
    "timeout timeoutSeconds timeoutDuration requestTimeout httpTimeout connectTimeout connectionTimeout socketTimeout",
  ],
  [
    "keySet",
    "Its `cooldownSeconds` takes seconds",
    "minTimeBetweenJwksRequests cooldownDuration jwksRequestsPerMinute jwksRateLimit rateLimit",
  ],
  [
    "keySet",
    "Its `maxAgeSeconds` takes seconds",
    "publicKeyCacheTtl cacheMaxAge jwksCacheMaxAge jwksCacheTtl keyCacheSeconds",
  ],
  ["maxConcurrentRequests", "It counts requests, not connections", "connectionPoolSize connectionTtl poolSize"],
  [
    "verifiedTokenCache",
    "It takes `{ maxTokens }`, or `false`",
    "cache cacheEnabled tokenCache cacheSize cacheMaxEntries",
  ],
  [
    "admin",
    "It takes a service account, as `{ clientId, clientSecret }`, and no person's password",
    "adminUrl adminUser adminUsername adminPassword adminClient adminClientId adminClientSecret adminCredentials username " +
      "password",
  ],
  [
    "userStore",
    "It takes the functions over your user table",
    "store users userModel userService userRepository userTable database db adapter",
  ],
  [
    "internalUrl",
    "It takes the address where this process reaches Keycloak",
    "internalServerUrl backendUrl privateUrl",
  ],
  [
    "allowInsecureHttp",
    "`true` allows plain http to another machine, and loopback needs nothing",
    "sslRequired requireHttps requireSsl allowHttp allowInsecure allowInsecureRequests insecure",
  ],
  [
    null,
    "the certificates of an authority of your own go into the variable NODE_EXTRA_CA_CERTS",
    "verifySsl rejectUnauthorized ca truststore truststorePassword disableTrustManager allowAnyHostname",
  ],
  [
    null,
    "a proxy of your network is set by Node's variables, NODE_USE_ENV_PROXY among them",
    "proxyUrl proxy httpsProxy httpAgent httpsAgent requestAgent",
  ],
  [
    null,
    "the client proves itself by `clientSecret`",
    "clientKeystore clientKeystorePassword clientKeyPassword clientAssertion clientCertificate privateKey",
  ],
  [
    "onEvent",
    "It hears refusals and outages",
    "logger log logLevel logLevels loggerLevel useNestLogger debug onError onTokenError",
  ],
  [
    null,
    "leave it out: every route takes bearer tokens, and none leads to a login page",
    "bearerOnly autodetectBearerOnly",
  ],
  [null, "leave it out: a public client is one without `clientSecret`", "publicClient public"],
  [null, "leave it out: the port is part of `serverUrl`", "confidentialPort port authServerPort"],
  [
    null,
    "leave it out: each guard says whether it asks for realm roles or for client roles",
    "useResourceRoleMappings roleMerge roles requiredRoles roleKey",
  ],
  [
    null,
    "CORS is the application's own: mount its middleware before `authenticate`",
    "cors enableCors corsMaxAge corsAllowedMethods corsAllowedHeaders corsExposedHeaders",
  ],
  [
    null,
    "policies of Keycloak's authorization services are not asked: guards go by roles, groups and scopes",
    "policyEnforcer policyEnforcement enforcementMode",
  ],
  [null, "one gate is for one realm: make a gate for each", "multiTenant multiTenancy realms tenants issuers mcd"],
  [
    null,
    "a principal has `subject`, `username` and `email`, and rows are found by issuer and subject",
    "principalAttribute usernameClaim userIdClaim",
  ],
  [
    null,
    "only an Authorization header with a Bearer token is looked at",
    "enableBasicAuth tokenExtractor jwtFromRequest getToken",
  ],
  [
    null,
    ofBrowsers,
    "redirectUri redirectUris redirectUrl callbackUrl callbackUri postLogoutRedirectUri responseType grantType scope pkce " +
      "enablePkce usePkce idpHint onLoad checkSso loginUrl session sessionSecret cookie cookies cookieKey tokenStore " +
      "exposeToken alwaysRefreshToken tokenMinimumTimeToLive turnOffChangeSessionIdOnLogin adapterStateCookiePath " +
      "registerNodeAtStartup registerNodePeriod ignoreOauthQueryParameter redirectRewriteRules",
  ],
]

const byName: Readonly<Record<string, OtherName>> = Object.fromEntries(
  table.flatMap(([ours, how, names]) => names.split(" ").map(name => [spelling(name), { ours, how }])),
)
