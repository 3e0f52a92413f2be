import type { RegistrationSettings } from "../accounts/registration-defaults.js"
import { clientForm } from "../keycloak/client-authentication.js"
import type { KeycloakClient } from "../keycloak/client-faults.js"
import type { Connection } from "../keycloak/connection.js"
import type { VerificationSettings } from "../verify/verification.js"
import { requiredAttributes } from "./accounts.js"
import { type Administrator, lookAsAdministrator } from "./administrators-view.js"
import { type Ask, type AskAdmin, createAsk, type Reply } from "./ask.js"
import type { Use } from "./finding.js"
import { probeAccount } from "./probe.js"
import type { Expected, Seen } from "./seen.js"
import { server } from "./server.js"
import { accessTokenIn, tokenOf } from "./token-answer.js"

export interface SetUpParts {
  readonly connection: Connection
  readonly verification: VerificationSettings
  readonly registration: RegistrationSettings
  readonly longestTokenSeconds: number
  readonly keys: { readonly load: () => Promise<void> }
}

/** How far a walk goes. */
export interface Walk {
  readonly uses: readonly Use[]
  /** What the application sends with each registration. */
  readonly attributes: readonly string[]
  readonly probe: boolean
  readonly administrator: Administrator | null
}

/**
 * Asks Keycloak everything that shows whether the set-up is right, and judges nothing.
 *
 * Nothing is asked behind what nobody answers. There is more than one view where another service account registers.
 */
export async function walk(
  parts: SetUpParts,
  { uses, attributes, probe, administrator }: Walk,
): Promise<readonly Seen[]> {
  const { realm, transport, elapsed, timeoutMs, clientAt, manager } = parts.connection
  const client = clientAt(realm.tokenUrl)
  const ask = createAsk(transport, elapsed)
  const accept = { headers: { accept: "application/json" } }
  const beginning: Seen = {
    expected: { ...expectedBy(parts), sentAttributes: attributes },
    client,
    discovery: await ask("discovery", realm.discoveryUrl, accept),
  }
  const entrance = { ...beginning, ...(await askOverTls(ask, beginning)) }
  if (server.some(({ look }) => look(entrance))) return [entrance]

  const logIn = (username: string, password: string) => {
    const scope = parts.verification.mode === "userinfo" ? { scope: "openid" } : {}
    return ask("token", realm.tokenUrl, clientForm(client, { grant_type: "password", username, password, ...scope }))
  }
  const logsIn = uses.includes("loginWithPassword")
  const registers = uses.includes("registerUser")
  const hasServiceAccount = (logsIn || registers) && manager.client.clientSecret !== null
  const [keys, grant, emptyLogin, administratorsView] = await Promise.all([
    ask("keys", realm.certsUrl, accept),
    hasServiceAccount ? askGrant(parts.connection, ask) : {},
    logsIn ? logIn("", "") : undefined,
    administrator === null
      ? undefined
      : lookAsAdministrator(administrator, {
          ...client,
          ask,
          audience: parts.verification.audience,
          baseUrl: realm.baseUrl,
          timeoutMs,
        }),
  ])
  const atTheDoor: Seen = {
    ...entrance,
    keys,
    ...grant,
    ...(emptyLogin !== undefined && { emptyLogin }),
    ...(administratorsView !== undefined && { administrator: administratorsView }),
  }
  const inside = registers ? await askInside(parts, ask, atTheDoor) : {}
  const seen: Seen = { ...atTheDoor, ...inside }
  const probed = probe && registers ? await askProbe(parts, ask, seen, logIn) : {}
  return viewsOf({ ...seen, ...probed }, manager.client)
}

function expectedBy({
  connection: { realm, timeoutMs },
  verification,
  registration,
  longestTokenSeconds,
}: SetUpParts): Omit<Expected, "sentAttributes"> {
  const { name, issuer, baseUrl } = realm
  const serverUrl = issuer.slice(0, issuer.lastIndexOf("/realms/"))
  return { ...verification, registration, longestTokenSeconds, realm: name, timeoutMs, issuer, baseUrl, serverUrl }
}

/** A port for https cuts plain http, and so does a server that fails: one more question tells them apart. */
async function askOverTls(ask: Ask, { discovery, expected }: Seen): Promise<Pick<Seen, "overTls">> {
  const wasCut = /^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET)$/.test(discovery?.code ?? "")
  if (discovery === undefined || !wasCut || !expected.baseUrl.startsWith("http:")) return {}
  return { overTls: await ask("discovery", discovery.url.replace(/^http:/, "https:")) }
}

