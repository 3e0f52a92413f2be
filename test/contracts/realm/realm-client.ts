import { readFileSync } from "node:fs"

/** Where a realm is, on the real server or in this process. */
export interface RealmAddress {
  readonly url: string
  readonly realm: string
}

/** One kind of server: imports a realm file under a name of its own. */
export interface RealmHost {
  readonly open: (file: Realm) => Promise<RealmAddress & { readonly close: () => Promise<void> }>
}

export interface Answer {
  readonly status: number
  /** Parsed JSON, else the text. */
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers, which `expect` looks at
  readonly body: any
  readonly headers: Headers
}

export interface Client {
  readonly id: string
  readonly secret?: string
}

/** The realm file that most cases run on; each opens it with changes of its own. */
export interface Realm {
  realm: string
  clients: { clientId: string; attributes?: Record<string, string>; [member: string]: unknown }[]
  users: { username: string; [member: string]: unknown }[]
  [member: string]: unknown
}

export function gateTestRealm(): Realm {
  const file: Realm = JSON.parse(readFileSync(new URL("../../live/realm.json", import.meta.url), "utf8"))
  // Ids are unique over all realms of a server, and the same file is imported more than once.
  for (const user of file.users) delete user.id
  return file
}

export const password = "Passw0rd!"
export const gateApp: Client = { id: "gate-app", secret: "gate-secret" }
export const client = (id: string): Client => ({ id, secret: "gate-secret" })

/** What applications ask a realm, without any library between. */
export interface RealmClient extends RealmAddress {
  readonly issuer: string
  readonly post: (endpoint: string, fields: Fields, headers?: Record<string, string>) => Promise<Answer>
  readonly token: (fields: Fields, as?: Client | null) => Promise<Answer>
  readonly login: (username: string, more?: Fields, as?: Client) => Promise<Answer>
  readonly refresh: (refreshToken: string, as?: Client) => Promise<Answer>
  readonly introspect: (token: string, as?: Client, more?: Fields) => Promise<Answer>
  readonly userinfo: (headers?: Record<string, string>, form?: Fields) => Promise<Answer>
  readonly get: (path: string) => Promise<Answer>
  /** A call of the service account of the manager. */
  readonly admin: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
  /** A new account with a password, ready to log in; returns its id. */
  readonly createUser: (username: string, more?: Record<string, unknown>) => Promise<string>
}

type Fields = Record<string, string> | string

/** `manager` has a service account with rights on the Admin API. */
export function createRealmClient({ url, realm }: RealmAddress, manager: Client = gateApp): RealmClient {
  const issuer = `${url}/realms/${encodeURIComponent(realm)}`
  let serviceToken: Promise<string> | null = null

  async function ask(address: string, init?: RequestInit): Promise<Answer> {
    const response = await fetch(address, { ...init, redirect: "manual" })
    const text = await response.text()
    return { status: response.status, body: parsed(text), headers: response.headers }
  }

  function post(endpoint: string, fields: Fields, headers: Record<string, string> = {}): Promise<Answer> {
    const body = new URLSearchParams(fields).toString()
    const type = { "content-type": "application/x-www-form-urlencoded" }
    return ask(`${issuer}/protocol/openid-connect/${endpoint}`, {
      method: "POST",
      body,
      headers: { ...type, ...headers },
    })
  }

  const of = (as: Client | null): Record<string, string> =>
    as === null ? {} : { client_id: as.id, ...(as.secret !== undefined && { client_secret: as.secret }) }
  const token = (fields: Fields, as: Client | null = gateApp) =>
    typeof fields === "string"
      ? post("token", `${fields}&${new URLSearchParams(of(as))}`)
      : post("token", { ...of(as), ...fields })

  async function admin(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    serviceToken ??= token({ grant_type: "client_credentials" }, manager).then(answer =>
      String(answer.body.access_token),
    )
    const authorization = `Bearer ${await serviceToken}`
    return ask(`${url}/admin/realms/${encodeURIComponent(realm)}${path}`, {
      method,
      headers: { authorization, "content-type": "application/json", ...headers },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    })
  }

  return {
    url,
    realm,
    issuer,
    post,
    token,
    login: (username, more = {}, as = gateApp) =>
      token({ grant_type: "password", username, password, ...(more as Record<string, string>) }, as),
    refresh: (refreshToken, as = gateApp) => token({ grant_type: "refresh_token", refresh_token: refreshToken }, as),
    introspect: (subject, as = gateApp, more = {}) =>
      post("token/introspect", { ...of(as), token: subject, ...(more as Record<string, string>) }),
    userinfo: (headers = {}, form) =>
      form === undefined
        ? ask(`${issuer}/protocol/openid-connect/userinfo`, { headers })
        : post("userinfo", form, headers),
    get: path => ask(url + path),
    admin,
    async createUser(username, more = {}) {
      const names = { email: `${username}@example.test`, firstName: "Test", lastName: "User" }
      const account = {
        username,
        enabled: true,
        ...names,
        credentials: [{ type: "password", value: password }],
        ...more,
      }
      const { status, headers } = await admin("POST", "/users", account)
      const id = headers.get("location")?.split("/").pop()
      if (status !== 201 || id === undefined) throw new Error(`creating a user: ${status}`)
      return id
    },
  }
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
}

export function headerOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString())
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // HTML or nothing: what it is, `expect` says
  }
}

/** An answer that a failing assertion may print. */
export function withoutTokens(body: Record<string, unknown>): Record<string, unknown> {
  const isToken = (name: string) => /^(access|refresh|id)_token$/.test(name)
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, isToken(name) ? "…" : value]))
}

/** So many seconds, less what a busy server takes to answer. */
export function about(seconds: number): unknown {
  return {
    asymmetricMatch: (value: unknown) => typeof value === "number" && value <= seconds && value > seconds - 30,
    toString: () => `about ${seconds}`,
  }
}
