import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { createGate, isGateError } from "../../src/index.js"
import { type IgnoredMember, type KeycloakJsonSettings, optionsFromKeycloakJson } from "../../src/migrate/index.js"

// As the console of Keycloak offers it for download.
const downloaded = {
  realm: "shop",
  "auth-server-url": "https://sso.example.test/",
  "ssl-required": "external",
  resource: "shop-api",
  credentials: { secret: "s3cret" },
  "confidential-port": 0,
}
const options = { serverUrl: "https://sso.example.test", realm: "shop", clientId: "shop-api", clientSecret: "s3cret" }

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keycloak-gate-json-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

function fileWith(text: string): string {
  const path = join(folder, `${crypto.randomUUID()}.json`)
  writeFileSync(path, text)
  return path
}

function read(source: unknown, settings: KeycloakJsonSettings = {}) {
  const ignored: IgnoredMember[] = []
  const onIgnored = (members: readonly IgnoredMember[]) => ignored.push(...members)
  const found = optionsFromKeycloakJson(source as object, { env: {}, onIgnored, ...settings })
  return { options: found, ignored: ignored.map(({ name }) => name) }
}

function refusalOf(source: unknown, settings: KeycloakJsonSettings = {}) {
  try {
    read(source, settings)
  } catch (error) {
    if (isGateError(error)) return error
    throw error
  }
  throw new Error("nothing was refused")
}

