import { describe, expect, it } from "vitest"
import { createGate, isGateError, optionsFromEnv } from "../../src/index.js"

const secret = "hunter2-Hunter2"

function messageOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (isGateError(error) && error.code === "config_invalid") return error.message
    throw error
  }
  return ""
}

/** What is said of one option. */
function hint(name: string, value: unknown = secret): string {
  const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api", [name]: value }
  const lines = messageOf(() => createGate(options as never)).split("\n")
  return lines.find(line => line.startsWith(`\`${name}\`:`)) ?? ""
}

describe("createGate, given an option of another library", () => {
  it.each([
    ["keycloak-connect", { "auth-server-url": "serverUrl", authServerUrl: "serverUrl", resource: "clientId" }],
    [
      "keycloak-connect, more",
      { credentials: "clientSecret", secret: "clientSecret", "verify-token-audience": "audience" },
    ],
    ["nest-keycloak-connect", { authServerUrl: "serverUrl", secret: "clientSecret", tokenValidation: "verification" }],
    ["keycloak-js", { url: "serverUrl" }],
    ["the admin client", { baseUrl: "serverUrl", realmName: "realm", username: "admin", password: "admin" }],
    ["express-oauth2-jwt-bearer", { issuerBaseURL: "serverUrl", issuer: "serverUrl", tokenSigningAlg: "algorithms" }],
    ["jose and jsonwebtoken", { clockTolerance: "clockToleranceSeconds", audiences: "audience", maxAge: "maxAge" }],
    ["python-keycloak", { server_url: "serverUrl", realm_name: "realm", client_secret_key: "clientSecret" }],
    ["oidc-client", { authority: "serverUrl", client_id: "clientId", client_secret: "clientSecret" }],
    ["jwks-rsa", { cacheMaxAge: "keySet", jwksRequestsPerMinute: "keySet", timeout: "timeoutMs" }],
    ["one with a user table", { userRepository: "userStore", logger: "onEvent" }],
  ])("names the one that takes its place: %s", (_, names) => {
    for (const [name, ours] of Object.entries(names)) {
      expect(hint(name)).toContain(name === ours ? "known are" : `did you mean \`${ours}\`?`)
      expect(hint(name)).not.toContain(secret)
      expect(hint(name, { secret })).not.toContain(secret)
    }
  })

  it.each([
    "jwksUri",
    "jwks_uri",
    "token_endpoint",
    "introspectionUrl",
    "realm-public-key",
    "publicKey",
    "secretOrKey",
  ])("says that `%s` is found from `serverUrl` and `realm`", name =>
    expect(hint(name)).toMatch(/leave it out: .*`serverUrl` and `realm`/),
  )

  it("says how an issuer is taken apart", () => {
    for (const name of ["issuer", "issuerBaseURL", "authority", "discoveryUrl", "well-known", "realm_url"])
      expect(hint(name)).toMatch(/`serverUrl`\? .*before `\/realms\/`, and `realm` the name behind it/)
  })

  it("names what reads a whole keycloak.json", () => {
    expect(hint("auth-server-url")).toContain("`optionsFromKeycloakJson`")
  })

  it("sends the name of a variable to `optionsFromEnv`", () => {
    for (const name of ["KEYCLOAK_URL", "OIDC_RP_CLIENT_SECRET", "AUTH_KEYCLOAK_ID"])
      expect(hint(name)).toContain("`optionsFromEnv(process.env)`")
  })

  it.each([
    ["clientSecert", "clientSecret"],
    ["relm", "realm"],
    ["serverURl", "serverUrl"],
    ["verfication", "verification"],
    ["timeOutMs", "timeoutMs"],
    ["allow-insecure-http", "allowInsecureHttp"],
    ["audence", "audience"],
    ["clockToleranceSecond", "clockToleranceSeconds"],
  ])("takes `%s` for a slip of `%s`", (name, ours) => {
    expect(hint(name)).toContain(`did you mean \`${ours}\`?`)
  })

  it.each(["bananas", "x", "", "constructor", "__proto__x", "toString"])("guesses nothing of `%s`", name => {
    expect(hint(name)).not.toContain("did you mean")
  })

  it("knows the slips of nested names too", () => {
    expect(hint("keySet", { maxAgeSecond: 5 }) || messageOf(() => gateWith({ keySet: { maxAgeSecond: 5 } }))).toContain(
      "did you mean `maxAgeSeconds`?",
    )
  })
})

