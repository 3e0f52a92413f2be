import { spawn } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { runCommand } from "../../src/cli/cli.js"
import { createGate, memoryUserStore, optionsFromEnv } from "../../src/index.js"
import { cutAnswer, performThen } from "../support/faults.ts"
import { startProxy } from "../support/proxy.ts"
import { createAdmin } from "./keycloak/admin.ts"

const root = join(import.meta.dirname, "../..")
const server = inject("keycloak")
const admin = createAdmin(server)
const file = join(tmpdir(), `keycloak-gate-realm-${process.pid}.json`)

/** `init` makes the first, and the second is there: one that people configured by hand. */
const fresh = "init-fresh"
const old = "Läden und Söhne"
const pathOf = (realm: string) => `/realms/${encodeURIComponent(realm)}`

const handSecret = "a-secret-made-by-hand"
const handMapper = {
  name: "audience by-hand",
  protocol: "openid-connect",
  protocolMapper: "oidc-hardcoded-claim-mapper",
  config: { "claim.name": "shop", "claim.value": "1", "access.token.claim": "true", "jsonType.label": "String" },
}
const person = { username: "ada", email: "ada@example.test", firstName: "Ada", lastName: "L", password: "Ada-2026!" }
const bossPassword = "Boss-2026!"
const boss = (username: string, more: object) => ({
  username,
  email: `${username}@example.test`,
  firstName: "B",
  lastName: "B",
  enabled: true,
  credentials: [{ type: "password", value: bossPassword }],
  clientRoles: { "realm-management": ["realm-admin"] },
  ...more,
})
const oneTimeCode = {
  type: "otp",
  secretData: JSON.stringify({ value: "a-seed-of-one-time-codes" }),
  credentialData: JSON.stringify({ subType: "totp", digits: 6, counter: 0, period: 30, algorithm: "HmacSHA1" }),
}

beforeAll(async () => {
  for (const realm of [fresh, old]) await admin.send("DELETE", pathOf(realm))
  await admin.importRealm({
    realm: old,
    enabled: true,
    clients: [
      { clientId: "half-made", secret: handSecret, directAccessGrantsEnabled: false },
      {
        clientId: "by-hand",
        secret: handSecret,
        redirectUris: ["https://shop.example.test/*"],
        webOrigins: ["https://shop.example.test"],
        attributes: { "access.token.lifespan": "120" },
        fullScopeAllowed: false,
        defaultClientScopes: ["email"],
        protocolMappers: [handMapper],
      },
      {
        clientId: "has-root",
        publicClient: true,
        rootUrl: "https://shop.example.test",
        redirectUris: ["https://shop.example.test/*"],
        attributes: { "pkce.code.challenge.method": "S256" },
      },
      {
        clientId: "told",
        publicClient: true,
        attributes: { "backchannel.logout.url": "https://else.example.test/out" },
      },
      { clientId: "single-page", publicClient: true, redirectUris: ["https://shop.example.test/*"] },
      { clientId: "saml", protocol: "saml" },
      { clientId: "bearer-only", bearerOnly: true },
      { clientId: "signs", clientAuthenticatorType: "client-jwt" },
    ],
    users: [
      boss("boss", {}),
      boss("with-code", { credentials: [{ type: "password", value: bossPassword }, oneTimeCode] }),
      boss("unfinished", { requiredActions: ["CONFIGURE_TOTP"] }),
      boss("nobody", { clientRoles: {} }),
    ],
  })
})
afterAll(async () => {
  rmSync(file, { force: true })
  for (const realm of [fresh, old]) await admin.send("DELETE", pathOf(realm))
})

function env(realm: string, clientId: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    KEYCLOAK_URL: server.url,
    KEYCLOAK_REALM: realm,
    KEYCLOAK_CLIENT_ID: clientId,
    KEYCLOAK_ADMIN: server.adminUsername,
    KEYCLOAK_ADMIN_PASSWORD: server.adminPassword,
    ...more,
  }
}

interface Told {
  readonly changes: readonly { readonly what: string; readonly from: string; readonly to: string }[]
  readonly env: Readonly<Record<string, string>>
  readonly code?: string
  readonly findings?: readonly { readonly id: string; readonly severity: string }[]
  readonly error?: { readonly id: string; readonly what: string; readonly mend: string }
}

