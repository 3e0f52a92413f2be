import { describe, expect, it } from "vitest"
import { createGate, isGateError, memoryUserStore, optionsFromEnv } from "../../src/index.js"
import { parseOptions } from "../../src/options/gate-options.js"

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
    const rest = [
      "refreshGraceSeconds",
      "maxConcurrentRequests",
      "storeTimeoutMs",
      "syncServiceAccounts",
      "customProfile",
      "registration",
      "legacyLogin",
      "background",
      "onEvent",
    ]
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
    ["refreshGraceSeconds", { refreshGraceSeconds: -1 }],
    ["refreshGraceSeconds", { refreshGraceSeconds: 61 }],
    ["refreshGraceSeconds", { refreshGraceSeconds: "5" }],
    ["customProfile", { customProfile: () => ({}) }],
    ["customProfile.fromClaims", { customProfile: { fromClaims: "plan" } }],
    ["customProfile.fromAccount", { customProfile: { fromAccount: null } }],
    ["customProfile.fromToken", { customProfile: { fromToken: () => ({}) } }],
    ["realm", { realm: "" }],
    ["realm", { realm: "shop\n" }],
    ["clientId", { clientId: 5 }],
    ["clientId", { clientId: " shop-api" }],
    ["clientSecret", { clientSecret: "" }],
    ["clientSecret", { clientSecret: " \n" }],
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
    ["verification.recheckSeconds", { clientSecret: "s", verification: { mode: "userinfo", recheckSeconds: 0 } }],
    ["verification.recheckSeconds", { verification: { mode: "local", recheckSeconds: 30 } }],
    ["watchEvents", { watchEvents: { everySeconds: 5 } }],
    ["watchEvents", { clientSecret: "s", watchEvents: 5 }],
    ["watchEvents.everySeconds", { clientSecret: "s", watchEvents: {} }],
    ["watchEvents.everySeconds", { clientSecret: "s", watchEvents: { everySeconds: 0 } }],
    ["watchEvents.everySeconds", { clientSecret: "s", watchEvents: { everySeconds: 3601 } }],
    ["watchEvents.seconds", { clientSecret: "s", watchEvents: { everySeconds: 1, seconds: 1 } }],
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
    ["registration.attributes", { registration: { attributes: ["a"] } }],
    ["registration.roles", { registration: { roles: [] } }],
    ["onEvent", { onEvent: "log" }],
    ["background", { background: Promise.resolve() }],
    ["clientid", { clientid: "x" }],
    ["client_secret", { client_secret: "x" }],
    ["publicKey", { publicKey: "x" }],
  ])("refuses a wrong %s, by name", (option, changes) => {
    const error = problem(changes)
    expect(error?.code).toBe("config_invalid")
    expect(error?.fields?.map(({ field }) => field)).toEqual([option])
    expect(error?.message).toContain(`\`${option}\``)
  })

  describe("for legacyLogin", () => {
    const verify = async () => null
    const linking = {
      clientSecret: "s",
      userStore: { ...memoryUserStore(), linkUser: async () => null },
      legacyLogin: { verify },
    }

    it("takes functions of an object of the application's own, inherited ones too", () => {
      class OldTable {
        readonly timeoutMs = 100
        async verify(): Promise<null> {
          return null
        }
      }
      expect(problem(linking)).toBeNull()
      expect(problem({ ...linking, legacyLogin: new OldTable() })).toBeNull()
      expect(problem({ ...linking, legacyLogin: { verify, limit: undefined, timeoutMs: undefined } })).toBeNull()
      expect(problem({ ...linking, clientSecret: undefined, admin: { clientId: "a", clientSecret: "s" } })).toBeNull()
    })

    it("gives each function as long as Keycloak by default", () => {
      expect(parseOptions({ ...good, ...linking, timeoutMs: 700 }).legacyLogin?.timeoutMs).toBe(700)
      expect(parseOptions({ ...good, timeoutMs: 700 }).legacyLogin).toBeNull()
    })

    it.each([
      ["legacyLogin", { legacyLogin: verify }],
      ["legacyLogin", { legacyLogin: null }],
      ["legacyLogin", { legacyLogin: [verify] }],
      ["legacyLogin", { legacyLogin: true }],
      ["legacyLogin.verify", { legacyLogin: {} }],
      ["legacyLogin.verify", { legacyLogin: { verify: null } }],
      ["legacyLogin.verify", { legacyLogin: { verify: "select" } }],
      ["legacyLogin.limit", { legacyLogin: { verify, limit: 5 } }],
      ["legacyLogin.limit", { legacyLogin: { verify, limit: null } }],
      ["legacyLogin.timeoutMs", { legacyLogin: { verify, timeoutMs: 0 } }],
      ["legacyLogin.timeoutMs", { legacyLogin: { verify, timeoutMs: -1 } }],
      ["legacyLogin.timeoutMs", { legacyLogin: { verify, timeoutMs: "5000" } }],
      ["legacyLogin.timeoutMs", { legacyLogin: { verify, timeoutMs: Number.NaN } }],
      ["legacyLogin.timeoutMs", { legacyLogin: { verify, timeoutMs: Number.POSITIVE_INFINITY } }],
      ["legacyLogin.timeoutms", { legacyLogin: { verify, timeoutms: 5 } }],
      ["legacyLogin", { userStore: undefined }],
      ["legacyLogin", { userStore: { ...memoryUserStore(), linkUser: undefined } }],
      ["legacyLogin", { clientSecret: undefined }],
    ])("refuses a wrong %s, by name", (option, changes) => {
      const error = problem({ ...linking, ...changes })
      expect(error?.code).toBe("config_invalid")
      expect(error?.fields?.map(({ field }) => field)).toEqual([option])
    })
  })

  const badAddresses = [
    ["a query", "https://sso.example.test?"],
    ["a query after a path", "https://sso.example.test/auth?a=b"],
    ["a fragment", "https://sso.example.test/#"],
    ["a line break inside", "https://sso.exa\nmple.test"],
    ["a line break at its end", "https://sso.example.test\n"],
    ["a tab", "https://sso.example.test/\tauth"],
    ["a blank before it", " https://sso.example.test"],
    ["a blank in its path", "https://sso.example.test/a b"],
    ["a no-break space", "https://sso.example.test/\u00a0"],
    ["what can't be seen", "https://sso.\u200bexample.test"],
    ["a soft hyphen", "https://sso.exam\u00adple.test"],
    ["half a surrogate pair", "https://sso.example.test/\ud800"],
    ["backslashes", "https:\\\\sso.example.test"],
    ["a backslash for its second slash", "https:/\\sso.example.test"],
    ["a backslash before a user name", "https://sso.example.test\\@evil.example.test"],
    ["one slash", "https:/sso.example.test"],
    ["three slashes", "https:///sso.example.test"],
    ["no slashes", "https:sso.example.test"],
    ["a user name", "https://ada@sso.example.test"],
    ["an empty user name", "https://@sso.example.test"],
    ["an empty password", "https://:@sso.example.test"],
    ["two dots in its path", "https://sso.example.test/auth/../admin"],
    ["encoded dots in its path", "https://sso.example.test/%2E%2e/"],
    ["the realm", "https://sso.example.test/realms"],
    ["no host", "https://"],
    ["a port that is none", "https://sso.example.test:99999"],
    ["another scheme", "javascript:alert(1)//sso.example.test"],
  ] as const

  describe.each(["serverUrl", "internalUrl"])("for %s", option => {
    it.each(badAddresses)("refuses an address with %s", (_, url) => {
      expect(problem({ [option]: url })?.fields?.map(({ field }) => field)).toEqual([option])
      const name = option === "serverUrl" ? "KEYCLOAK_URL" : "KEYCLOAK_INTERNAL_URL"
      const env = { KEYCLOAK_URL: "https://sso.example.test", KEYCLOAK_REALM: "shop", KEYCLOAK_CLIENT_ID: "shop-api" }
      const read = () => optionsFromEnv({ ...env, [name]: url })
      expect(read).toThrow(expect.objectContaining({ code: "config_invalid" }))
      expect(read).toThrow(name)
    })
  })

  const badNames = [
    ["blanks alone", "  "],
    ["a blank at its end", "shop "],
    ["a carriage return at its end", "shop\r"],
    ["a line break inside", "sh\nop"],
    ["a line separator inside", "sh\u2028op"],
    ["what turns the direction of writing", "sh\u202eop"],
    ["half a surrogate pair", "shop\ud83d"],
    ["NUL", "shop\u0000"],
    ["256 characters", "s".repeat(256)],
  ] as const
  const badRealms = [
    ["one dot", "."],
    ["two dots", ".."],
    ["a slash", "shop/../master"],
    ["a backslash", "shop\\master"],
  ] as const

  it.each([...badNames, ...badRealms])("refuses a realm of %s, from the environment too", (_, realm) => {
    expect(problem({ realm })?.fields?.map(({ field }) => field)).toEqual(["realm"])
    const env = { KEYCLOAK_URL: "https://sso.example.test", KEYCLOAK_CLIENT_ID: "shop-api" }
    expect(() => optionsFromEnv({ ...env, KEYCLOAK_REALM: realm })).toThrow("KEYCLOAK_REALM")
    // Lone surrogates can't be written in an address, and some of the rest stand for something else there.
    if (!/[\ud800-\udfff]/.test(realm)) {
      const endpoint = `https://sso.example.test/realms/${encodeURIComponent(realm)}/protocol/openid-connect/token`
      const django = { OIDC_OP_TOKEN_ENDPOINT: endpoint, OIDC_RP_CLIENT_ID: "shop-api" }
      expect(() => optionsFromEnv(django)).toThrow(expect.objectContaining({ code: "config_invalid" }))
    }
  })

  it.each(badNames)("refuses a client of %s, from the environment too", (_, name) => {
    for (const [option, changes] of [
      ["clientId", { clientId: name }],
      ["audience", { audience: name }],
      ["admin.clientId", { admin: { clientId: name, clientSecret: "s" } }],
    ] as const) {
      expect(problem(changes)?.fields?.map(({ field }) => field)).toEqual([option])
    }
    const env = { KEYCLOAK_URL: "https://sso.example.test", KEYCLOAK_REALM: "shop", KEYCLOAK_CLIENT_ID: "shop-api" }
    for (const variable of ["KEYCLOAK_CLIENT_ID", "KEYCLOAK_AUDIENCE"]) {
      expect(() => optionsFromEnv({ ...env, [variable]: name })).toThrow(variable)
    }
  })

  it("takes a Client ID that is an address, as Keycloak does", () => {
    expect(problem({ clientId: "https://shop.example.test/app?x=1#y" })).toBeNull()
  })

  it("shows no password of an address, and nothing that breaks a line", () => {
    for (const serverUrl of ["https://ada:hunter2@sso.example.test", "ftp://ada:hunter2@x\n", "http://a:hunter2@[/"]) {
      expect(problem({ serverUrl })?.message).not.toContain("hunter2")
    }
    const strange = "x\u001b[31m\r\n\u2028\u202e"
    const error = problem({ serverUrl: strange, realm: strange, [strange]: 1, timeoutMs: strange.repeat(10_000) })
    expect(error?.fields).toHaveLength(4)
    expect(error?.message.length).toBeLessThan(3000)
    expect(error?.message.replace(/\n/g, "")).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
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

  it.each([
    ["an account in one text", { admin: "shop-admin:hunter2" }],
    ["a number", { clientSecret: 74656 }],
    ["a number, of the account", { admin: { clientId: "a", clientSecret: 74656 } }],
  ])("never shows a secret that is %s", (_, options) => {
    expect(problem(options)?.message).toMatch(/got a (string|number)/)
    expect(problem(options)?.message).not.toMatch(/hunter2|74656/)
  })

  it("shows no text in the place of the options", () => {
    expect(() => parseOptions("https://ada:hunter2@sso.example.com")).toThrow("expected an object, got a string")
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
    { mode: "introspection", recheckSeconds: 10, cacheSeconds: 5 },
    { mode: "userinfo", recheckSeconds: 0.5 },
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
      connection: {
        internalUrl: good.serverUrl,
        timeoutMs: 5000,
        maxConcurrentRequests: 64,
        revealAccountState: false,
      },
      verification: {
        audience: "shop-api",
        mode: "local",
        cacheSeconds: 0,
        recheckSeconds: null,
        clockToleranceSeconds: 5,
        keySet: { maxAgeSeconds: 600, cooldownSeconds: 10 },
        maxTokenBytes: 12_288,
        maxCachedTokens: 10_000,
      },
      users: {
        store: null,
        storeTimeoutMs: 30_000,
        syncServiceAccounts: false,
        customProfile: { fromClaims: null, fromAccount: null },
      },
    })
  })

  it.each([
    ["https://sso.example.test:443", "https://sso.example.test"],
    ["https://sso.example.test:443/auth/", "https://sso.example.test/auth"],
    ["http://127.0.0.1:80/", "http://127.0.0.1"],
    ["HTTPS://SSO.Example.Test/Auth", "https://sso.example.test/Auth"],
    ["https://sso.example.test:", "https://sso.example.test"],
    ["https://münchen.example.test:8443", "https://xn--mnchen-3ya.example.test:8443"],
  ])("spells %s as URLs are spelled, so that it is the issuer of Keycloak's tokens", (given, url) => {
    const { serverUrl, internalUrl } = parseOptions({ ...good, serverUrl: given, internalUrl: given }).connection
    expect([serverUrl, internalUrl]).toEqual([url, url])
  })

  it("takes trailing slashes off and keeps a relative path", () => {
    expect(parseOptions({ ...good, serverUrl: "https://sso.example.test/auth//" }).connection.serverUrl).toBe(
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

  it.each([
    ["a broken percent-encoding", "https://sso.example.test/realms/100%/protocol/openid-connect/token"],
    ["half a character", "https://sso.example.test/realms/%ff/protocol/openid-connect/token"],
    ["a query before the realm", "https://sso.example.test/?x=/realms/shop/protocol/openid-connect/token"],
    ["a password", "https://ada:hunter2@sso.example.test/realms/shop/protocol/openid-connect/token"],
    ["two realms", "https://sso.example.test/realms/a/realms/shop/protocol/openid-connect/token"],
    ["another scheme", "file:///realms/shop/protocol/openid-connect/token"],
    ["a line break", "https://sso.example.test\n/realms/shop/protocol/openid-connect/token"],
  ])("refuses an endpoint with %s, by the variable's name", (_, endpoint) => {
    for (const name of ["OIDC_OP_TOKEN_ENDPOINT", "OIDC_OP_USER_ENDPOINT"]) {
      const read = () => optionsFromEnv({ [name]: endpoint, OIDC_RP_CLIENT_ID: "shop-api" })
      expect(read).toThrow(expect.objectContaining({ code: "config_invalid" }))
      expect(read).toThrow(name)
      expect(read).not.toThrow("hunter2")
    }
  })

  it("does not look at Django's endpoint where its own variables say all", () => {
    const env = { KEYCLOAK_URL: "https://own.test", KEYCLOAK_REALM: "shop", KEYCLOAK_CLIENT_ID: "own" }
    expect(optionsFromEnv({ ...env, OIDC_OP_TOKEN_ENDPOINT: "https://other.test/token" }).serverUrl).toBe(
      "https://own.test",
    )
  })
})
