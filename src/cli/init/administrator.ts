import { jsonOrText, readBody } from "../../keycloak/answer.js"
import { unreachable } from "../../keycloak/network-error.js"
import { type KeycloakError, quotedWords, readKeycloakError } from "../../keycloak/words.js"
import { InitError } from "./init-error.js"

/** Keycloak's Admin API, as an administrator asks it in one step of the set-up. */
export interface Administrator {
  /** Null: there is no such thing. `what` names it in an error. */
  readonly read: (what: string, path: string, method?: "GET" | "POST") => Promise<unknown>
  readonly write: (what: string, method: "POST" | "PUT", path: string, body: unknown) => Promise<void>
}

/** A token of its own for each step: one of `admin-cli` lives 60 s. */
export type Enter = () => Promise<Administrator>

export interface AdministratorsLogin {
  /** Where this process reaches Keycloak. */
  readonly baseUrl: string
  readonly realm: string
  readonly username: string
  readonly password: string
}

const timeoutMs = 30_000
/** A new realm gets keys, which takes a busy server more than a minute. */
const timeoutMsOfRealm = 300_000

interface Answer {
  readonly status: number
  readonly body: unknown
}

export function createAdministrator(login: AdministratorsLogin): Enter {
  const tokenUrl = `${login.baseUrl}/realms/${encodeURIComponent(login.realm)}/protocol/openid-connect/token`
  let refreshToken: string | null = null

  async function askToken(fields: Readonly<Record<string, string>>): Promise<string | Answer> {
    const body = new URLSearchParams({ client_id: "admin-cli", ...fields })
    const answer = await ask("POST", tokenUrl, { accept: "application/json" }, body)
    const given = (answer.body ?? {}) as { access_token?: unknown; refresh_token?: unknown }
    if (answer.status !== 200 || typeof given.access_token !== "string") return answer
    refreshToken = typeof given.refresh_token === "string" ? given.refresh_token : null
    return given.access_token
  }

  /** Brute-force protection refuses logins that follow each other closely, so the session is renewed while it lasts. */
  async function accessToken(): Promise<string> {
    if (refreshToken !== null) {
      const renewed = await askToken({ grant_type: "refresh_token", refresh_token: refreshToken })
      if (typeof renewed === "string") return renewed
    }
    const { username, password } = login
    const token = await askToken({ grant_type: "password", username, password })
    if (typeof token === "string") return token
    throw loginRefused(login, token)
  }

  return async () => {
    const token = await accessToken()
    const headers = { accept: "application/json", authorization: `Bearer ${token}` }
    const url = (path: string) => `${login.baseUrl}/admin/realms${path}`
    return {
      async read(what, path, method = "GET") {
        const answer = await ask(method, url(path), headers)
        if (answer.status === 200) return answer.body
        if (answer.status === 404) return null
        throw refused(login, `read ${what}`, answer)
      },
      async write(what, method, path, body) {
        const json = { ...headers, "content-type": "application/json" }
        const answer = await ask(
          method,
          url(path),
          json,
          JSON.stringify(body),
          path === "" ? timeoutMsOfRealm : timeoutMs,
        )
        if (answer.status < 200 || answer.status > 299) throw refused(login, `change ${what}`, answer)
      },
    }
  }
}

async function ask(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: string | URLSearchParams,
  limitMs = timeoutMs,
): Promise<Answer> {
  const init = { method, headers, redirect: "manual", signal: AbortSignal.timeout(limitMs) } as const
  try {
    const response = await fetch(url, { ...init, ...(body !== undefined && { body }) })
    const text = (await readBody(url, response.body ?? [])).toString()
    return { status: response.status, body: jsonOrText(text) }
  } catch (error) {
    // Its message holds the system's code and nothing that was sent.
    const [sentence = ""] = unreachable(url, error).message.split(". ")
    throw new InitError(
      "server-unreachable",
      `${sentence}.`,
      "Check that Keycloak runs, and run init again: it goes on where it stopped.",
    )
  }
}

function loginRefused(
  { realm, username, password, baseUrl }: AdministratorsLogin,
  { status, body }: Answer,
): InitError {
  const said = readKeycloakError(status, body)
  const who = `the administrator ${JSON.stringify(username)}`
  const home = `the realm ${JSON.stringify(realm)}`
  switch (said.kind) {
    case "realm_absent":
      return new InitError(
        "admin-realm-unknown",
        `Keycloak at ${baseUrl} has no realm ${JSON.stringify(realm)}, where the administrator is to be an account.`,
        "Set KEYCLOAK_ADMIN_REALM to the realm that the administrator logs in to, by default master.",
      )
    case "direct_grants_off":
      return new InitError(
        "admin-direct-grants-off",
        `The client "admin-cli" of ${home} has direct access grants off, so nobody can log in here as administrator.`,
        "Switch on Clients → admin-cli → Capability config → Direct access grants while init runs.",
      )
    case "account_unfinished":
      return new InitError(
        "admin-unfinished",
        `The password of ${who} is right, but a step is left before the first login, such as a one-time code to set up.`,
        "Log in to the console once and finish it, or take another administrator.",
      )
    case "client_unknown":
    case "secret_wrong":
      return new InitError(
        "admin-cli-unusable",
        `The client "admin-cli" of ${home} is disabled, absent, or asks for a secret.`,
        "Clients → admin-cli has to be there, enabled, with client authentication off.",
      )
    case "grant_refused":
      return new InitError(
        "admin-login-refused",
        `Keycloak does not let ${who} in to ${home}: wrong name or password, too many tries, or a one-time code is asked for.`,
        "Check KEYCLOAK_ADMIN, KEYCLOAK_ADMIN_PASSWORD and KEYCLOAK_ADMIN_REALM. Keycloak says the same of an " +
          "administrator with a one-time code: make another one with kc.sh bootstrap-admin user.",
      )
    default:
      return unexpected(`did not log ${who} in`, said, password)
  }
}

function refused(
  { username, realm, password }: AdministratorsLogin,
  what: string,
  { status, body }: Answer,
): InitError {
  const said = readKeycloakError(status, body)
  if (status !== 403) return unexpected(`did not ${what}`, said, password)
  return new InitError(
    "admin-lacks-rights",
    `The administrator ${JSON.stringify(username)} of the realm ${JSON.stringify(realm)} may not ${what} (403).`,
    "Take one of the realm master. An administrator of one realm needs its role realm-admin, and can't create realms.",
  )
}

function unexpected(what: string, said: KeycloakError, secret: string): InitError {
  const { status } = said
  return new InitError(
    // A proxy says 504 of a realm that is made meanwhile.
    status < 500 ? "keycloak-refused" : "server-failing",
    `Keycloak ${what}: ${[status, ...quotedWords(said, secret)].join(" ")}.`,
    "Read Keycloak's log, and run init again: it goes on where it stopped.",
  )
}
