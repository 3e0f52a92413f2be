import { describe, expect, it } from "vitest"
import { createGate, isGateError, memoryUserStore, optionsFromEnv } from "../src/index.js"
import { parseOptions } from "../src/options.js"

const good = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api" }
const problem = (changes: object) => {
  try {
    createGate({ ...good, ...changes } as never)
  } catch (error) {
    if (isGateError(error)) return error
  }
  return null
}

describe("createGate", () => {
  it("accepts the three options that it needs, and undefined for all others", () => {
    const names = [
      "clientSecret",
      "userStore",
      "internalUrl",
      "audience",
      "admin",
      "verification",
      "algorithms",
      "clockToleranceSeconds",
    ]
    const more = [
      "timeoutMs",
      "keySet",
      "maxTokenBytes",
      "verifiedTokenCache",
      "allowInsecureHttp",
      "revealAccountState",
    ]
    const rest = ["syncServiceAccounts", "registration", "onEvent"]
    expect(problem(Object.fromEntries([...names, ...more, ...rest].map(name => [name, undefined])))).toBeNull()
  })

  it.each([
    ["serverUrl", { serverUrl: undefined }],
    ["serverUrl", { serverUrl: "sso.example.test" }],
    ["serverUrl", { serverUrl: "ftp://sso.example.test" }],
    ["serverUrl", { serverUrl: "http://sso.example.test" }],
    ["serverUrl", { serverUrl: "https://ada:pw@sso.example.test" }],
    ["serverUrl", { serverUrl: "https://sso.example.test/realms/shop" }],
    ["serverUrl", { serverUrl: "https://sso.example.test/?a=b" }],
    ["internalUrl", { internalUrl: "http://keycloak:8080" }],
    ["internalUrl", { internalUrl: "" }],
    ["realm", { realm: "" }],
    ["realm", { realm: "shop\n" }],
    ["clientId", { clientId: 5 }],
    ["clientId", { clientId: " shop-api" }],
    ["clientSecret", { clientSecret: "" }],
    ["clientSecret", { clientSecret: 5 }],
    ["audience", { audience: "account" }],
    ["audience", { audience: "" }],
    ["audience", { audience: ["shop-api"] }],
    ["admin", { admin: "x" }],
    ["admin.clientId", { admin: { clientSecret: "x" } }],
    ["admin.clientSecret", { admin: { clientId: "x" } }],
    ["verification", { verification: "jwt" }],
    ["verification", { verification: { mode: "jwt" } }],
    ["verification.cache", { verification: { mode: "local", cache: 1 } }],
    ["verification", { verification: null }],
    ["verification", { verification: {} }],
    ["verification.cacheSeconds", { verification: { mode: "introspection", cacheSeconds: 0 } }],
    ["verification.cacheSeconds", { verification: { mode: "userinfo", cacheSeconds: 301 } }],
    ["verification.cacheSeconds", { verification: { mode: "introspection", cacheSeconds: "5" } }],
    ["verification.cacheSeconds", { verification: { mode: "introspection", cacheSeconds: null } }],
    ["verification.cacheSeconds", { verification: { mode: "introspection", cacheSeconds: Number.NaN } }],
    ["verification.cacheSeconds", { verification: { mode: "local", cacheSeconds: 5 } }],
    ["verification.cacheseconds", { verification: { mode: "introspection", cacheseconds: 5 } }],
    ["verification.recheckSeconds", { clientSecret: "s", verification: { mode: "local", recheckSeconds: 0 } }],
    ["verification.recheckSeconds", { clientSecret: "s", verification: { mode: "local", recheckSeconds: -1 } }],
    ["verification.recheckSeconds", { clientSecret: "s", verification: { mode: "local", recheckSeconds: 3601 } }],
    ["verification.recheckSeconds", { clientSecret: "s", verification: { mode: "userinfo", recheckSeconds: 30 } }],
    ["verification.recheckSeconds", { verification: { mode: "local", recheckSeconds: 30 } }],
    ["verification.recheck", { clientSecret: "s", verification: { mode: "local", recheck: 30 } }],
    ["algorithms", { algorithms: [] }],
    ["algorithms", { algorithms: ["HS256"] }],
    ["algorithms", { algorithms: ["none"] }],
    ["algorithms", { algorithms: "RS256" }],
    ["clockToleranceSeconds", { clockToleranceSeconds: Number.NaN }],
    ["clockToleranceSeconds", { clockToleranceSeconds: Number.POSITIVE_INFINITY }],
    ["clockToleranceSeconds", { clockToleranceSeconds: -1 }],
    ["clockToleranceSeconds", { clockToleranceSeconds: "5" }],
    ["timeoutMs", { timeoutMs: 0 }],
    ["keySet", { keySet: 5 }],
    ["keySet.maxAgeSeconds", { keySet: { maxAgeSeconds: 0 } }],
    ["keySet.maxAge", { keySet: { maxAge: 5 } }],
    ["maxTokenBytes", { maxTokenBytes: 1 }],
    ["verifiedTokenCache", { verifiedTokenCache: true }],
    ["verifiedTokenCache.maxTokens", { verifiedTokenCache: { maxTokens: 0 } }],
    ["allowInsecureHttp", { allowInsecureHttp: "true" }],
    ["revealAccountState", { revealAccountState: 1 }],
    ["userStore", { userStore: {} }],
    ["userStore", { userStore: null }],
    ["registration.groups", { registration: { groups: "/staff" } }],
    ["registration.attributes", { registration: { attributes: { a: [1] } } }],
    ["registration.roles", { registration: { roles: [] } }],
    ["onEvent", { onEvent: "log" }],
    ["clientid", { clientid: "x" }],
    ["client_secret", { client_secret: "x" }],
    ["publicKey", { publicKey: "x" }],
  ])("refuses a wrong %s, by name", (option, changes) => {
    const error = problem(changes)
    expect(error?.code).toBe("config_invalid")
    expect(error?.fields?.map(({ field }) => field)).toEqual([option])
    expect(error?.message).toContain(`\`${option}\``)
  })

  it("names all that is wrong at once, and suggests the right spelling", () => {
    const error = problem({ realm: 5, timeoutMs: -1, client_id: "x" })
    expect(error?.fields).toHaveLength(3)
    expect(error?.message).toContain("did you mean `clientId`")
  })

  it("never shows a secret that it refuses", () => {
    const error = problem({ clientSecret: ["hunter2"], admin: { clientId: "", clientSecret: "hunter2" } })
    expect(error?.message).not.toContain("hunter2")
  })

  it.each(["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080", "http://keycloak.localhost"])(
    "allows plain http to %s",
    serverUrl => expect(problem({ serverUrl })).toBeNull(),
  )

  it("allows plain http elsewhere once that was typed out", () => {
    expect(problem({ internalUrl: "http://keycloak:8080", allowInsecureHttp: true })).toBeNull()
  })

  it.each([
    { mode: "introspection" },
    { mode: "introspection", cacheSeconds: 0.5 },
    { mode: "userinfo", cacheSeconds: 300 },
    { mode: "local", recheckSeconds: 30 },
    { mode: "local", recheckSeconds: undefined },
    { mode: "introspection", cacheSeconds: undefined },
  ])("takes the verification %j", verification => expect(problem({ clientSecret: "s", verification })).toBeNull())

  it.each([[undefined], [null], ["https://sso.example.test"], [[]]])("refuses %s instead of options", options => {
    expect(() => createGate(options as never)).toThrow(expect.objectContaining({ code: "config_invalid" }))
  })

  it("has members that are safe to destructure", async () => {
    const { verifyBearer, close } = createGate({ ...good, userStore: memoryUserStore() })
    expect(await verifyBearer(undefined)).toBeNull()
    close()
    await expect(verifyBearer(undefined)).rejects.toMatchObject({ code: "closed" })
  })
})