describe("optionsFromKeycloakJson", () => {
  it("reads a file by its path or address, and the object that it holds", () => {
    const path = fileWith(`\uFEFF${JSON.stringify(downloaded)}`)
    for (const source of [path, pathToFileURL(path), downloaded]) expect(read(source).options).toEqual(options)
  })

  it("returns what createGate takes, and nothing else", () => {
    const gate = createGate({ ...read(downloaded).options, timeoutMs: 1000 })
    expect(gate.realm).toBe("shop")
  })

  const url = "https://sso.example.test"
  it.each([
    [{ "client-id": "shop-api", "server-url": url, secret: "s3cret" }],
    [{ clientId: "shop-api", serverUrl: url, credentials: { secret: "s3cret" } }],
    [{ clientId: "shop-api", authServerUrl: `${url}//`, secret: "s3cret", public: false }],
    [{ resource: "shop-api", "auth-server-url": `${url}:443/`, secret: "s3cret", clientId: "shop-api" }],
    [{ resource: "", clientId: "shop-api", "auth-server-url": null, authServerUrl: url, secret: "s3cret" }],
  ])("takes all spellings that keycloak-connect takes: %j", members => {
    expect(read({ realm: "shop", ...members })).toEqual({ options, ignored: [] })
  })

  it("takes the first spelling, as keycloak-connect does, and names the other where it says something else", () => {
    const source = { ...downloaded, clientId: "other", secret: "other", serverUrl: "https://other.test" }
    const { options: found, ignored } = read(source)
    expect(found).toEqual(options)
    expect(ignored).toEqual(expect.arrayContaining(["clientId", "serverUrl", "secret"]))
  })

  it.each([
    ["https://sso.example.test/auth", "https://sso.example.test/auth"],
    ["https://sso.example.test/auth/", "https://sso.example.test/auth"],
    ["http://localhost:8080/auth///", "http://localhost:8080/auth"],
    ["HTTPS://SSO.example.test", "https://sso.example.test"],
  ])("keeps the path of %s, and no slash at its end", (address, serverUrl) => {
    expect(read({ ...downloaded, "auth-server-url": address }).options.serverUrl).toBe(serverUrl)
  })

  it("knows a public client by its flag, and leaves out a secret that would not be sent", () => {
    for (const flag of [{ "public-client": true }, { public: "true" }]) {
      const { options: found, ignored } = read({ ...downloaded, ...flag })
      expect(found).not.toHaveProperty("clientSecret")
      expect(ignored).toContain("credentials.secret")
    }
    const withoutSecret = { ...downloaded, credentials: undefined, "public-client": true }
    expect(read(withoutSecret).ignored).not.toContain("credentials.secret")
    expect(read({ ...downloaded, "public-client": "false" }).options).toEqual(options)
  })

  it("names each member that makes no option, as it is spelled, with what there is in its place", () => {
    const members = {
      ...{ "bearer-only": true, "realm-public-key": "MIIB", "use-resource-role-mappings": true, "enable-cors": true },
      ...{ "min-time-between-jwks-requests": 10, "policy-enforcer": {}, tokenValidation: "online", multiTenant: {} },
      ...{ "verify-token-audience": false, "principal-attribute": "email", "proxy-url": "x", bananas: 1 },
      ...{ "connection-pool-size": 20, "disable-trust-manager": true, "client-keystore": "x", cookieKey: "x" },
    }
    const credentials = { secret: "s3cret", jwt: { "client-key-password": "hunter2" } }
    const told = vi.fn()
    const found = optionsFromKeycloakJson({ ...downloaded, ...members, credentials }, { env: {}, onIgnored: told })
    expect(found).toEqual(options)
    const [ignored] = told.mock.calls[0] as [IgnoredMember[]]
    const expected = [...Object.keys(members), "ssl-required", "confidential-port", "credentials.jwt"]
    expect(ignored.map(({ name }) => name).sort()).toEqual(expected.sort())
    const unknown = ignored.filter(({ why }) => why === "there is no such option").map(({ name }) => name)
    expect(unknown).toEqual(["bananas"])
    expect(JSON.stringify(ignored)).not.toMatch(/hunter2|MIIB/)
  })

  it("checks the audience whatever the file says, and is silent where it says so itself", () => {
    expect(read({ ...downloaded, "verify-token-audience": true }).ignored).not.toContain("verify-token-audience")
    expect(read({ ...downloaded, verifyTokenAudience: false }).ignored).toContain("verifyTokenAudience")
    expect(read({ ...downloaded, verifyTokenAudience: "false" }).options).toEqual(options)
  })

  it("warns once a call of what it leaves out, by name, and not at all of a file that it takes whole", async () => {
    const warnings: (Error & { code?: string })[] = []
    const hear = (warning: Error) => warnings.push(warning)
    process.on("warning", hear)
    optionsFromKeycloakJson({ realm: "shop", "auth-server-url": url, resource: "shop-api" })
    optionsFromKeycloakJson({ ...downloaded, "odd\nmember": "hunter2" })
    await expect.poll(() => warnings.length).toBe(1)
    process.off("warning", hear)
    expect(warnings[0]).toMatchObject({ name: "KeycloakGateWarning", code: "keycloak_json_ignored" })
    expect(warnings[0]?.message).toMatch(/`ssl-required`: .*\n`confidential-port`: .*\n`odd\\nmember`: /)
    expect(warnings[0]?.message).not.toContain("hunter2")
  })

  describe("variables", () => {
    const reference = (name: string, rest = "") => `\${env.${name}${rest}}`
    const env = {
      ...{ HOST: "sso.example.test", REALM: "shop", ID: "shop-api", SECRET: "s3cret", EMPTY: "" },
      ODD: `a}b${reference("ID")}`,
    }
    const withSecret = (secret: string) => ({ ...downloaded, credentials: { secret } })

    it("are replaced in every member that is taken", () => {
      const members = {
        realm: reference("REALM"),
        resource: reference("ID", ":other"),
        credentials: { secret: reference("SECRET") },
        "auth-server-url": `https://${reference("HOST")}/`,
        "public-client": reference("PUBLIC", ":false"),
      }
      expect(read(members, { env }).options).toEqual(options)
    })

    it.each([
      [reference("NONE", ":by default"), "by default"],
      [reference("EMPTY", ":by default"), "by default"],
      [reference("NONE", ":http://localhost:8080/auth"), "http://localhost:8080/auth"],
      [reference("NONE", `:${reference("SECRET")}`), "s3cret"],
      [reference("NONE", `:${reference("EMPTY", ":deep")}`), "deep"],
      [`a-${reference("ID")}-${reference("REALM")}-b`, "a-shop-api-shop-b"],
      [reference("ODD"), env.ODD],
      ["$env.SECRET}", "$env.SECRET}"],
      [`\${SECRET}`, `\${SECRET}`],
      ["plain", "plain"],
    ])("of %s are read", (text, value) => {
      expect(read(withSecret(text), { env }).options.clientSecret).toBe(value)
    })

    it("count as absent with an empty default", () => {
      expect(read(withSecret(reference("NONE", ":")), { env }).options).not.toHaveProperty("clientSecret")
      const error = refusalOf({ ...downloaded, realm: reference("NONE", ":") })
      expect(error.fields?.map(({ field }) => field)).toEqual(["realm"])
    })

    it.each([
      [reference("NONE"), "NONE"],
      [reference("EMPTY"), "EMPTY"],
      [reference("NONE", `:${reference("ALSO_NONE")}`), "ALSO_NONE"],
      [`${reference("ID")}${reference("ONE")}${reference("TWO")}`, "ONE, TWO"],
      [reference("constructor"), "constructor"],
      [reference("SECRET").slice(0, -1), 'has no "}"'],
      [reference(""), "not set"],
    ])("of %s are refused, and named where they are not set", (text, named) => {
      for (const [member, source] of [
        ["realm", { ...downloaded, realm: text }],
        ["auth-server-url", { ...downloaded, "auth-server-url": `https://${text}` }],
        ["credentials.secret", withSecret(text)],
        ["public-client", { ...downloaded, "public-client": text }],
      ] as const) {
        const error = refusalOf(source, { env })
        expect([error.code, error.fields?.map(({ field }) => field)]).toEqual(["config_invalid", [member]])
        expect(error.message).toContain(named)
        expect(error.message).not.toContain("s3cret")
      }
    })

    it("of members that are not taken need not be set", () => {
      expect(read({ ...downloaded, "realm-public-key": reference("NONE") }).options).toEqual(options)
    })

    it("come from the process by default", () => {
      vi.stubEnv("KEYCLOAK_GATE_TEST_REALM", "from-env")
      const source = { ...downloaded, realm: reference("KEYCLOAK_GATE_TEST_REALM") }
      expect(optionsFromKeycloakJson(source, { onIgnored: () => {} }).realm).toBe("from-env")
      vi.unstubAllEnvs()
    })
  })

  it.each([
    ["realm", { realm: undefined }],
    ["realm", { realm: 5 }],
    ["realm", { realm: "a/b" }],
    ["auth-server-url", { "auth-server-url": "" }],
    ["auth-server-url", { "auth-server-url": "/auth" }],
    ["auth-server-url", { "auth-server-url": "https://sso.example.test/realms/shop" }],
    ["auth-server-url", { "auth-server-url": "https://ada:hunter2@sso.example.test" }],
    ["auth-server-url", { "auth-server-url": { url: "hunter2" } }],
    ["resource", { resource: null }],
    ["resource", { resource: ["hunter2"] }],
    ["client-id", { resource: undefined, "client-id": 5 }],
    ["credentials", { credentials: "hunter2" }],
    ["credentials", { credentials: ["hunter2"] }],
    ["credentials.secret", { credentials: { secret: 74656 } }],
    ["credentials.secret", { credentials: { secret: { value: "hunter2" } } }],
    ["credentials.secret", { credentials: { secret: " \n" } }],
    ["secret", { credentials: {}, secret: false }],
    ["public-client", { "public-client": "yes" }],
    ["verify-token-audience", { "verify-token-audience": 1 }],
  ])("refuses a wrong `%s`, by name and without a secret", (member, change) => {
    const error = refusalOf({ ...downloaded, ...change })
    expect(error.code).toBe("config_invalid")
    expect(error.fields?.map(({ field }) => field)).toEqual([member])
    expect(error.message).not.toMatch(/hunter2|74656|s3cret/)
  })

  it("names all that is missing at once", () => {
    const error = refusalOf({ "ssl-required": "none" })
    expect(error.fields?.map(({ field }) => field)).toEqual(["auth-server-url", "realm", "resource"])
  })

  const noFiles = [undefined, null, 5, true, [], [downloaded], () => downloaded, "", new URL("https://a.test/x.json")]
  it.each(noFiles.map(source => [source]))("refuses %s in place of a file", source => {
    expect(refusalOf(source).code).toBe("config_invalid")
  })

  it.each([null, "env", { env: "x" }, { onIgnored: "log" }, { environment: {} }])(
    "refuses the settings %j",
    settings => {
      const reading = () => optionsFromKeycloakJson(downloaded, settings as never)
      expect(reading).toThrow(expect.objectContaining({ code: "config_invalid" }))
    },
  )

  it("says which file is missing, is a folder, is no JSON or holds no object, and nothing of what is in it", () => {
    const broken = '{\n  "credentials": { "secret": "hunter2" "x" }\n}'
    const files = [broken, "", "[1]", '"hunter2"', "hunter2"].map(fileWith)
    for (const path of [join(folder, "none.json"), folder, ...files]) {
      const error = refusalOf(path)
      expect(error.code).toBe("config_invalid")
      expect(error.message).toContain(JSON.stringify(path))
      expect(`${error.message}${error.stack}${String(error.cause)}`).not.toContain("hunter2")
    }
    expect(refusalOf(join(folder, "none.json")).message).toContain("ENOENT")
    expect(refusalOf(files[0]).message).toMatch(/line \d+ column \d+/)
  })

  it("does not take the text of a file for its path, and does not show it", () => {
    const error = refusalOf(JSON.stringify(downloaded))
    expect(error.message).toContain("JSON.parse")
    expect(error.message).not.toContain("s3cret")
  })
})
