import type { GateOptions } from "../../src/index.js"
import type { Severity } from "../../src/setup/finding.js"
import { listen } from "../adapters/listen.js"
import { answerWith } from "../support/faults.ts"
import { startFaultyServer } from "../support/faulty-server.ts"
import { forward, startProxy } from "../support/proxy.ts"
import { type Authority, createAuthority } from "./certificate.ts"
import type { HealthyRealm } from "./healthy-realm.ts"
import { answering, closedPort, hangingUp, oldTls, overTls, type StandIn, silentPort } from "./stand-ins.ts"

type Options = Partial<GateOptions<never> & { userStore: undefined }>

/** One thing that is broken, and how far the doctor has to be let to see it. */
export interface Case {
  readonly id: string
  readonly severity: Severity
  /** Which of several ways it is. */
  readonly when?: string
  readonly by?: "probe" | "administrator"
  readonly breaks: (realm: HealthyRealm) => Promise<Broken>
}

interface Broken {
  /** What the application has wrong, or what leads to a stand-in. */
  readonly options?: Options
  readonly mend: () => Promise<unknown>
  /** Takes away what was only made to be broken. */
  readonly cleanUp?: () => Promise<void>
}

const nothing = async () => undefined

// What was wrong is in the application's own options.
const given =
  (options: Options | ((realm: HealthyRealm) => Options)): Case["breaks"] =>
  async realm => ({ options: typeof options === "function" ? options(realm) : options, mend: nothing })

// A setting of the client, and what it should be.
const client =
  (wrong: object, right: object): Case["breaks"] =>
  async ({ admin, ids }) => {
    const path = `/clients/${ids.client}`
    await admin("PUT", path, wrong)
    return { mend: () => admin("PUT", path, right) }
  }

const attribute = (name: string, wrong: string, right = "false") =>
  client({ attributes: { [name]: wrong } }, { attributes: { [name]: right } })

/** Somebody hears of logouts, at an address that answers. */
function hearing(attributes: Readonly<Record<string, string>>): Case["breaks"] {
  return async to => {
    const receiver = await listen((_request, response) => void response.writeHead(400).end())
    const right = { "backchannel.logout.url": "", "id.token.signed.response.alg": "" }
    const broken = await client(
      { attributes: { "backchannel.logout.url": `${receiver.url}/logout`, ...attributes } },
      { attributes: right },
    )(to)
    return {
      async mend() {
        await broken.mend()
        await receiver.close()
      },
    }
  }
}

/**
 * Another client that people log in with, whose tokens name this application. It hears of logouts as `wrong` has it, given
 * an address that answers.
 */
function frontEnd(wrong: (url: string) => Readonly<Record<string, string>>, mappers = [audience]): Case["breaks"] {
  return async ({ admin, created }) => {
    const receiver = await listen((_request, response) => void response.writeHead(400).end())
    const url = `${receiver.url}/logout`
    const flow = { publicClient: true, redirectUris: ["https://shop.example.test/*"] }
    await admin("POST", "/clients", { clientId: "shop-web", ...flow, attributes: wrong(url), protocolMappers: mappers })
    const path = `/clients/${created()}`
    // An empty value takes away what is there.
    const signature = Object.keys(wrong(url)).filter(name => name.startsWith("id.token"))
    const right = { ...told(url), ...Object.fromEntries(signature.map(name => [name, ""])) }
    return {
      mend: () => admin("PUT", path, { attributes: right }),
      async cleanUp() {
        await admin("DELETE", path)
        await receiver.close()
      },
    }
  }
}

const told = (url: string) => ({ "backchannel.logout.url": url, "backchannel.logout.session.required": "true" })