async function init(
  variables: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<{ code: number; told: Told }> {
  let printed = ""
  const code = await runCommand(["init", "--json", ...args], {
    env: variables,
    print: text => {
      printed += text
    },
    printError: text => {
      throw new Error(`told beside the JSON: ${text}`)
    },
    paint: (_, text) => text,
  })
  for (const secret of [variables.KEYCLOAK_ADMIN_PASSWORD ?? "", "eyJ"]) expect(printed).not.toContain(secret)
  const told: Told = JSON.parse(printed)
  // The secret stands in `env` and nowhere else.
  const { KEYCLOAK_CLIENT_SECRET: secret } = told.env
  if (secret !== undefined) expect(printed.split(secret)).toHaveLength(2)
  return { code, told }
}

/** Everything that `init` could change: the export has no people, and so no roles of service accounts. */
async function whole(realm: string): Promise<unknown> {
  const path = `${pathOf(realm)}/partial-export?exportClients=true&exportGroupsAndRoles=true`
  const { body } = await admin.adminFetch("POST", path)
  const users = (await admin.adminFetch("GET", `${pathOf(realm)}/users?max=-1`)).body as { id: string }[]
  const roles = users.map(
    async ({ id }) => (await admin.adminFetch("GET", `${pathOf(realm)}/users/${id}/role-mappings`)).body,
  )
  return sorted({ body, users, roles: await Promise.all(roles) })
}

/** Keycloak's lists come in any order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(sorted).sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort()
      .map(([name, member]) => [name, sorted(member)]),
  )
}

/** Somebody registers, logs in and comes with a token; their account goes again. */
async function use(variables: Readonly<Record<string, string>>): Promise<void> {
  const gate = createGate({ ...optionsFromEnv(variables), userStore: memoryUserStore() })
  try {
    const { subject } = await gate.registerUser(person)
    const { accessToken } = await gate.loginWithPassword(person)
    expect((await gate.verifyBearer(`Bearer ${accessToken}`, {})).subject).toBe(subject)
    await gate.deleteAccount(subject)
  } finally {
    await gate.close()
  }
}

const loud = ({ findings = [] }: Told) => findings.filter(({ severity }) => severity !== "note").map(({ id }) => id)

describe("init on a server without the realm", { timeout: 300_000 }, () => {
  it("makes nothing in a dry run, nor without --yes where nobody is there to ask", async () => {
    const realm = async () => (await admin.send("GET", pathOf(fresh))).status
    expect(await realm()).toBe(404)
    const dry = await init(env(fresh, "shop-api"), "--dry-run")
    expect(dry).toMatchObject({ code: 0, told: { env: {} } })
    expect(dry.told.changes.map(({ what }) => what)).toEqual([
      "realm init-fresh",
      "client shop-api",
      "client shop-api: role of its service account",
    ])
    expect(await init(env(fresh, "shop-api"))).toMatchObject({
      code: 2,
      told: { changes: [], error: { id: "not-confirmed" } },
    })
    expect(await realm()).toBe(404)
  })

  it("makes realm and client with which everything works, and of which the doctor has nothing to say", async () => {
    const { code, told } = await init(env(fresh, "shop-api"), "--yes")
    expect([code, loud(told)]).toEqual([0, []])
    expect(told.changes).toHaveLength(3)
    await use(told.env)
  })

  it("changes nothing the second time: the whole export is the same", async () => {
    const before = await whole(fresh)
    const { code, told } = await init(env(fresh, "shop-api"), "--yes", "--export", file)
    expect([code, told.changes]).toEqual([0, []])
    expect(await whole(fresh)).toEqual(before)
    await use(told.env)
  })

  it("writes a file without secrets, which makes such a realm elsewhere", async () => {
    const exported = JSON.parse(readFileSync(file, "utf8"))
    expect(JSON.stringify(exported)).not.toMatch(/\*\*\*\*|"secret"|privateKey/)
    await admin.adminFetch("DELETE", pathOf(fresh))
    await admin.importRealm(exported)
    const { code, told } = await init(env(fresh, "shop-api"), "--yes")
    expect([code, told.changes]).toEqual([0, []])
    await use(told.env)
  })
})

describe("init on a realm that is there", { timeout: 300_000 }, () => {
  it("completes a half-made client, with its secret, and only advises on the realm", async () => {
    const { code, told } = await init(env(old, "half-made"), "--yes")
    expect(told.changes.map(({ what }) => what)).toEqual([
      "client half-made: direct access grants",
      "client half-made: service account",
      "client half-made: audience mapper",
      "client half-made: role of its service account",
    ])
    expect([code, loud(told).sort()]).toEqual([1, ["brute-force-off", "password-policy-none"]])
    expect(told.env.KEYCLOAK_CLIENT_SECRET).toBe(handSecret)
    await use(told.env)
  })

  it("keeps what was made by hand, and widens the scope by one role alone", async () => {
    const dry = await whole(old)
    expect((await init(env(old, "by-hand"), "--dry-run")).told.changes).toHaveLength(7)
    expect(await whole(old)).toEqual(dry)

    const client = async () => {
      const [found] = (await admin.adminFetch("GET", `${pathOf(old)}/clients?clientId=by-hand`)).body as Record<
        string,
        unknown
      >[]
      return found ?? {}
    }
    const before = await client()
    const { told } = await init(env(old, "by-hand"), "--yes")
    const after = await client()
    for (const member of ["secret", "redirectUris", "webOrigins", "fullScopeAllowed", "standardFlowEnabled"]) {
      expect(after[member]).toEqual(before[member])
    }
    expect(after.attributes).toMatchObject(before.attributes as object)
    expect(after.protocolMappers).toContainEqual(expect.objectContaining(handMapper))
    expect(after.protocolMappers).toHaveLength(2)
    const scope = (await admin.adminFetch("GET", `${pathOf(old)}/clients/${after.id}/scope-mappings`)).body
    expect(JSON.stringify(scope).match(/"name":"[^"]+"/g)).toEqual(['"name":"manage-users"'])
    await use(told.env)
    expect((await init(env(old, "by-hand"), "--yes")).told.changes).toEqual([])
  })

  it.each(["https://api.example.test/v1", "Löwen & Bären, it's #1"])(
    "makes the client %s, and its lines run",
    async clientId => {
      const { told } = await init(env(old, clientId), "--yes")
      expect(told.env.KEYCLOAK_CLIENT_SECRET).toMatch(/^[\w-]{43}$/)
      await use(told.env)
    },
  )

  it("lets the tokens of another client in with --issuing-client, be it public", async () => {
    const { told } = await init(env(old, "half-made"), "--yes", "--issuing-client", "single-page")
    expect(told.changes.map(({ what }) => what)).toEqual(["client single-page: audience mapper"])
    expect((await init(env(old, "half-made"), "--yes", "--issuing-client", "single-page")).told.changes).toEqual([])
  })

  it("has Keycloak tell of that client's logouts with --logout-url, and changes nothing the second time", async () => {
    const args = ["--yes", "--issuing-client", "has-root", "--logout-url", "/backchannel-logout"]
    const { told } = await init(env(old, "half-made"), ...args)
    expect(told.changes.map(({ what }) => what)).toEqual([
      "client has-root: audience mapper",
      "client has-root: backchannel logout URL",
      "client has-root: backchannel logout session required",
    ])
    const [client] = (await admin.adminFetch("GET", `${pathOf(old)}/clients?clientId=has-root`)).body as object[]
    expect(client).toMatchObject({
      redirectUris: ["https://shop.example.test/*"],
      attributes: {
        "backchannel.logout.url": "/backchannel-logout",
        "backchannel.logout.session.required": "true",
        "pkce.code.challenge.method": "S256",
      },
    })
    const before = await whole(old)
    expect((await init(env(old, "half-made"), ...args)).told.changes).toEqual([])
    const inFull = [...args.slice(0, -1), "https://shop.example.test/backchannel-logout"]
    expect((await init(env(old, "half-made"), ...inFull)).told.changes).toEqual([])
    expect(await whole(old)).toEqual(before)
  })

  it("has Keycloak tell of the application's own logouts where no other client is named, be it new", async () => {
    const url = "http://127.0.0.1:1/backchannel-logout"
    const { told } = await init(env(old, "logs-in-itself"), "--yes", "--logout-url", url)
    expect(told.changes.map(({ what }) => what).slice(-2)).toEqual([
      "client logs-in-itself: backchannel logout URL",
      "client logs-in-itself: backchannel logout session required",
    ])
    expect(told.changes.at(-2)?.to).toContain("only a Keycloak on that machine")
    // The doctor looks where Keycloak will send them.
    expect(loud(told)).toContain("backchannel-unreachable")
  })

  it.each([
    ["told", "https://shop.example.test/backchannel-logout", "logout-url-other"],
    ["single-page", "/backchannel-logout", "logout-url-relative"],
  ])("leaves how the client %s tells of logouts alone, given %s", async (clientId, url, id) => {
    const before = await whole(old)
    const { code, told } = await init(env(old, "half-made"), "--yes", "--issuing-client", clientId, "--logout-url", url)
    expect([code, told.changes, told.error?.id]).toEqual([2, [], id])
    expect(await whole(old)).toEqual(before)
  })

  it("goes on where a run was killed", async () => {
    const source = ["--import", "./test/soak/from-source.ts", "src/cli/main.ts", "init", "--yes"]
    const { PATH = "" } = process.env
    const child = spawn(process.execPath, source, { cwd: root, env: { PATH, ...env(old, "killed") } })
    let said = ""
    child.stderr.on("data", chunk => {
      said += chunk
      if (said.includes("done: client killed")) child.kill("SIGKILL")
    })
    await new Promise(resolve => child.on("close", resolve))
    expect(child.signalCode, said).toBe("SIGKILL")
    const { told } = await init(env(old, "killed"), "--yes")
    expect(told.error).toBeUndefined()
    await use(told.env)
  })

  it("stops midway when Keycloak goes, says so, and goes on in the next run", async () => {
    const proxy = await startProxy(server.url)
    let [printed, errors] = ["", ""]
    const code = await runCommand(["init", "--yes"], {
      env: env(old, "midway", { KEYCLOAK_INTERNAL_URL: proxy.url }),
      print: text => {
        printed += text
      },
      printError: text => {
        errors += `${text}\n`
        if (text.includes("done: client midway")) proxy.goDown()
      },
      paint: (_, text) => text,
    })
    await proxy.close()
    expect([code, printed]).toEqual([3, ""])
    expect(errors).toMatch(/done: client midway\n[\s\S]*ERROR {2}server-unreachable\n[\s\S]*Stopped midway/)
    expect(errors).not.toContain(server.adminPassword)
    const { told } = await init(env(old, "midway"), "--yes")
    expect(told.changes.map(({ what }) => what)).toEqual(["client midway: role of its service account"])
    await use(told.env)
  })

  it.each([
    ["gets lost", "lost", cutAnswer, "server-unreachable"],
    ["is a proxy's 504", "late", performThen({ status: 504, body: "<html>" }), "server-failing"],
  ])("never says that nothing was changed where an answer %s", async (_, clientId, fault, id) => {
    const proxy = await startProxy(server.url)
    proxy.breakWith(fault, { at: /^POST .*\/clients$/, times: 1 })
    const { code, told } = await init(env(old, clientId, { KEYCLOAK_INTERNAL_URL: proxy.url }), "--yes")
    await proxy.close()
    expect([code, told.changes, told.error?.id]).toEqual([3, [], id])
    const { changes } = (await init(env(old, clientId), "--yes")).told
    expect(changes.map(({ what }) => what)).toEqual([`client ${clientId}: role of its service account`])
  })

  it("is as good as an administrator of this realm alone", async () => {
    const own = { KEYCLOAK_ADMIN: "boss", KEYCLOAK_ADMIN_PASSWORD: bossPassword, KEYCLOAK_ADMIN_REALM: old }
    const { told } = await init(env(old, "of-boss", own), "--yes")
    await use(told.env)
    const elsewhere = await init(env("init-nowhere", "shop-api", own), "--yes")
    expect(elsewhere).toMatchObject({ code: 2, told: { changes: [], error: { id: "admin-lacks-rights" } } })
  })

  it.each([
    ["single-page", "client-public"],
    ["saml", "client-protocol"],
    ["bearer-only", "client-bearer-only"],
    ["signs", "client-authenticator"],
  ])("leaves the client %s alone: %s", async (clientId, id) => {
    expect(await init(env(old, clientId), "--yes")).toMatchObject({ code: 2, told: { changes: [], error: { id } } })
  })

  it("knows the issuing client by name", async () => {
    const { code, told } = await init(env(old, "half-made"), "--yes", "--issuing-client", "single-pages")
    expect([code, told.error?.id]).toEqual([2, "issuing-client-unknown"])
  })
})

describe("init with an administrator who can't", () => {
  const home = { KEYCLOAK_ADMIN_REALM: old, KEYCLOAK_ADMIN_PASSWORD: bossPassword }
  it.each([
    ["a wrong password", { KEYCLOAK_ADMIN_PASSWORD: "Wrong-2026!" }, "admin-login-refused"],
    ["a one-time code", { ...home, KEYCLOAK_ADMIN: "with-code" }, "admin-login-refused"],
    ["a step left to do", { ...home, KEYCLOAK_ADMIN: "unfinished" }, "admin-unfinished"],
    ["no rights", { ...home, KEYCLOAK_ADMIN: "nobody" }, "admin-lacks-rights"],
    ["an unknown realm", { KEYCLOAK_ADMIN_REALM: "init-nowhere" }, "admin-realm-unknown"],
  ])("has %s", async (_, more, id) => {
    const { code, told } = await init(env(old, "half-made", more), "--yes")
    expect([code, told.changes, told.error?.id]).toEqual([2, [], id])
  })

  it.each([
    [{ directAccessGrantsEnabled: false }, "admin-direct-grants-off"],
    [{ directAccessGrantsEnabled: true, enabled: false }, "admin-cli-unusable"],
  ])("has an admin-cli with %o", async (change, id) => {
    const [cli] = (await admin.adminFetch("GET", `${pathOf(old)}/clients?clientId=admin-cli`)).body as { id: string }[]
    await admin.adminFetch("PUT", `${pathOf(old)}/clients/${cli?.id}`, change)
    const { told } = await init(env(old, "half-made", { ...home, KEYCLOAK_ADMIN: "boss" }), "--yes")
    expect(told.error?.id).toBe(id)
  })
})
