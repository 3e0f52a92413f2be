import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest"
import { createGate, type Diagnosis, type GateOptions } from "../../src/index.js"
import { allFindings } from "../../src/setup/diagnose.js"
import { listen } from "../adapters/listen.js"
import { type Case, cases } from "../setup/cases.ts"
import { createAuthority } from "../setup/certificate.ts"
import { findingsTable, type Measured } from "../setup/findings-table.ts"
import { type HealthyRealm, openHealthyRealm } from "../setup/healthy-realm.ts"
import { overTls } from "../setup/stand-ins.ts"
import { hangBeforeHeaders } from "../support/faults.ts"
import { inOwnTime } from "../support/own-clock.ts"
import { startProxy } from "../support/proxy.ts"

type Options = Partial<GateOptions<never> & { userStore: undefined }>

let realm: HealthyRealm
/** Everything that was told, to be searched for secrets. */
const told: string[] = []
const measured: Measured[] = []

beforeAll(async () => {
  realm = await openHealthyRealm("doctor", inject("keycloak"))
})
afterAll(() => realm.remove())
afterEach(() => {
  vi.useRealTimers()
})

async function diagnose(by: Case["by"] | "both", options: Options = {}): Promise<Diagnosis> {
  const gate = createGate({ ...realm.connection, onEvent: () => undefined, ...options } as GateOptions<never>)
  const diagnosis = await gate.diagnose({
    probe: by === "probe" || by === "both",
    administrator: by === "administrator" || by === "both" ? realm.administrator : undefined,
  })
  await gate.close()
  told.push(JSON.stringify(diagnosis))
  return diagnosis
}

const seenIn = ({ findings }: Diagnosis) => findings.map(({ id, severity }) => `${severity}: ${id}`)

describe("what is broken in the set-up is found, alone, and gone after its mend", () => {
  it.each(cases.map(one => [[one.id, one.when].filter(Boolean).join(", "), one.by ?? "client", one] as const))(
    "%s (by %s)",
    async (_, __, { id, severity, by, breaks }) => {
      const { options, mend, cleanUp } = await breaks(realm)
      const isInKeycloak = realm.changes().length > 0
      const found = await diagnose(by, options).finally(mend)
      expect(seenIn(found)).toEqual([`${severity}: ${id}`])
      expect(found.ok).toBe(severity !== "broken")
      for (const finding of found.findings) measured.push({ finding, mends: realm.changes() })
      // What is wrong in the options alone is gone with them.
      if (isInKeycloak) expect(seenIn(await diagnose(by))).toEqual([])
      await cleanUp?.()
      // Nothing of it is the next one's.
      realm.changes()
    },
  )

  it.each(["clock-ahead", "clock-behind"])("%s (by client)", async id => {
    const off = id === "clock-ahead" ? 600_000 : -600_000
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + off })
    const found = await diagnose(undefined)
    vi.useRealTimers()
    expect(seenIn(found)).toEqual([`broken: ${id}`])
    for (const finding of found.findings) measured.push({ finding, mends: [] })
    expect(seenIn(await diagnose(undefined))).toEqual([])
  })

  it("tls-wrong-host (by client), which shows only once the authority is trusted", async () => {
    const authority = createAuthority("An authority that this process trusts")
    const before = getCACertificates("default")
    setDefaultCACertificates([...before, authority.cert])
    const { url, close } = await overTls(authority.issue({ names: ["sso.example.test"] }))
    const found = await diagnose(undefined, { serverUrl: url })
    setDefaultCACertificates(before)
    await close()
    expect(seenIn(found)).toEqual(["broken: tls-wrong-host"])
    for (const finding of found.findings) measured.push({ finding, mends: [] })
  })

  it("administrator-refused (by administrator)", async () => {
    const gate = createGate({ ...realm.connection, onEvent: () => undefined })
    const administrator = { ...realm.administrator, password: "wrong-password" }
    const found = await gate.diagnose({ administrator })
    expect(seenIn(found)).toEqual(["note: administrator-refused"])
    for (const finding of found.findings) measured.push({ finding, mends: [] })
    expect(JSON.stringify(found)).not.toContain("wrong-password")
  })
})

