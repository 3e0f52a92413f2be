import { type Ask, type Reply, wordsOf } from "./ask.js"
import {
  askFrontEnds,
  askListener,
  type FrontEnd,
  frontEndsAmong,
  type LogoutListener,
  logoutListener,
} from "./logout-listener.js"
import { accessTokenIn } from "./token-answer.js"

/** An administrator's login, which shows more of the set-up than the client's own rights do. */
export interface Administrator {
  readonly username: string
  readonly password: string
  /** Where the administrator is an account; default `master`. */
  readonly realm?: string | undefined
}

/** What an administrator sees, without the secrets among it. */
export interface AdministratorsView {
  /** Why the login did not work. */
  readonly refused?: string
  readonly realm?: Readonly<Record<string, unknown>>
  /** null: there is no such client. */
  readonly client?: ClientsView | null
  /** Names of the steps that are asked of every new account. */
  readonly defaultActions?: readonly string[]
  /** Why nobody answers at the client's backchannel logout URL. */
  readonly backchannelProblem?: string
  /** How Keycloak tells the client of logouts; absent: it has no URL for that. */
  readonly logoutTokens?: LogoutListener
  /** Other clients that log people in, and whose tokens name this application. */
  readonly frontEnds?: readonly FrontEnd[]
}

interface ClientsView {
  readonly enabled: boolean
  readonly redirectUris: readonly string[]
  readonly implicitFlowEnabled: boolean
  /** Kinds of mappers that make a person's access token. */
  readonly mappers: readonly string[]
  /** The service account has it, be it by another role or a group. */
  readonly hasManageUsers: boolean
  /** Tokens of the client may carry it. */
  readonly scopeHasManageUsers: boolean
}

/** As many are looked at: each comes with all that it has. */
const mostClients = 500

export interface AdministratorParts {
  readonly ask: Ask
  readonly baseUrl: string
  readonly realm: string
  readonly clientId: string
  /** What tokens for this application name; null: that is nobody's business. */
  readonly audience: string | null
  readonly timeoutMs: number
}

export async function lookAsAdministrator(
  { username, password, realm: home = "master" }: Administrator,
  { ask, baseUrl, realm, clientId, audience, timeoutMs }: AdministratorParts,
): Promise<AdministratorsView> {
  const form = new URLSearchParams({ grant_type: "password", client_id: "admin-cli", username, password })
  const login = await ask("token", `${baseUrl}/realms/${encodeURIComponent(home)}/protocol/openid-connect/token`, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: form.toString(),
  })
  const token = accessTokenIn(login)
  if (token === null) return { refused: `Login: ${wordsOf(login, password)}` }

  const headers = { accept: "application/json", authorization: `Bearer ${token}` }
  const read = async (path: string) => {
    const reply = await ask("admin", `${baseUrl}/admin/realms/${encodeURIComponent(realm)}${path}`, { headers })
    return reply.status === 200 ? reply.json : reply
  }
  const readList = async (path: string) => {
    const list = await read(path)
    return Array.isArray(list) ? (list as Readonly<Record<string, unknown>>[]) : []
  }
  const [settings, clients, actions] = await Promise.all([
    read(""),
    read(`/clients?${new URLSearchParams({ clientId })}`),
    readList("/authentication/required-actions"),
  ])
  if (!Array.isArray(clients)) return { refused: `Reading the clients: ${wordsOf(clients as Reply, password)}` }
  const defaultActions = actions.filter(one => one.enabled === true && one.defaultAction === true)
  const seen = {
    realm: settings as Readonly<Record<string, unknown>>,
    defaultActions: defaultActions.map(({ alias }) => String(alias)),
  }
  const found = clients.find(one => one?.clientId === clientId)
  if (typeof found?.id !== "string") return { ...seen, client: null }

  const logoutTokens = logoutListener(found)
  const path = `/clients/${found.id}`
  const [mappers, account, managements, allClients, allScopes] = await Promise.all([
    readList(`${path}/evaluate-scopes/protocol-mappers`),
    found.serviceAccountsEnabled === true ? read(`${path}/service-account-user`) : null,
    readList(`/clients?${new URLSearchParams({ clientId: "realm-management" })}`),
    audience === null ? [] : readList(`/clients?first=0&max=${mostClients}`),
    audience === null ? [] : readList("/client-scopes"),
  ])
  const others = audience === null ? [] : frontEndsAmong(allClients, allScopes, { audience, own: clientId })
  const management = managements[0]?.id
  const accountId = (account as { id?: unknown } | null)?.id
  const [granted, given, backchannelProblem, frontEnds] = await Promise.all([
    readList(`${path}/evaluate-scopes/scope-mappings/${management}/granted`),
    typeof accountId === "string" ? readList(`/users/${accountId}/role-mappings/clients/${management}/composite`) : [],
    askListener(logoutTokens.url, timeoutMs),
    askFrontEnds(others, timeoutMs),
  ])
  const hasManageUsers = (roles: readonly Readonly<Record<string, unknown>>[]) =>
    roles.some(({ name }) => name === "manage-users")
  return {
    ...seen,
    client: {
      enabled: found.enabled === true,
      redirectUris: Array.isArray(found.redirectUris) ? found.redirectUris.map(String) : [],
      implicitFlowEnabled: found.implicitFlowEnabled === true,
      mappers: mappers.map(({ protocolMapper }) => String(protocolMapper)),
      hasManageUsers: hasManageUsers(given),
      scopeHasManageUsers: hasManageUsers(granted),
    },
    ...(backchannelProblem !== null && { backchannelProblem }),
    ...(logoutTokens.url !== null && { logoutTokens }),
    frontEnds,
  }
}
