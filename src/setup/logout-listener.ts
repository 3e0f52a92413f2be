import { printable } from "../foreign-text.js"
import { namesAudience } from "./audience-mapper.js"

/** How Keycloak tells one client of logouts, as its settings have it. */
export interface LogoutListener {
  readonly clientId: string
  /** Where Keycloak sends logout tokens; null: nowhere. */
  readonly url: string | null
  readonly nameSession: boolean
  /** Of the signature of logout tokens; "": the realm's own. */
  readonly algorithm: string
}

/** Another client that logs people in, and whose tokens name this application. */
export interface FrontEnd extends LogoutListener {
  /** Why nobody answers at its URL; absent: somebody does, or it was not asked. */
  readonly problem?: string
}

type Members = Readonly<Record<string, unknown>>

export function logoutListener(client: Members): LogoutListener {
  const attributes = (client.attributes ?? {}) as Members
  return {
    clientId: printable(String(client.clientId), 100),
    url: resolvedLogoutUrl(attributes["backchannel.logout.url"], client.rootUrl),
    nameSession: attributes["backchannel.logout.session.required"] === "true",
    algorithm: String(attributes["id.token.signed.response.alg"] ?? ""),
  }
}

/** Keycloak puts the client's root URL before what does not begin as an address. */
export function resolvedLogoutUrl(url: unknown, rootUrl: unknown): string | null {
  if (typeof url !== "string" || url === "") return null
  return URL.canParse(url) || typeof rootUrl !== "string" ? url : `${rootUrl}${url}`
}

/** Clients that every realm begins with: nobody's front end, whatever their scopes. */
const builtIn = ["account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"]

/** Among all clients of a realm those that log people in with tokens for `audience`, without the application's own. */
export function frontEndsAmong(
  clients: readonly Members[],
  scopes: readonly Members[],
  { audience, own }: { readonly audience: string; readonly own: string },
): readonly LogoutListener[] {
  const hasMapper = ({ protocolMappers }: Members) =>
    objects(protocolMappers).some(({ protocolMapper, config }) =>
      namesAudience(protocolMapper, (config ?? {}) as Members, audience),
    )
  const naming = new Set(
    objects(scopes)
      .filter(hasMapper)
      .map(({ name }) => name),
  )
  const namesIt = (client: Members) =>
    hasMapper(client) ||
    [client.defaultClientScopes, client.optionalClientScopes].flat().some(scope => naming.has(scope))
  return objects(clients)
    .filter(({ clientId }) => clientId !== own && !builtIn.includes(String(clientId)))
    .filter(client => logsPeopleIn(client) && namesIt(client))
    .map(logoutListener)
}

function logsPeopleIn({ enabled, bearerOnly, protocol, attributes, ...client }: Members): boolean {
  const flows = [client.standardFlowEnabled, client.implicitFlowEnabled, client.directAccessGrantsEnabled]
  const hasDeviceFlow = (attributes as Members | undefined)?.["oauth2.device.authorization.grant.enabled"] === "true"
  return (
    enabled === true && bearerOnly !== true && protocol === "openid-connect" && (flows.includes(true) || hasDeviceFlow)
  )
}

function objects(list: unknown): readonly Members[] {
  return Array.isArray(list) ? list.filter(one => typeof one === "object" && one !== null) : []
}

/** More of them are not asked: each is a request of its own. */
const mostAsked = 20

export async function askFrontEnds(
  listeners: readonly LogoutListener[],
  timeoutMs: number,
): Promise<readonly FrontEnd[]> {
  const urls = [...new Set(listeners.flatMap(({ url }) => url ?? []))].slice(0, mostAsked)
  const problems = new Map(await Promise.all(urls.map(async url => [url, await askListener(url, timeoutMs)] as const)))
  return listeners.map(listener => {
    const problem = listener.url === null ? null : problems.get(listener.url)
    return problem ? { ...listener, problem } : listener
  })
}

/** Asks an endpoint for logout tokens with an empty form: any refusal of it shows that somebody is there. Null: so it is. */
export async function askListener(url: string | null, timeoutMs: number): Promise<string | null> {
  if (url === null || !URL.canParse(url)) return null
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const { status, body } = await fetch(url, {
      method: "POST",
      body: new URLSearchParams(),
      redirect: "manual",
      signal,
    })
    await body?.cancel()
    return status === 404 || status >= 500 || (status >= 300 && status < 400) ? `answered ${status}` : null
  } catch (error) {
    const code = ((error as Error).cause as { code?: unknown } | undefined)?.code
    return typeof code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : "no answer"
  }
}
