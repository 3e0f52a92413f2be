import { type FieldProblem, GateError } from "../errors.js"
import { boundFields, named } from "../fields.js"
import { unavailable } from "./network-error.js"
import type { Share } from "./places.js"
import { quotedName } from "./quoted.js"
import type { Realm } from "./realm.js"
import type { ServiceToken } from "./service-token.js"
import { answerOf, lacksManageUsers, refused } from "./set-up-errors.js"
import type { Transport } from "./transport.js"

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
    return { status: response.status, headers: response.headers, data: parsed(await response.text()) }
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
      if (status < 400 || !isKeycloaks(data)) {
        return unavailable(
          url,
          `its Admin API answered ${status}, and not as Keycloak does; a proxy may stand before it`,
        )
      }
      if (status === 409) {
        const field = takenField(data)
        return new GateError("user_exists", "An account with this username or e-mail exists.", { field })
      }
      if (isUndecided(data)) return unavailable(url, "it answered that it could not create the account, and not why")
      if (status === 400) return rejection(data)
      if (status === 403) return lacksRole(clientId)
      if (status === 401) {
        return refused(
          `Keycloak does not take the token of the service account "${clientId}" for its Admin API; is it asked under another ` +
            "host name than the one that issued the token?",
        )
      }
      return refused(
        `Keycloak's Admin API does not do what the service account "${clientId}" asks`,
        answerOf(status, data),
      )
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

function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text)
  } catch {
    // Something else than Keycloak speaks: what is no object has none of the expected members.
    return text
  }
}

/** Whether an answer's body has the form of Keycloak's errors. */
export function isKeycloaks(data: unknown): boolean {
  return typeof data === "object" && data !== null && ["error", "errorMessage", "errors"].some(name => name in data)
}

/** Keycloak's 404 for an account, in these words alone: a realm that is not there answers 404 too, and so may a proxy. */
export function isAbsent({ status, data }: AdminAnswer): boolean {
  return status === 404 && answerOf(status, data).error === "User not found"
}

/** What some of the losers of a race for one name get (26.7.4): a 400, from which only a second create learns more. */
function isUndecided(data: unknown): boolean {
  return (data as { errorMessage?: unknown } | null)?.errorMessage === "Could not create user"
}

function takenField(data: unknown): string | null {
  const message = String((data as { errorMessage?: unknown } | null)?.errorMessage)
  if (/same username$/.test(message)) return "username"
  return /same email$/.test(message) ? "email" : null
}

/** The 400s of Keycloak in their three shapes, without the values that they echo. */
function rejection(data: unknown): GateError {
  const { field, errorMessage, params, errors, error } = (data ?? {}) as Record<string, unknown>
  const listed = Array.isArray(errors) ? errors : typeof field === "string" ? [{ field, errorMessage, params }] : []
  const fields: FieldProblem[] = listed.map(one => ({
    field: quotedName(String(one?.field)),
    rule: quotedName(String(one?.errorMessage)),
    // Keycloak sends the field's name and, for some rules, what the person typed; numbers are the rule's own.
    params: Array.isArray(one?.params) ? one.params.filter((param: unknown) => typeof param === "number") : [],
  }))
  // The password policy has a shape of its own and names the first rule that was broken.
  if (fields.length === 0 && typeof error === "string" && /^invalidPassword/.test(error)) {
    fields.push({ field: "password", rule: quotedName(error), params: [] })
  }
  if (fields.length === 0 && errorMessage === "User name is missing") {
    fields.push({ field: "username", rule: "required", params: [] })
  }
  if (fields.length === 0)
    return refused(
      "Keycloak's Admin API does not understand the account that was sent; is it older than this library supports?",
    )
  const bounded = boundFields(fields)
  return new GateError("account_rejected", `Keycloak's rules refuse the registration: ${named(bounded)}.`, {
    fields: bounded,
  })
}