const audience = {
  ...{ name: "audience", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper" },
  config: { "included.client.audience": "shop-api", "access.token.claim": "true" },
}

/** The audience comes by a client scope, which is optional. */
async function frontEndByScope(to: HealthyRealm): Promise<Broken> {
  const { admin, created } = to
  const scopes = "/client-scopes"
  await admin("POST", scopes, { name: "to-the-shop", protocol: "openid-connect", protocolMappers: [audience] })
  const scope = created()
  const { mend, cleanUp } = await frontEnd(() => ({}), [])(to)
  await admin("PUT", `/clients/${created()}/optional-client-scopes/${scope}`)
  return {
    mend,
    async cleanUp() {
      await cleanUp?.()
      await admin("DELETE", `${scopes}/${scope}`)
    },
  }
}

// A setting of the realm.
const realm =
  (wrong: object, right: object): Case["breaks"] =>
  async ({ admin }) => {
    await admin("PUT", "", wrong)
    return { mend: () => admin("PUT", "", right) }
  }

/** Something else answers at the address. */
const standIn =
  (start: () => Promise<StandIn>, options: Options = {}): Case["breaks"] =>
  async () => {
    const { url, close } = await start()
    return { options: { serverUrl: url, ...options }, mend: close }
  }

/** Something between the application and Keycloak spoils some requests. */
const between =
  (at: RegExp, reply: { status: number; body: string }): Case["breaks"] =>
  async ({ connection }) => {
    const proxy = await startProxy(connection.serverUrl)
    proxy.breakWith(answerWith(reply), { at })
    return { options: { internalUrl: proxy.url }, mend: proxy.close }
  }

const page = { status: 404, body: "<html><body>Not here</body></html>" }
const short = { timeoutMs: 300 }
const http = (url: StandIn) => ({ ...url, url: url.url.replace("https:", "http:") })
let authority: Authority | null = null
const certificates = () => {
  authority ??= createAuthority("An authority that nobody knows")
  return authority
}

const server: readonly Case[] = [
  { id: "server-unknown-host", severity: "broken", breaks: given({ serverUrl: "https://keycloak.invalid" }) },
  { id: "server-refused", severity: "broken", breaks: standIn(closedPort) },
  { id: "server-silent", severity: "broken", breaks: standIn(silentPort, short) },
  {
    id: "http-to-tls-port",
    severity: "broken",
    breaks: standIn(async () => http(await overTls(certificates()))),
  },
  { id: "server-closes", severity: "broken", breaks: standIn(hangingUp) },
  {
    id: "tls-to-http-port",
    severity: "broken",
    breaks: given(({ connection }) => ({ serverUrl: connection.serverUrl.replace("http:", "https:") })),
  },
  { id: "tls-untrusted", severity: "broken", when: "self-signed", breaks: standIn(() => overTls(certificates())) },
  {
    id: "tls-untrusted",
    severity: "broken",
    when: "its authority is unknown",
    breaks: standIn(() => overTls(certificates().issue({ names: ["127.0.0.1"] }))),
  },
  {
    id: "tls-expired",
    severity: "broken",
    breaks: standIn(() => overTls(certificates().issue({ names: ["127.0.0.1"], days: [-9, -2] }))),
  },
  {
    id: "tls-failed",
    severity: "broken",
    breaks: standIn(() => oldTls(certificates().issue({ names: ["127.0.0.1"] }))),
  },
  {
    id: "server-failing",
    severity: "broken",
    breaks: standIn(() => answering({ status: 503, headers: { "retry-after": "7" }, body: "<html></html>" })),
  },
  {
    id: "server-redirects",
    severity: "broken",
    breaks: standIn(() => answering({ status: 301, headers: { location: "https://sso.example.test/" } })),
  },
  {
    id: "server-not-keycloak",
    severity: "broken",
    when: "a web page",
    breaks: standIn(() => answering({ status: 200, body: "<html></html>" })),
  },
  {
    id: "server-not-keycloak",
    severity: "broken",
    when: "JSON without an issuer",
    breaks: standIn(() => answering({ status: 200, body: '{"name":"another service"}' })),
  },
  {
    id: "server-not-keycloak",
    severity: "broken",
    when: "a gateway's 404",
    breaks: standIn(() => answering({ status: 404, body: '{"message":"no Route matched with those values"}' })),
  },
  {
    id: "server-not-keycloak",
    severity: "broken",
    when: "no HTTP at all",
    breaks: standIn(() =>
      import("../support/raw-server.ts").then(({ startRawServer }) =>
        startRawServer(socket => socket.end("SSH-2.0-OpenSSH_9.2\r\n")),
      ),
    ),
  },
  {
    id: "server-path",
    severity: "broken",
    breaks: given(({ connection }) => ({ serverUrl: `${connection.serverUrl}/auth` })),
  },
  {
    id: "realm-unknown",
    severity: "broken",
    breaks: given(({ connection }) => ({ realm: connection.realm.toUpperCase() })),
  },
  { id: "realm-disabled", severity: "broken", breaks: realm({ enabled: false }, { enabled: true }) },
  { id: "tls-required", severity: "broken", breaks: realm({ sslRequired: "all" }, { sslRequired: "external" }) },
  {
    id: "internal-url-unreachable",
    severity: "broken",
    breaks: async () => ({ options: { internalUrl: (await closedPort()).url }, mend: nothing }),
  },
  {
    id: "issuer-mismatch",
    severity: "broken",
    breaks: realm({ attributes: { frontendUrl: "https://sso.example.test" } }, { attributes: { frontendUrl: "" } }),
  },
  {
    id: "plain-http",
    severity: "note",
    async breaks(to) {
      const { serverUrl } = to.connection
      const broken = await realm({ attributes: { frontendUrl: serverUrl } }, { attributes: { frontendUrl: "" } })(to)
      // An address of this machine that does not look like one.
      const internalUrl = serverUrl.replace("127.0.0.1", "0.0.0.0")
      return { ...broken, options: { internalUrl, allowInsecureHttp: true } }
    },
  },
  { id: "keys-unreadable", severity: "broken", breaks: between(/\/certs$/, page) },
  {
    id: "key-too-short",
    severity: "broken",
    breaks: async ({ admin, created }) => {
      const config = { keySize: ["1024"], priority: ["0"], algorithm: ["RS256"] }
      const providerType = "org.keycloak.keys.KeyProvider"
      await admin("POST", "/components", { name: "short", providerId: "rsa-generated", providerType, config })
      const id = created()
      return { mend: () => admin("DELETE", `/components/${id}`) }
    },
  },
  { id: "admin-api-unreachable", severity: "broken", breaks: between(/ \/admin\//, page) },
]

const roles = ({ ids }: HealthyRealm) => `/users/${ids.account}/role-mappings/clients/${ids.management}`

async function role({ admin, ids }: HealthyRealm, name: string): Promise<readonly { id: string; name: string }[]> {
  const { id } = (await admin("GET", `/clients/${ids.management}/roles/${name}`)) as { id: string }
  return [{ id, name }]
}

/** Off and on again makes another account, which has no roles. */
async function giveRoleAgain(to: HealthyRealm): Promise<void> {
  const { id } = (await to.admin("GET", `/clients/${to.ids.client}/service-account-user`)) as { id: string }
  Object.assign(to.ids, { account: id })
  await to.admin("POST", roles(to), await role(to, "manage-users"))
}

const serviceAccount =
  (wrong: object, right: object): Case["breaks"] =>
  async to => {
    const { admin, ids } = to
    await admin("PUT", `/clients/${ids.client}`, wrong)
    return {
      async mend() {
        await admin("PUT", `/clients/${ids.client}`, right)
        await giveRoleAgain(to)
      },
    }
  }

// 26.4.7 forgets the secret meanwhile.
const authenticator =
  (clientAuthenticatorType: string): Case["breaks"] =>
  async to => {
    const { clientSecret: secret } = to.connection
    return client({ clientAuthenticatorType }, { clientAuthenticatorType: "client-secret", secret })(to)
  }

const withoutScope =
  (name: string): Case["breaks"] =>
  async ({ admin, ids }) => {
    const scopes = (await admin("GET", "/client-scopes")) as readonly { id: string; name: string }[]
    const path = `/clients/${ids.client}/default-client-scopes/${scopes.find(scope => scope.name === name)?.id}`
    await admin("DELETE", path)
    return { mend: () => admin("PUT", path, {}) }
  }

const policy =
  (executor: string): Case["breaks"] =>
  async ({ admin }) => {
    const executors = [{ executor, configuration: {} }]
    await admin("PUT", "/client-policies/profiles", { profiles: [{ name: "strict", executors }] })
    const conditions = [{ condition: "any-client", configuration: {} }]
    const policies = [{ name: "strict", enabled: true, conditions, profiles: ["strict"] }]
    await admin("PUT", "/client-policies/policies", { policies })
    return { mend: () => admin("PUT", "/client-policies/policies", { policies: [] }) }
  }

const clients: readonly Case[] = [
  { id: "client-unknown", severity: "broken", breaks: given({ clientId: "shop-app" }) },
  {
    id: "client-unknown",
    severity: "broken",
    when: "it is disabled",
    breaks: client({ enabled: false }, { enabled: true }),
  },
  {
    id: "authorization-stripped",
    severity: "broken",
    async breaks({ connection }) {
      const proxy = await startFaultyServer(call => {
        const { authorization: _, host: __, ...headers } = call.headers
        return forward(connection.serverUrl, { ...call, headers })
      })
      return { options: { internalUrl: proxy.url }, mend: proxy.close }
    },
  },
  { id: "secret-wrong", severity: "broken", breaks: given({ clientSecret: "an-older-secret" }) },
  {
    id: "secret-line-break",
    severity: "broken",
    breaks: given(({ connection }) => ({ clientSecret: `${connection.clientSecret}\n` })),
  },
  { id: "secret-missing", severity: "broken", breaks: given({ clientSecret: undefined }) },
  {
    id: "client-authenticator",
    severity: "broken",
    when: "signed JWT",
    breaks: authenticator("client-jwt"),
  },
  {
    id: "client-authenticator",
    severity: "broken",
    when: "X.509",
    breaks: authenticator("client-x509"),
  },
  {
    id: "client-bearer-only",
    severity: "broken",
    breaks: to => client({ bearerOnly: true }, { bearerOnly: false, secret: to.connection.clientSecret })(to),
  },
  { id: "dpop-required", severity: "broken", breaks: attribute("dpop.bound.access.tokens", "true") },
  { id: "mtls-bound", severity: "broken", breaks: attribute("tls.client.certificate.bound.access.tokens", "true") },
  {
    id: "direct-grants-off",
    severity: "broken",
    breaks: client({ directAccessGrantsEnabled: false }, { directAccessGrantsEnabled: true }),
  },
  { id: "consent-required", severity: "broken", breaks: client({ consentRequired: true }, { consentRequired: false }) },
  { id: "client-policy", severity: "broken", breaks: policy("reject-ropc-grant") },
  { id: "client-refused", severity: "broken", breaks: policy("reject-request") },
  {
    id: "client-public",
    severity: "broken",
    breaks: to =>
      serviceAccount(
        { publicClient: true },
        { publicClient: false, serviceAccountsEnabled: true, secret: to.connection.clientSecret },
      )(to),
  },
  {
    id: "service-account-off",
    severity: "broken",
    breaks: serviceAccount({ serviceAccountsEnabled: false }, { serviceAccountsEnabled: true }),
  },
  {
    id: "manage-users-missing",
    severity: "broken",
    async breaks(to) {
      const right = await role(to, "manage-users")
      await to.admin("DELETE", roles(to), right)
      return { mend: () => to.admin("POST", roles(to), right) }
    },
  },
  {
    id: "manage-users-missing",
    severity: "broken",
    when: "it has view-users instead",
    async breaks(to) {
      const [right, other] = [await role(to, "manage-users"), await role(to, "view-users")]
      await to.admin("DELETE", roles(to), right)
      await to.admin("POST", roles(to), other)
      return {
        async mend() {
          await to.admin("DELETE", roles(to), other)
          await to.admin("POST", roles(to), right)
        },
      }
    },
  },
  {
    id: "manage-users-missing",
    severity: "broken",
    when: "its scope is not full, and nobody says so",
    breaks: client({ fullScopeAllowed: false }, { fullScopeAllowed: true }),
  },
  {
    id: "full-scope-off",
    severity: "broken",
    by: "administrator",
    breaks: client({ fullScopeAllowed: false }, { fullScopeAllowed: true }),
  },
  { id: "roles-scope-missing", severity: "broken", breaks: withoutScope("roles") },
  { id: "roles-scope-missing", severity: "broken", by: "administrator", breaks: withoutScope("roles") },
  {
    id: "too-many-rights",
    severity: "warning",
    async breaks(to) {
      const all = await role(to, "realm-admin")
      await to.admin("POST", roles(to), all)
      return { mend: () => to.admin("DELETE", roles(to), all) }
    },
  },
  {
    id: "example-secret",
    severity: "warning",
    async breaks({ admin, ids, connection }) {
      const secret = "change-me-in-production"
      await admin("PUT", `/clients/${ids.client}`, { secret })
      const mend = () => admin("PUT", `/clients/${ids.client}`, { secret: connection.clientSecret })
      return { options: { clientSecret: secret }, mend }
    },
  },
  { id: "web-origins-any", severity: "warning", breaks: client({ webOrigins: ["*"] }, { webOrigins: [] }) },
  {
    id: "redirect-uris-wildcard",
    severity: "warning",
    by: "administrator",
    breaks: client({ redirectUris: ["*"] }, { redirectUris: [] }),
  },
  {
    id: "implicit-flow",
    severity: "warning",
    by: "administrator",
    breaks: client({ implicitFlowEnabled: true }, { implicitFlowEnabled: false }),
  },
  {
    id: "backchannel-unreachable",
    severity: "warning",
    by: "administrator",
    async breaks(to) {
      const { url } = await closedPort()
      return client(
        { attributes: { "backchannel.logout.url": `${url}/logout`, "backchannel.logout.session.required": "true" } },
        { attributes: { "backchannel.logout.url": "" } },
      )(to)
    },
  },
  {
    id: "logout-tokens-secret",
    severity: "warning",
    by: "administrator",
    breaks: hearing({ "backchannel.logout.session.required": "true", "id.token.signed.response.alg": "HS256" }),
  },
  {
    id: "logout-tokens-without-session",
    severity: "note",
    by: "administrator",
    breaks: hearing({ "backchannel.logout.session.required": "false" }),
  },
  {
    id: "logout-tokens-secret",
    severity: "warning",
    when: "of a front end",
    by: "administrator",
    breaks: frontEnd(url => ({ ...told(url), "id.token.signed.response.alg": "HS512" })),
  },
  {
    id: "logout-tokens-without-session",
    severity: "note",
    when: "of a front end",
    by: "administrator",
    breaks: frontEnd(url => ({ "backchannel.logout.url": url })),
  },
  { id: "front-end-logout-untold", severity: "note", by: "administrator", breaks: frontEnd(() => ({})) },
  {
    id: "front-end-logout-untold",
    severity: "note",
    when: "whose audience comes by an optional scope",
    by: "administrator",
    breaks: frontEndByScope,
  },
  {
    id: "front-end-logout-unreachable",
    severity: "note",
    by: "administrator",
    async breaks(to) {
      const { url } = await closedPort()
      return frontEnd(() => told(`${url}/logout`))(to)
    },
  },
]

const tokens: readonly Case[] = [
  {
    id: "audience-missing",
    severity: "broken",
    async breaks({ admin, ids }) {
      const path = `/clients/${ids.client}/protocol-mappers/models`
      const [mapper] = (await admin("GET", path)) as readonly { id: string }[]
      await admin("DELETE", `${path}/${mapper?.id}`)
      const { id: _, ...again } = mapper as { id: string }
      return { mend: () => admin("POST", path, again) }
    },
  },
  {
    id: "lightweight-tokens",
    severity: "broken",
    breaks: attribute("client.use.lightweight.access.token.enabled", "true"),
  },
  { id: "subject-missing", severity: "broken", by: "probe", breaks: withoutScope("basic") },
  { id: "subject-missing", severity: "broken", by: "administrator", breaks: withoutScope("basic") },
  {
    id: "algorithm-unsupported",
    severity: "broken",
    breaks: attribute("access.token.signed.response.alg", "HS256", ""),
  },
  {
    id: "algorithm-unsupported",
    severity: "broken",
    when: "by the realm",
    breaks: realm({ defaultSignatureAlgorithm: "HS256" }, { defaultSignatureAlgorithm: "RS256" }),
  },
  {
    id: "refresh-tokens-off",
    severity: "broken",
    by: "probe",
    breaks: attribute("use.refresh.tokens", "false", "true"),
  },
  {
    id: "token-too-big",
    severity: "broken",
    by: "probe",
    async breaks({ admin, ids, created }) {
      const path = `/clients/${ids.client}/protocol-mappers/models`
      const config = { "claim.name": "much", "claim.value": "x".repeat(10_000), "access.token.claim": "true" }
      const kind = { protocol: "openid-connect", protocolMapper: "oidc-hardcoded-claim-mapper" }
      await admin("POST", path, { name: "much", ...kind, config: { ...config, "jsonType.label": "String" } })
      const id = created()
      return { mend: () => admin("DELETE", `${path}/${id}`) }
    },
  },
  {
    id: "not-before-future",
    severity: "broken",
    async breaks(to) {
      return realm({ notBefore: Math.floor(Date.now() / 1000) + 3600 }, { notBefore: 0 })(to)
    },
  },
  {
    id: "access-token-long",
    severity: "warning",
    breaks: realm({ accessTokenLifespan: 7200 }, { accessTokenLifespan: 300 }),
  },
  {
    id: "access-token-long",
    severity: "warning",
    when: "longer than revocations are remembered",
    breaks: given({ longestTokenSeconds: 60 }),
  },
  {
    id: "access-token-short",
    severity: "warning",
    when: "by the client",
    breaks: attribute("access.token.lifespan", "10", ""),
  },
  {
    id: "session-shorter-than-token",
    severity: "warning",
    by: "probe",
    breaks: realm({ ssoSessionIdleTimeout: 60 }, { ssoSessionIdleTimeout: 1800 }),
  },
]

const flow = "direct grant of the test"

/** Another direct grant flow for the realm, with one step of it changed. */
const directGrant =
  (
    changed: { readonly step: string; readonly requirement: string },
    ...more: readonly (typeof changed)[]
  ): Case["breaks"] =>
  async ({ admin }) => {
    await admin("POST", "/authentication/flows/direct%20grant/copy", { newName: flow })
    const path = `/authentication/flows/${encodeURIComponent(flow)}/executions`
    for (const { step, requirement } of [changed, ...more]) {
      const steps = (await admin("GET", path)) as readonly { providerId?: string; displayName: string }[]
      const one = steps.find(({ providerId, displayName }) => providerId === step || displayName.includes(step))
      await admin("PUT", path, { ...one, requirement })
    }
    await admin("PUT", "", { directGrantFlow: flow })
    const flows = (await admin("GET", "/authentication/flows")) as readonly { id: string; alias: string }[]
    const id = flows.find(({ alias }) => alias === flow)?.id
    return {
      async mend() {
        await admin("PUT", "", { directGrantFlow: "direct grant" })
        await admin("DELETE", `/authentication/flows/${id}`)
      },
    }
  }

const action: Case["breaks"] = async ({ admin }) => {
  const path = "/authentication/required-actions/UPDATE_PASSWORD"
  const one = (await admin("GET", path)) as object
  await admin("PUT", path, { ...one, defaultAction: true })
  return { mend: () => admin("PUT", path, { ...one, defaultAction: false }) }
}

const realms: readonly Case[] = [
  {
    id: "direct-grant-flow",
    severity: "broken",
    when: "it asks everybody for a one-time code",
    by: "probe",
    breaks: directGrant(
      { step: "Conditional OTP", requirement: "REQUIRED" },
      { step: "conditional-user-configured", requirement: "DISABLED" },
    ),
  },
  {
    id: "direct-grant-flow",
    severity: "broken",
    when: "it takes any password",
    by: "probe",
    breaks: directGrant({ step: "direct-grant-validate-password", requirement: "DISABLED" }),
  },
  {
    id: "brute-force-off",
    severity: "warning",
    breaks: realm({ bruteForceProtected: false }, { bruteForceProtected: true }),
  },
  {
    id: "permanent-lockout",
    severity: "warning",
    by: "administrator",
    breaks: realm({ permanentLockout: true, failureFactor: 5 }, { permanentLockout: false }),
  },
  {
    id: "password-policy-none",
    severity: "warning",
    by: "administrator",
    breaks: realm(
      { passwordPolicy: "" },
      { passwordPolicy: "length(8) and hashAlgorithm(pbkdf2-sha256) and hashIterations(1)" },
    ),
  },
  {
    id: "duplicate-emails",
    severity: "warning",
    by: "administrator",
    breaks: realm(
      { loginWithEmailAllowed: false, duplicateEmailsAllowed: true },
      { loginWithEmailAllowed: true, duplicateEmailsAllowed: false },
    ),
  },
  {
    id: "mail-server-missing",
    severity: "broken",
    by: "administrator",
    async breaks(to) {
      const broken = await realm(
        { smtpServer: {} },
        { smtpServer: { host: "127.0.0.1", from: "shop@example.test" } },
      )(to)
      return { ...broken, options: { registration: { onboarding: "verify-email" } } }
    },
  },
  {
    id: "smtp-missing",
    severity: "note",
    by: "administrator",
    breaks: realm({ smtpServer: {} }, { smtpServer: { host: "127.0.0.1", from: "shop@example.test" } }),
  },
  {
    id: "email-as-username",
    severity: "note",
    breaks: realm({ registrationEmailAsUsername: true }, { registrationEmailAsUsername: false }),
  },
  {
    id: "events-off",
    severity: "note",
    by: "administrator",
    breaks: realm({ eventsEnabled: false }, { eventsEnabled: true }),
  },
  {
    id: "refresh-rotation",
    severity: "note",
    by: "administrator",
    breaks: realm({ revokeRefreshToken: true }, { revokeRefreshToken: false }),
  },
]

interface Profile {
  readonly attributes: readonly { readonly name: string }[]
}

const profile =
  (change: (profile: Profile) => Profile): Case["breaks"] =>
  async ({ admin }) => {
    const before = (await admin("GET", "/users/profile")) as Profile
    await admin("PUT", "/users/profile", change(before))
    return { mend: () => admin("PUT", "/users/profile", before) }
  }

const requiring = (required: object) =>
  profile(({ attributes, ...rest }) => {
    const permissions = { view: ["admin", "user"], edit: ["admin", "user"] }
    return { ...rest, attributes: [...attributes, { name: "department", permissions, required }] }
  })

const accounts: readonly Case[] = [
  { id: "profile-requires-more", severity: "broken", when: "of people", breaks: requiring({ roles: ["user"] }) },
  {
    id: "profile-requires-more",
    severity: "broken",
    when: "of administrators",
    breaks: requiring({ roles: ["admin"] }),
  },
  { id: "profile-requires-more", severity: "broken", when: "of everybody", by: "probe", breaks: requiring({}) },
  {
    id: "attribute-unknown",
    severity: "broken",
    breaks: given({ registration: { attributes: { department: "sales" } } }),
  },
  { id: "group-missing", severity: "broken", breaks: given({ registration: { groups: ["/editors", "/nobody"] } }) },
  {
    id: "realm-role-missing",
    severity: "broken",
    breaks: given({ registration: { realmRoles: ["offline_access", "nobody"] } }),
  },
  {
    id: "profile-lacks-names",
    severity: "warning",
    breaks: profile(({ attributes, ...rest }) => ({
      ...rest,
      attributes: attributes.filter(({ name }) => name !== "lastName"),
    })),
  },
  {
    id: "verify-email",
    severity: "warning",
    by: "probe",
    breaks: realm({ verifyEmail: true }, { verifyEmail: false }),
  },
  {
    id: "verify-email",
    severity: "warning",
    by: "administrator",
    breaks: realm({ verifyEmail: true }, { verifyEmail: false }),
  },
  { id: "required-action-default", severity: "warning", by: "probe", breaks: action },
  { id: "required-action-default", severity: "warning", by: "administrator", breaks: action },
  {
    id: "probe-left",
    severity: "warning",
    by: "probe",
    async breaks({ connection, admin }) {
      const proxy = await startProxy(connection.serverUrl)
      proxy.breakWith(answerWith({ status: 503, body: "" }), { at: /^DELETE .*\/users\// })
      return {
        options: { internalUrl: proxy.url },
        async mend() {
          await proxy.close()
          const left = (await admin("GET", "/users?search=keycloak-gate-probe")) as readonly { id: string }[]
          for (const { id } of left) await admin("DELETE", `/users/${id}`)
        },
      }
    },
  },
  {
    id: "probe-refused",
    severity: "note",
    by: "probe",
    breaks: realm(
      { passwordPolicy: "length(100)" },
      { passwordPolicy: "length(8) and hashAlgorithm(pbkdf2-sha256) and hashIterations(1)" },
    ),
  },
]

export const cases: readonly Case[] = [...server, ...clients, ...tokens, ...realms, ...accounts]
