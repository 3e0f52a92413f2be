import { type FieldProblem, GateError } from "../errors.js"
import { boundFields, named } from "../fields.js"
import { jsonOrText } from "./answer.js"
import { unavailable } from "./network-error.js"
import type { Share } from "./places.js"
import type { Realm } from "./realm.js"
import type { ServiceToken } from "./service-token.js"
import { lacksManageUsers, refused } from "./set-up-errors.js"
import type { Transport } from "./transport.js"
import { readKeycloakError } from "./words.js"

/** What the Admin API answered, an error of its own included. */
export interface AdminAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed, or the text of what is no JSON; null for none. */
  readonly data: unknown
}

/** Keycloak's Admin API of one realm, as its service account asks it. */
export interface AdminApi {
  readonly url: string
  readonly clientId: string
  readonly share: Share
  readonly serviceToken: ServiceToken
  /** `path` is what follows the address of the realm; whoever makes it encodes what is in it. */
  readonly ask: (method: string, path: string, body?: unknown) => Promise<AdminAnswer>
  /** What the 200 of a question tells; null: there is no such account. */
  readonly read: (path: string) => Promise<unknown>
  /** A write, which Keycloak answers with 204; false: there is no such account. */
  readonly command: (method: string, path: string, body?: unknown) => Promise<boolean>
  /** The error behind an answer that is none of those that were asked for; `lacksRole` is that behind a 403. */
  readonly refusal: (answer: AdminAnswer, lacksRole: (clientId: string) => GateError) => GateError
  /** An id of an answer as part of a path: a step in the path would lead elsewhere, up to the realm itself. */
  readonly segment: (id: unknown) => string
  /** The error behind a good status with what Keycloak does not send, be it a proxy's HTML. */
  readonly notKeycloak: () => GateError
}

export interface AdminApiParts {
  readonly realm: Realm
  readonly clientId: string
  readonly transport: Transport
  /** Whose places its requests take. */
  readonly share: Share
  readonly serviceToken: ServiceToken
}

export function createAdminApi({ realm, clientId, transport, share, serviceToken }: AdminApiParts): AdminApi {
  const url = `${realm.baseUrl}/admin/realms/${encodeURIComponent(realm.name)}`

  async function send(token: string, method: string, path: string, body: unknown): Promise<AdminAnswer> {
    const response = await transport.fetch(
      `${url}${path}`,
      { endpoint: "admin", share, isRepeatable: mayArriveTwice(method, path) },
      {
        method,
        headers: { accept: "application/json", "content-type": "application/json", authorization: `Bearer ${token}` },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      },
    )
    return { status: response.status, headers: response.headers, data: jsonOrText(await response.text()) }
  }

  function ask(method: string, path: string, body?: unknown): Promise<AdminAnswer> {
    return serviceToken.use(
      token => send(token, method, path, body),
      ({ status }) => status === 401,
    )
  }

  const api: AdminApi = {
    url,
    clientId,
    share,
    serviceToken,
    ask,
    async read(path) {
      const answer = await ask("GET", path)
      if (isAbsent(answer)) return null
      if (answer.status !== 200) throw api.refusal(answer, lacksManageUsers)
      return answer.data
    },
    async command(method, path, body) {
      const answer = await ask(method, path, body)
      if (isAbsent(answer)) return false
      if (answer.status !== 204) throw api.refusal(answer, lacksManageUsers)
      return true
    },
    refusal({ status, data }, lacksRole) {
      const error = readKeycloakError(status, data)
      switch (status < 400 ? "foreign" : error.kind) {
        case "foreign":
          return unavailable(
            url,
            `its Admin API answered ${status}, and not as Keycloak does; a proxy may stand before it`,
          )
        case "username_taken":
          return taken("username")
        case "email_taken":
          return taken("email")
        case "name_taken":
          return taken(null)
        case "create_undecided":
          return unavailable(url, "it answered that it could not create the account, and not why")
        case "rules_broken":
        case "password_refused":
        case "username_missing":
          return rejected(error.fields)
        case "role_missing":
          return lacksRole(clientId)
        case "token_not_taken":
          return refused(
            `Keycloak does not take the token of the service account "${clientId}" for its Admin API; is it asked under another ` +
              "host name than the one that issued the token?",
          )
        default:
          return refused(`Keycloak's Admin API does not do what the service account "${clientId}" asks`, error)
      }
    },
    segment(id) {
      if (typeof id !== "string" || ["", ".", ".."].includes(id)) throw api.notKeycloak()
      return encodeURIComponent(id)
    },
    notKeycloak: () =>
      unavailable(url, "its Admin API answered something else than Keycloak does; a proxy may stand before it"),
  }
  return api
}

/** The path of one account. */
export function accountPath(id: string): string {
  if (!isAccountId(id)) throw new TypeError("no id of an account")
  return `/users/${encodeURIComponent(id)}`
}

/** Not these, which would address the collection of all accounts, the realm itself or its settings. */
export function isAccountId(id: string): boolean {
  return !["", ".", "..", "count", "profile"].includes(id)
}

/**
 * Whether a request may be sent once more where its answer was lost. Not a creation, nor a mail; nor a password, which
 * Keycloak may refuse at the second time, as one that was used before.
 */
function mayArriveTwice(method: string, path: string): boolean {
  return method !== "POST" && !/\/(reset-password|[a-z-]+-email)(\?|$)/.test(path)
}

/** Keycloak's 404 for an account, in its words alone: a realm that is not there answers 404 too, and so may a proxy. */
export function isAbsent({ status, data }: AdminAnswer): boolean {
  return readKeycloakError(status, data).kind === "account_absent"
}

function taken(field: "username" | "email" | null): GateError {
  return new GateError("user_exists", "An account with this username or e-mail exists.", { field })
}

function rejected(fields: readonly FieldProblem[]): GateError {
  const bounded = boundFields(fields)
  return new GateError("account_rejected", `Keycloak's rules refuse the account: ${named(bounded)}.`, {
    fields: bounded,
  })
}