describe("parseOptions", () => {
  it("fills in the documented defaults", () => {
    expect(parseOptions(good)).toMatchObject({
      internalUrl: good.serverUrl,
      audience: "shop-api",
      mode: "local",
      cacheSeconds: 0,
      recheckSeconds: null,
      clockToleranceSeconds: 5,
      timeoutMs: 5000,
      maxAgeSeconds: 600,
      cooldownSeconds: 10,
      maxTokenBytes: 12_288,
      maxCachedTokens: 10_000,
      revealAccountState: false,
      syncServiceAccounts: false,
    })
  })

  it("takes trailing slashes off and keeps a relative path", () => {
    expect(parseOptions({ ...good, serverUrl: "https://sso.example.test/auth//" }).serverUrl).toBe(
      "https://sso.example.test/auth",
    )
  })
})

describe("optionsFromEnv", () => {
  it("reads the variables of its own", () => {
    const env = {
      KEYCLOAK_URL: "https://a.test",
      KEYCLOAK_REALM: "r",
      KEYCLOAK_CLIENT_ID: "c",
      KEYCLOAK_CLIENT_SECRET: "s",
    }
    const more = { KEYCLOAK_INTERNAL_URL: "http://127.0.0.1:8080", KEYCLOAK_AUDIENCE: "api" }
    expect(optionsFromEnv({ ...env, ...more })).toEqual({
      serverUrl: "https://a.test",
      realm: "r",
      clientId: "c",
      clientSecret: "s",
      internalUrl: "http://127.0.0.1:8080",
      audience: "api",
    })
  })

  it.each(["OIDC_OP_TOKEN_ENDPOINT", "OIDC_OP_USER_ENDPOINT"])("reads server and realm out of Django's %s", name => {
    const path = name === "OIDC_OP_TOKEN_ENDPOINT" ? "token" : "userinfo"
    const env = {
      [name]: `https://sso.example.test/auth/realms/my%20shop/protocol/openid-connect/${path}`,
      OIDC_RP_CLIENT_ID: "shop-api",
      OIDC_RP_CLIENT_SECRET: "s",
    }
    expect(optionsFromEnv(env)).toEqual({
      serverUrl: "https://sso.example.test/auth",
      realm: "my shop",
      clientId: "shop-api",
      clientSecret: "s",
    })
  })

  it("prefers its own variables, and counts an empty one as absent", () => {
    const env = {
      KEYCLOAK_URL: "https://own.test",
      KEYCLOAK_REALM: "",
      KEYCLOAK_CLIENT_ID: "own",
      OIDC_OP_TOKEN_ENDPOINT: "https://django.test/realms/shop/protocol/openid-connect/token",
      OIDC_RP_CLIENT_ID: "django",
    }
    expect(optionsFromEnv(env)).toEqual({ serverUrl: "https://own.test", realm: "shop", clientId: "own" })
  })

  it("names every variable that is missing", () => {
    expect(() => optionsFromEnv({})).toThrow(/KEYCLOAK_URL.*KEYCLOAK_REALM.*KEYCLOAK_CLIENT_ID/)
    expect(() => optionsFromEnv({})).toThrow(expect.objectContaining({ code: "config_invalid" }))
    expect(() => optionsFromEnv({ OIDC_OP_TOKEN_ENDPOINT: "https://a.test/token" })).toThrow(
      expect.objectContaining({ code: "config_invalid" }),
    )
  })
})
