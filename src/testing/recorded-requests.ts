import type { Call } from "./answer.js"
import { basicCredentials } from "./protocol/client-authentication.js"

/**
 * A request that the application has sent, to assert on.
 *
 * Passwords, client secrets, tokens and one-time codes are replaced by `"…"`, so that a failing assertion prints none.
 */
export interface RecordedRequest {
  readonly method: string
  /** Without the query and a slash at its end, such as `/realms/shop/protocol/openid-connect/token`. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** The client that asked, or whose token was presented; null where neither is told. */
  readonly from: string | null
  /** Form fields or JSON, or null where the request had none. */
  readonly body: unknown
  readonly status: number
}

/** The last ones are kept when a test sends more. */
const most = 10_000
const secrets: ReadonlySet<string> = new Set([
  ...["password", "client_secret", "refresh_token", "access_token", "token", "otp", "totp", "value", "secretData"],
  ...["client_assertion", "code", "subject_token"],
])

export function recordInto(requests: RecordedRequest[], call: Call, status: number): void {
  const { method, path, query, headers } = call
  const body = withoutSecrets(bodyOf(call))
  const from = clientOf(headers.authorization) ?? (body as { client_id?: string } | null)?.client_id ?? null
  const request = { method, path: path.replace(/(?<=.)\/$/, ""), query: Object.fromEntries(query), from, body, status }
  requests.push(Object.freeze(request))
  if (requests.length > most) requests.shift()
}

function clientOf(authorization: string | undefined): string | null {
  const [, payload] = /^Bearer +[\w-]+\.([\w-]+)\./i.exec(authorization ?? "") ?? []
  if (payload === undefined) return basicCredentials(authorization)?.clientId ?? null
  const claims = parsed(Buffer.from(payload, "base64url").toString()) as { azp?: string } | null
  return claims?.azp ?? null
}

function bodyOf({ body, headers }: Call): unknown {
  if (body === "") return null
  if (headers["content-type"]?.startsWith("application/x-www-form-urlencoded"))
    return Object.fromEntries(new URLSearchParams(body))
  return parsed(body)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function withoutSecrets(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(withoutSecrets)
  if (typeof body !== "object" || body === null) return body
  const entries = Object.entries(body).map(([name, value]) => [name, secrets.has(name) ? "…" : withoutSecrets(value)])
  return Object.fromEntries(entries)
}