describe("a healthy set-up has nothing broken and no warning", () => {
  const healthy: readonly [name: string, options: Options, wrong: object, right: object][] = [
    ["that signs with ES256", {}, { defaultSignatureAlgorithm: "ES256" }, { defaultSignatureAlgorithm: "RS256" }],
    ["whose clients' audience is nobody's business", { audience: null }, {}, {}],
    ["whose tokens are introspected", { verification: "introspection" }, {}, {}],
    ["whose tokens are shown to userinfo", { verification: "userinfo" }, {}, {}],
    [
      "that takes the e-mail for the username",
      {},
      { registrationEmailAsUsername: true },
      { registrationEmailAsUsername: false },
    ],
    [
      "whose people verify their e-mail by the mail that the application asks for",
      { registration: { onboarding: "verify-email" } },
      { verifyEmail: true },
      { verifyEmail: false },
    ],
    [
      "whose registration gives groups, roles and attributes that are there",
      { registration: { groups: ["/editors"], realmRoles: ["offline_access"], attributes: { locale: "de" } } },
      { internationalizationEnabled: true, supportedLocales: ["de", "en"] },
      { internationalizationEnabled: false },
    ],
  ]
  it.each(healthy)("%s", async (_, options, wrong, right) => {
    await realm.admin("PUT", "", wrong)
    const found = await diagnose("both", options)
    await realm.admin("PUT", "", right)
    expect(seenIn(found).filter(one => !one.startsWith("note"))).toEqual([])
  })

  it("whose names are optional", async () => {
    const before = (await realm.admin("GET", "/users/profile")) as { attributes: Record<string, unknown>[] }
    const optional = before.attributes.map(({ required: _, ...one }) => one)
    await realm.admin("PUT", "/users/profile", { ...before, attributes: optional })
    const found = await diagnose("both")
    await realm.admin("PUT", "/users/profile", before)
    expect(seenIn(found)).toEqual([])
  })

  it("whose client has no full scope, but manage-users in it", async () => {
    const { client, management } = realm.ids
    const role = await realm.admin("GET", `/clients/${management}/roles/manage-users`)
    const mappings = `/clients/${client}/scope-mappings/clients/${management}`
    await realm.admin("PUT", `/clients/${client}`, { fullScopeAllowed: false })
    await realm.admin("POST", mappings, [role])
    const found = await diagnose("both")
    await realm.admin("DELETE", mappings, [role])
    await realm.admin("PUT", `/clients/${client}`, { fullScopeAllowed: true })
    expect(seenIn(found)).toEqual([])
  })

  it("whose lightweight tokens are introspected", async () => {
    const attribute = "client.use.lightweight.access.token.enabled"
    const put = (value: string) =>
      realm.admin("PUT", `/clients/${realm.ids.client}`, { attributes: { [attribute]: value } })
    await put("true")
    const found = await diagnose("both", { verification: "introspection" })
    await put("false")
    expect(seenIn(found)).toEqual([])
  })

  it("whose public address is another one than this process uses, behind TLS of a private authority", async () => {
    const authority = createAuthority("A private authority")
    const before = getCACertificates("default")
    setDefaultCACertificates([...before, authority.cert])
    const { url, close } = await overTls(authority.issue({ names: ["127.0.0.1"] }), realm.connection.serverUrl)
    await realm.admin("PUT", "", { attributes: { frontendUrl: url } })
    const behind = await diagnose("both", { serverUrl: url, internalUrl: realm.connection.serverUrl })
    const through = await diagnose("both", { serverUrl: url })
    await realm.admin("PUT", "", { attributes: { frontendUrl: "" } })
    setDefaultCACertificates(before)
    await close()
    expect([seenIn(behind), seenIn(through)]).toEqual([[], []])
  })

  it("whose front ends are told of logouts, or send their tokens elsewhere, or log nobody in", async () => {
    const receiver = await listen((_request, response) => void response.writeHead(400).end())
    const mapper = (audience: string) => ({
      ...{ name: "audience", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper" },
      config: { "included.custom.audience": audience, "access.token.claim": "true" },
    })
    const told = { "backchannel.logout.url": "/logout", "backchannel.logout.session.required": "true" }
    const clients = [
      { clientId: "told", rootUrl: receiver.url, attributes: told, protocolMappers: [mapper("shop-api")] },
      { clientId: "elsewhere", protocolMappers: [mapper("billing")] },
      { clientId: "machine", standardFlowEnabled: false, protocolMappers: [mapper("shop-api")] },
      { clientId: "off", enabled: false, protocolMappers: [mapper("shop-api")] },
    ]
    const made: string[] = []
    for (const one of clients) {
      await realm.admin("POST", "/clients", { ...one, publicClient: one.clientId !== "machine" })
      made.push(realm.created())
    }
    const found = await diagnose("administrator")
    for (const id of made) await realm.admin("DELETE", `/clients/${id}`)
    await receiver.close()
    expect(seenIn(found)).toEqual([])
  })

  it("whose service account is another client's", async () => {
    const { clientId, clientSecret } = realm.connection
    const found = await diagnose("both", { admin: { clientId, clientSecret } })
    expect(seenIn(found)).toEqual([])
  })

  it("whose client is public, and only logs people in", async () => {
    const id = "doctor-public"
    await realm.admin("POST", "/clients", { clientId: id, publicClient: true, directAccessGrantsEnabled: true })
    const created = realm.created()
    const found = await diagnose(undefined, { clientId: id, clientSecret: undefined })
    await realm.admin("DELETE", `/clients/${created}`)
    expect(seenIn(found)).toEqual([])
  })

  it("for an administrator of the master realm too, within 5 s", async () => {
    const { adminUsername: username, adminPassword: password } = inject("keycloak")
    const gate = createGate({ ...realm.connection, onEvent: () => undefined })
    const found = await inOwnTime(gate.diagnose({ probe: true, administrator: { username, password } }))
    await gate.close()
    expect(found.ms).toBeLessThan(5000)
    expect(seenIn(found.result)).toEqual([])
  })
})

describe("diagnose()", () => {
  it("leaves no account of its probes", async () => {
    expect(await realm.admin("GET", "/users?search=keycloak-gate-probe")).toEqual([])
  })

  it.each([
    / \/realms\/.*\/\.well-known/,
    /\/certs$/,
    /\/token$/,
    / \/admin\/realms\//,
    /^POST .*\/users$/,
    /^PUT .*\/users\//,
    /^DELETE .*\/users\//,
  ])("ends within three time-outs, and says so, where %s is silent", async at => {
    const proxy = await startProxy(realm.connection.serverUrl)
    proxy.breakWith(hangBeforeHeaders, { at })
    const timeoutMs = 1000
    const { ms, result } = await inOwnTime(diagnose("both", { internalUrl: proxy.url, timeoutMs }))
    await proxy.close()
    expect(ms).toBeLessThan(3 * timeoutMs)
    expect(result.findings).not.toEqual([])
    expect(result.ok).toBe(result.findings.every(({ severity }) => severity !== "broken"))
  })

  it("leaves nothing of the probe that a silence left", async () => {
    const left = (await realm.admin("GET", "/users?search=keycloak-gate-probe")) as readonly { id: string }[]
    for (const { id } of left) await realm.admin("DELETE", `/users/${id}`)
    expect(left.length).toBeLessThanOrEqual(3)
  })

  it("tells no secret", () => {
    const { clientSecret } = realm.connection
    const secrets = [clientSecret, realm.administrator.password, "change-me-in-production", "eyJ"]
    expect(told.length).toBeGreaterThan(allFindings.length)
    expect(told.filter(one => secrets.some(secret => one.includes(secret)))).toEqual([])
  })

  it("has no finding that was not seen", () => {
    const seen = new Set(measured.map(({ finding }) => finding.id))
    expect(allFindings.map(({ id }) => id).filter(id => !seen.has(id))).toEqual([])
  })
})

it("is what docs/keycloak-setup.md lists (npm run findings writes it)", () => {
  const file = join(import.meta.dirname, "../../docs/keycloak-setup.md")
  const page = readFileSync(file, "utf8")
  const [begin, end] = [page.indexOf("<!-- findings:start -->"), page.indexOf("<!-- findings:end -->")]
  const table = `<!-- findings:start -->\n${findingsTable(allFindings, measured)}\n`
  const whole = page.slice(0, begin) + table + page.slice(end)
  if (process.env.MODE === "write-findings") writeFileSync(file, whole)
  expect([begin > 0, end > begin, readFileSync(file, "utf8")]).toEqual([true, true, whole])
})
