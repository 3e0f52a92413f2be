import { type Answer, claimsOf, headerOf } from "./realm-client.ts"
import { filePassword, openedFile, type RealmFileCase } from "./realm-files.ts"

/** All that one can ask a realm that came of a file, without what differs from run to run. */
export async function observe(
  address: { readonly url: string; readonly realm: string },
  { file, logins, manager }: RealmFileCase,
): Promise<Record<string, unknown>> {
  const at = openedFile(address, manager)
  const seen: Record<string, unknown> = {}
  const note = (name: string, value: unknown) => {
    seen[name] = plain(value, address.url)
  }

  note("discovery", (await at.get(`/realms/${address.realm}/.well-known/openid-configuration`)).body)
  for (const login of logins) {
    const name = Object.values(login).join(" ")
    const as = { id: login.client, secret: login.secret ?? "gate-secret" }
    const answer = await at.enter(login)
    note(`login ${name}`, session(answer))
    const { access_token, refresh_token } = answer.body as { access_token?: string; refresh_token?: string }
    if (access_token === undefined) continue
    note(`userinfo ${name}`, userinfo(await at.userinfo({ authorization: `Bearer ${access_token}` })))
    note(`introspection ${name}`, told(await at.introspect(access_token, as)))
    if (refresh_token !== undefined) note(`refresh ${name}`, session(await at.refresh(refresh_token, as)))
    const { status } = await at.post("revoke", { client_id: as.id, client_secret: as.secret, token: access_token })
    const after = await at.userinfo({ authorization: `Bearer ${access_token}` })
    note(`revocation ${name}`, [status, after.status])
  }
  for (const { clientId } of file.clients) {
    const as = { id: clientId, secret: "gate-secret" }
    note(`itself ${clientId}`, session(await at.token({ grant_type: "client_credentials" }, as)))
    note(`wrong secret ${clientId}`, told(await at.introspect("junk", { id: clientId, secret: "wrong" })))
    note(`logout ${clientId}`, told(await at.post("logout", { ...fields(as), refresh_token: "junk" })))
  }
  if (manager !== undefined) await observeAccounts(at, note)
  return seen
}

const fields = ({ id, secret }: { id: string; secret: string }) => ({ client_id: id, client_secret: secret })

async function observeAccounts(
  at: ReturnType<typeof openedFile>,
  note: (name: string, value: unknown) => void,
): Promise<void> {
  const asked = ["", "/users/profile", "/users?max=100", "/users/count", "/groups", "/roles"]
  for (const path of [...asked, "/authentication/required-actions", "/events", "/admin-events"])
    note(`GET ${path}`, told(await at.admin("GET", path)))
  const person = { username: "made-here", email: "made-here@example.test", enabled: true }
  const credentials = [{ type: "password", value: filePassword }]
  const attributes = { plan: ["pro"], phone: ["1"] }
  const created = await at.admin("POST", "/users", { ...person, credentials, attributes })
  note("create", told(created))
  note("create again", told(await at.admin("POST", "/users", person)))
  note("create without e-mail", told(await at.admin("POST", "/users", { username: "no-mail", enabled: true })))
  const id = created.headers.get("location")?.split("/").pop()
  note("created", told(await at.admin("GET", `/users/${id}`)))
  note("roles of created", told(await at.admin("GET", `/users/${id}/role-mappings/realm/composite`)))
  note("groups of created", told(await at.admin("GET", `/users/${id}/groups`)))
  for (const client of ["shop-api", "shop-web"])
    note(`login of created at ${client}`, session(await at.enter({ client, user: "made-here@example.test" })))
  note("mail", told(await at.admin("PUT", `/users/${id}/execute-actions-email`, ["terms_and_conditions"])))
  note("short password", told(await at.admin("PUT", `/users/${id}/reset-password`, { value: "x" })))
}

function told({ status, body }: Answer): unknown {
  return { status, body }
}

function userinfo({ status, body, headers }: Answer): unknown {
  const type = headers.get("content-type")
  return { status, type, body: type === "application/jwt" ? [headerOf(body), claimsOf(body)] : body }
}

/** A token answer, with what is in its tokens. */
function session({ status, body }: { readonly status: number; readonly body: Record<string, unknown> }): unknown {
  const token = (name: string) => {
    const value = body[name]
    return typeof value === "string" ? { [name]: [headerOf(value), claimsOf(value)] } : {}
  }
  return { status, body: { ...body, ...token("access_token"), ...token("id_token"), ...token("refresh_token") } }
}

const moments = new Set(["exp", "iat", "auth_time", "createdTimestamp", "notBefore"])
const random = new Set(["kid", "sid", "at_hash", "session_state", "id", "containerId", "sub"])

/** Lists are sorted, since Keycloak promises no order. */
function plain(value: unknown, url: string, name = ""): unknown {
  if (Array.isArray(value)) return value.map(one => plain(one, url)).sort((a, b) => (text(a) < text(b) ? -1 : 1))
  if (typeof value === "object" && value !== null) {
    const { exp, iat } = value as { exp?: number; iat?: number }
    const lives = exp !== undefined && iat !== undefined ? { lives: roughly(exp - iat) } : {}
    const entries = Object.entries(value).map(([key, one]) => [key, plain(one, url, key)])
    return { ...Object.fromEntries(entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))), ...lives }
  }
  if (moments.has(name)) return "a moment"
  if (random.has(name)) return "random"
  if (name === "jti") return String(value).replace(/[0-9a-f-]{36}$/, "")
  if (/expires_in$/.test(name)) return roughly(Number(value))
  return typeof value === "string" ? words(value.replaceAll(url, "URL"), name) : value
}

function words(value: string, name: string): string {
  return name === "scope" ? value.split(" ").sort().join(" ") : value
}

/** A busy server takes a while. */
function roughly(seconds: number): number {
  return Math.ceil(seconds / 30) * 30
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? ""
}