function gateWith(more: object): unknown {
  return createGate({ serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api", ...more } as never)
}

describe("optionsFromEnv, where a variable is missing", () => {
  const linesOf = (env: Record<string, string>) => messageOf(() => optionsFromEnv(env)).split("\n")

  it.each([
    ["KEYCLOAK_AUTH_SERVER_URL", "KEYCLOAK_URL"],
    ["KEYCLOAK_BASE_URL", "KEYCLOAK_URL"],
    ["KEYCLOAK_SERVER_URL", "KEYCLOAK_URL"],
    ["KEYCLOAK_HOST", "KEYCLOAK_URL"],
    ["KEYCLOAK_SERVER", "KEYCLOAK_URL"],
    ["KC_URL", "KEYCLOAK_URL"],
    ["KC_HOSTNAME", "KEYCLOAK_URL"],
    ["NEXT_PUBLIC_KEYCLOAK_URL", "KEYCLOAK_URL"],
    ["QUARKUS_OIDC_AUTH_SERVER_URL", "KEYCLOAK_URL"],
    ["KEYCLOK_URL", "KEYCLOAK_URL"],
    ["keycloak_url", "KEYCLOAK_URL"],
    ["AUTH_KEYCLOAK_ISSUER", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["KEYCLOAK_ISSUER", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["OIDC_ISSUER_URL", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["OIDC_OP_JWKS_ENDPOINT", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["OIDC_OP_AUTHORIZATION_ENDPOINT", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["OIDC_OP_DISCOVERY_ENDPOINT", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["ISSUER_BASE_URL", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_ISSUER_URI", "KEYCLOAK_URL and KEYCLOAK_REALM"],
    ["KEYCLOAK_REALM_NAME", "KEYCLOAK_REALM"],
    ["KC_REALM", "KEYCLOAK_REALM"],
    ["AUTH_KEYCLOAK_ID", "KEYCLOAK_CLIENT_ID"],
    ["KEYCLOAK_CLIENT", "KEYCLOAK_CLIENT_ID"],
    ["KEYCLOAK_CLIENTID", "KEYCLOAK_CLIENT_ID"],
    ["KEYCLOAK_RESOURCE", "KEYCLOAK_CLIENT_ID"],
    ["OIDC_CLIENT_ID", "KEYCLOAK_CLIENT_ID"],
    ["AUTH_KEYCLOAK_SECRET", "KEYCLOAK_CLIENT_SECRET"],
    ["KEYCLOAK_SECRET", "KEYCLOAK_CLIENT_SECRET"],
    ["OIDC_CLIENT_SECRET", "KEYCLOAK_CLIENT_SECRET"],
    ["QUARKUS_OIDC_CREDENTIALS_SECRET", "KEYCLOAK_CLIENT_SECRET"],
  ])("takes %s for %s, and shows nothing of its value", (name, ours) => {
    const lines = linesOf({ [name]: secret, PATH: "/bin", HOME: "/root" })
    expect(lines.slice(1)).toHaveLength(1)
    expect(lines[1]).toContain(`${name} is set: did you mean ${ours}?`)
    expect(lines.join()).not.toContain(secret)
  })

  it.each([
    ...["KEYCLOAK_ADMIN", "KEYCLOAK_ADMIN_PASSWORD", "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET", "KC_DB_URL", "KC_DB_URL_HOST"],
    ...[
      "KC_HTTP_PORT",
      "KEYCLOAK_HOME",
      "KEYCLOAK_VERSION",
      "OIDC_RP_SIGN_ALGO",
      "OIDC_REDIRECT_URL",
      "LOGIN_REDIRECT_URL",
    ],
    ...[
      "AUTH_URL",
      "AUTH_SECRET",
      "NEXTAUTH_URL",
      "NEXTAUTH_SECRET",
      "DATABASE_URL",
      "JWT_SECRET",
      "HOSTNAME",
      "AWS_CLIENT_ID",
    ],
  ])("takes %s for nothing of ours", name => {
    expect(linesOf({ [name]: secret })).toHaveLength(1)
  })

  it("says nothing of an empty one, nor of others where nothing is missing", () => {
    expect(linesOf({ KEYCLOAK_BASE_URL: "" })).toHaveLength(1)
    const env = { KEYCLOAK_URL: "https://a.test", KEYCLOAK_REALM: "r", KEYCLOAK_CLIENT_ID: "c", KEYCLOAK_ISSUER: "x" }
    expect(optionsFromEnv(env)).toEqual({ serverUrl: "https://a.test", realm: "r", clientId: "c" })
  })

  it("names for each missing one what is there in its place, and no line that a name breaks", () => {
    const env = {
      AUTH_KEYCLOAK_ID: "a",
      AUTH_KEYCLOAK_SECRET: secret,
      AUTH_KEYCLOAK_ISSUER: "b",
      "KEYCLOAK\n_URL": "c",
    }
    expect(linesOf(env).map(line => line.split(" ")[0])).toEqual([
      "The",
      "AUTH_KEYCLOAK_ISSUER",
      "KEYCLOAK\\n_URL",
      "AUTH_KEYCLOAK_SECRET",
      "AUTH_KEYCLOAK_ID",
    ])
  })
})