async function askGrant(
  { realm, manager: { client: manager }, now }: Connection,
  ask: Ask,
): Promise<Pick<Seen, "grant" | "grantByForm" | "clockAhead">> {
  const fields = { grant_type: "client_credentials" }
  const grant = await ask("token", realm.tokenUrl, clientForm(manager, fields))
  const issuedAt = tokenOf(grant)?.payload.iat
  if (typeof issuedAt === "number") {
    const ahead = now() / 1000 - issuedAt
    // It was issued while the request was under way, and `iat` is cut to whole seconds.
    return { grant, clockAhead: { least: ahead - grant.tookMs / 1000 - 1, most: ahead } }
  }
  if (grant.kind !== "client_unknown") return { grant }
  const secret = { client_id: manager.clientId, client_secret: manager.clientSecret ?? "" }
  const inBody = clientForm({ ...manager, clientSecret: null }, { ...fields, ...secret })
  return { grant, grantByForm: await ask("token", realm.tokenUrl, inBody) }
}

function adminRequest({ realm }: Connection, ask: Ask, { grant }: Seen): AskAdmin {
  const token = accessTokenIn(grant)
  const url = `${realm.baseUrl}/admin/realms/${encodeURIComponent(realm.name)}`
  const headers = { accept: "application/json", "content-type": "application/json", authorization: `Bearer ${token}` }
  return (method, path, body) =>
    ask("admin", `${url}${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
}

/** What the service account may do and see; Keycloak answers 400 to an account without a name where it would take another. */
async function askInside(parts: SetUpParts, ask: Ask, seen: Seen): Promise<Partial<Seen>> {
  const token = tokenOf(seen.grant)
  if (token === null) return {}
  const { connection, registration, verification } = parts
  const { realm, manager } = connection
  const asAdmin = adminRequest(connection, ask, seen)
  const rolesPath = `/users/${encodeURIComponent(String(token.payload.sub))}/role-mappings/realm`
  const needsRoles = registration.realmRoles.length > 0 && typeof token.payload.sub === "string"
  const [emptyAccount, realmSettings, userProfile, introspection, groups, own, available] = await Promise.all([
    asAdmin("POST", "/users", {}),
    asAdmin("GET", ""),
    asAdmin("GET", "/users/profile"),
    verification.mode === "introspection"
      ? ask(
          "introspection",
          realm.introspectionUrl,
          clientForm(manager.client, { token: accessTokenIn(seen.grant) ?? "" }),
        )
      : undefined,
    Promise.all(
      registration.groups.map(async path => [path, await asAdmin("GET", `/group-by-path/${encodeURIComponent(path)}`)]),
    ),
    needsRoles ? asAdmin("GET", rolesPath) : undefined,
    needsRoles ? asAdmin("GET", `${rolesPath}/available`) : undefined,
  ])
  const roles = [own, available].flatMap(reply => (Array.isArray(reply?.json) ? reply.json : []))
  const readRoles = own?.status === 200 && available?.status === 200
  return {
    emptyAccount,
    realmSettings,
    userProfile,
    groups: Object.fromEntries(groups),
    ...(introspection !== undefined && { introspection }),
    ...(readRoles && { realmRoles: roles.map(role => String(role?.name)) }),
  }
}

async function askProbe(
  parts: SetUpParts,
  ask: Ask,
  seen: Seen,
  logIn: (username: string, password: string) => Promise<Reply>,
): Promise<Pick<Seen, "probe">> {
  if (seen.emptyAccount?.status !== 400) return {}
  const needed = requiredAttributes(seen).map(name => [name, ["probe"]])
  const attributes = { ...parts.registration.attributes, ...Object.fromEntries(needed) }
  const { connection } = parts
  const asAdmin = adminRequest(connection, ask, seen)
  return { probe: await probeAccount({ asAdmin, logIn, attributes, now: connection.now }) }
}

/** Where another service account registers, what it was refused is its own fault and not the client's. */
function viewsOf(seen: Seen, manager: KeycloakClient): readonly Seen[] {
  if (manager.clientId === seen.client.clientId) return [seen]
  const { grant, grantByForm, clockAhead, emptyAccount, introspection, ...ofClient } = seen
  const { emptyLogin: _, probe: __, administrator: ___, ...ofManager } = seen
  return [ofClient, { ...ofManager, client: manager, expected: { ...seen.expected, audience: null } }]
}
