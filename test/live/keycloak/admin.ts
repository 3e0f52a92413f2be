import { readFile } from "node:fs/promises"
import { withKeys } from "./realm-keys.ts"

export interface AdminAccess {
  readonly url: string
  readonly adminUsername: string
  readonly adminPassword: string
}

interface AdminAnswer {
  readonly status: number
  /** Parsed JSON, or null where Keycloak answers with an empty body. */
  readonly body: unknown
  readonly location: string | null
}

export interface RealmFile {
  readonly realm: string
  readonly [key: string]: unknown
}

export interface KeycloakAdmin {
  /** `path` is what follows `/admin`, for example `/realms/gate-test/users`. */
  send(method: string, path: string, body?: unknown): Promise<Response>
  /** The same call, read. Throws unless Keycloak answers 2xx. */
  adminFetch(method: string, path: string, body?: unknown): Promise<AdminAnswer>
  importRealm(realm: RealmFile): Promise<void>
  deleteRealm(name: string): Promise<void>
}

/** The Admin REST API for tests, as the administrator of the master realm. */
export function createAdmin(access: AdminAccess): KeycloakAdmin {
  const accessToken = cachedToken(access)

  async function send(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(`${access.url}/admin${path}`, {
      method,
      headers: { authorization: `Bearer ${await accessToken()}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(60_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  async function adminFetch(method: string, path: string, body?: unknown): Promise<AdminAnswer> {
    const response = await send(method, path, body)
    const answer = await readAnswer(response)
    if (response.ok) return answer
    throw new Error(`${method} ${path}: Keycloak answered ${answer.status}${reasonIn(answer.body)}`)
  }

  return {
    send,
    adminFetch,
    importRealm: async realm => {
      await adminFetch("POST", "/realms", withKeys(realm))
    },
    deleteRealm: async name => {
      await adminFetch("DELETE", `/realms/${encodeURIComponent(name)}`)
    },
  }
}

export async function readRealm(file: string): Promise<RealmFile> {
  return JSON.parse(await readFile(file, "utf8"))
}

/** A token of the master realm lives 60 s; a fresh login for every call would cost a password hash each. */
function cachedToken(access: AdminAccess): () => Promise<string> {
  let token: string | null = null
  let renewAt = 0
  return async () => {
    if (token !== null && Date.now() < renewAt) return token
    const { access_token, expires_in } = await requestToken(access)
    renewAt = Date.now() + (expires_in - 15) * 1000
    token = access_token
    return token
  }
}

async function requestToken(access: AdminAccess): Promise<{ access_token: string; expires_in: number }> {
  const response = await fetch(`${access.url}/realms/master/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "password",
      client_id: "admin-cli",
      username: access.adminUsername,
      password: access.adminPassword,
    }),
    signal: AbortSignal.timeout(60_000),
  }).catch((cause: unknown) => {
    throw new Error(`Can't reach Keycloak at ${access.url}`, { cause })
  })
  if (response.ok) return response.json() as Promise<{ access_token: string; expires_in: number }>
  throw new Error(`Keycloak at ${access.url} refused the administrator's login (${response.status})`)
}

async function readAnswer(response: Response): Promise<AdminAnswer> {
  const text = await response.text()
  return { status: response.status, body: parse(text), location: response.headers.get("location") }
}

function parse(text: string): unknown {
  if (text === "") return null
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}

/** Only Keycloak's own words: its `params` repeat what was sent, and that may be a person's data. */
function reasonIn(body: unknown): string {
  if (typeof body !== "object" || body === null) return ""
  const { errorMessage, error } = body as { errorMessage?: unknown; error?: unknown }
  const reason = errorMessage ?? error
  return typeof reason === "string" ? `: ${reason}` : ""
}
