import { type FieldProblem, GateError } from "../errors.js"
import { boundFields, named } from "../fields.js"
import { jsonOrText } from "./answer.js"
import { unavailable } from "./network-error.js"
import type { Share } from "./places.js"
import type { Realm } from "./realm.js"
import type { ServiceToken } from "./service-token.js"
import { lacksManageUsers, refused } from "./set-up-errors.js"
import type { Transport } from "./transport.js"
import { type KeycloakErrorKind, readKeycloakError } from "./words.js"

/** Keycloak's Admin API of one realm, as its service account asks it: the one way there. */
export interface AdminApi {
  readonly clientId: string
  readonly url: string
  readonly share: Share
  readonly serviceToken: ServiceToken
  /**
   * Asks. Null: there is no such account, group, client or session. `parse` makes null of what Keycloak does not send.
   * `lacksRole` is the error behind a 403.
   */
  readonly read: <Value>(
    path: string,
    parse: (data: unknown) => Value | null,
    lacksRole?: LacksRole,
  ) => Promise<Value | null>
  /** Writes, which Keycloak answers with 204; any other good status is a proxy's. Kinds that are named are no errors. */
  readonly command: <Kind extends KeycloakErrorKind = never>(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
    expected?: readonly Kind[],
  ) => Promise<"done" | "absent" | NoInfer<Kind>>
  /** Creates, which Keycloak answers with 201; the address of what was made, foreign text still. */
  readonly create: (path: string, body: unknown) => Promise<string>
  /** An id of an answer as part of a path: a step in the path would lead elsewhere, up to the realm itself. */
  readonly segment: (id: unknown) => string
  /** The error behind a good status with what Keycloak does not send, be it a proxy's HTML. */
  readonly notKeycloak: () => GateError
}

type LacksRole = (clientId: string) => GateError

interface AdminAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed, or the text of what is no JSON; null for none. */
  readonly data: unknown
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

  const notKeycloak = () =>
    unavailable(url, "its Admin API answered something else than Keycloak does; a proxy may stand before it")

  /** The error behind an answer that is none of those that were asked for. */
  function refusal({ status, data }: AdminAnswer, lacksRole: LacksRole): GateError {
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
      case "change_collided":
        return unavailable(
          url,
          "another change of the same account came in between, and this one was not made",
          undefined,
          {
            status,
          },
        )
      case "rules_broken":
      case "password_refused":
      case "read_only":
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
  }

  return {
    url,
    clientId,
    share,
    serviceToken,
    async read(path, parse, lacksRole = lacksManageUsers) {
      const answer = await ask("GET", path)
      if (isAbsent(answer)) return null
      if (answer.status !== 200) throw refusal(answer, lacksRole)
      const value = parse(answer.data)
      if (value === null) throw notKeycloak()
      return value
    },
    async command(method, path, body, expected = []) {
      const answer = await ask(method, path, body)
      if (answer.status === 204) return "done"
      if (isAbsent(answer)) return "absent"
      const { kind } = readKeycloakError(answer.status, answer.data)
      const known = expected.find(one => one === kind)
      if (known !== undefined) return known
      throw refusal(answer, lacksManageUsers)
    },
    async create(path, body) {
      const answer = await ask("POST", path, body)
      if (answer.status !== 201) throw refusal(answer, lacksManageUsers)
      return answer.headers.get("location") ?? ""
    },
    segment(id) {
      if (typeof id !== "string" || ["", ".", ".."].includes(id)) throw notKeycloak()
      return encodeURIComponent(id)
    },
    notKeycloak,
  }
}

/** A list, whatever is in it. */
export function toList<Item>(data: unknown): readonly Item[] | null {
  return Array.isArray(data) ? data : null
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

const absences: readonly KeycloakErrorKind[] = ["account_absent", "client_absent", "group_absent", "session_absent"]

/** Keycloak's 404 in its words alone: a realm that is not there answers 404 too, and so may a proxy. */
function isAbsent({ status, data }: AdminAnswer): boolean {
  return absences.includes(readKeycloakError(status, data).kind)
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
