import { GateError, isGateError } from "../../errors.js"
import { type AdminAnswer, type AdminApi, accountPath, isAbsent } from "../../keycloak/admin-api.js"
import type { KeycloakClock } from "../../keycloak/keycloak-clock.js"
import { wasNotDone } from "../../keycloak/network-error.js"
import { lacksManageUsers, refused } from "../../keycloak/set-up-errors.js"
import { readKeycloakError } from "../../keycloak/words.js"

/** What happens to an account after its registration. */
export interface AccountLife {
  /** Null: there is no such account. */
  readonly readAccount: (id: string) => Promise<StoredAccount | null>
  /** Accounts of exactly this e-mail: more than one where the realm allows that. */
  readonly findByEmail: (email: string) => Promise<readonly StoredAccount[]>
  /** Writes the members that are there and leaves the others; false: there is no such account. */
  readonly writeAccount: (id: string, change: AccountChange) => Promise<boolean>
  /** Lost: it may have been set, but the answer never came. */
  readonly setPassword: (id: string, password: NewPassword) => Promise<boolean | { readonly lost: GateError }>
  readonly sendPasswordReset: (id: string, mail: Mail) => Promise<MailOutcome>
  readonly sendEmailVerification: (id: string, mail: Mail) => Promise<MailOutcome>
}

/** An account as Keycloak has it. */
export interface StoredAccount {
  readonly id: string
  readonly username: string
  readonly email: string | null
  readonly emailVerified: boolean
  readonly firstName: string | null
  readonly lastName: string | null
  readonly enabled: boolean
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** When Keycloak said this, by its own clock. */
  readonly asOf: Date
}

export interface AccountChange {
  readonly username?: string
  /** Empty: removed; so are the names. */
  readonly email?: string
  readonly emailVerified?: boolean
  readonly firstName?: string
  readonly lastName?: string
  readonly enabled?: boolean
  /** All of them: what is not in here is removed. Username, e-mail and names have to come along. */
  readonly attributes?: Readonly<Record<string, readonly string[]>>
}

export interface NewPassword {
  readonly value: string
  /** Keycloak asks for another one at the next login. */
  readonly temporary: boolean
}

export interface Mail {
  readonly redirectUri?: string | undefined
  readonly lifespanSeconds?: number | undefined
}

export type MailOutcome = "sent" | "unknown" | "disabled" | "without_email"

export interface AccountCallsParts {
  readonly api: AdminApi
  readonly clock: KeycloakClock
  /** Whose redirect URIs a link in a mail may lead to. */
  readonly mailClientId: string
}

/** The Admin API's calls on one account. */
export function createAccountCalls({ api, clock, mailClientId }: AccountCallsParts): AccountLife {
  const { ask } = api
  const problem = (answer: AdminAnswer) => api.refusal(answer, lacksManageUsers)

  /** True for the 204 of a write, false where there is no such account. */
  function isDone(answer: AdminAnswer): boolean {
    if (isAbsent(answer)) return false
    if (answer.status !== 204) throw problem(answer)
    return true
  }

  /** Before the question: whatever is issued from now on is newer than the answer. */
  async function keycloakTime(): Promise<Date> {
    await api.serviceToken.get()
    return new Date(clock.now())
  }

  async function sendMail(path: string, { redirectUri, lifespanSeconds }: Mail, actions?: readonly string[]) {
    const query = new URLSearchParams({
      ...(redirectUri !== undefined && { client_id: mailClientId, redirect_uri: redirectUri }),
      ...(lifespanSeconds !== undefined && { lifespan: String(lifespanSeconds) }),
    })
    const answer = await ask("PUT", `${path}?${query}`, actions).catch((error: unknown) => {
      throw mailProblem(error)
    })
    return mailOutcome(answer) ?? (isDone(answer) ? "sent" : "unknown")
  }

  /** Why Keycloak sends no mail, where that is the account's state. */
  function mailOutcome({ status, data }: AdminAnswer): MailOutcome | null {
    const { kind } = readKeycloakError(status, data)
    if (kind === "account_disabled") return "disabled"
    if (kind === "email_missing") return "without_email"
    if (kind !== "redirect_refused") return null
    throw refused(
      `Keycloak refuses the \`redirectUri\` of a mail. Add it under Clients → ${mailClientId} → Settings → Valid redirect URIs`,
    )
  }

  return {
    async readAccount(id) {
      const asOf = await keycloakTime()
      const answer = await ask("GET", accountPath(id))
      if (isAbsent(answer)) return null
      const account = answer.status === 200 ? toAccount(answer.data, asOf) : null
      if (account?.id !== id) throw problem(answer)
      return account
    },
    async findByEmail(email) {
      const asOf = await keycloakTime()
      const query = new URLSearchParams({ email, exact: "true", max: "10" })
      const answer = await ask("GET", `/users?${query}`)
      if (answer.status !== 200 || !Array.isArray(answer.data)) throw problem(answer)
      const found = answer.data.map(one => toAccount(one, asOf))
      return found.flatMap(account => (account?.email?.toLowerCase() === email.toLowerCase() ? [account] : []))
    },
    writeAccount: async (id, change) => isDone(await ask("PUT", accountPath(id), change)),
    setPassword: (id, password) =>
      ask("PUT", `${accountPath(id)}/reset-password`, { type: "password", ...password })
        .then(isDone)
        .catch(lostOr),
    sendPasswordReset: (id, mail) => sendMail(`${accountPath(id)}/execute-actions-email`, mail, ["UPDATE_PASSWORD"]),
    sendEmailVerification: (id, mail) => sendMail(`${accountPath(id)}/send-verify-email`, mail),
  }
}

/** An outage in which a write may have done its work; all else is thrown. */
function lostOr(error: unknown): { readonly lost: GateError } {
  if (!isGateError(error) || error.code !== "keycloak_unavailable" || wasNotDone(error)) throw error
  return { lost: error }
}

/** An outage that may be one of the mail server alone: Keycloak's answer is a 500 either way. */
function mailProblem(error: unknown): unknown {
  if (!isGateError(error) || error.code !== "keycloak_unavailable") return error
  return new GateError(
    "keycloak_unavailable",
    `${error.message} If only mails fail, Keycloak can't send them: Realm settings → Email → Test connection.`,
    { retryAfterSeconds: error.retryAfterSeconds, cause: error },
  )
}

function toAccount(data: unknown, asOf: Date): StoredAccount | null {
  if (typeof data !== "object" || data === null) return null
  const { id, username, email, emailVerified, firstName, lastName, enabled, attributes } = data as Record<
    string,
    unknown
  >
  if (typeof id !== "string" || typeof username !== "string") return null
  return {
    id,
    username,
    email: textOrNull(email),
    emailVerified: emailVerified === true,
    firstName: textOrNull(firstName),
    lastName: textOrNull(lastName),
    enabled: enabled === true,
    attributes: (attributes ?? {}) as Readonly<Record<string, readonly string[]>>,
    asOf,
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null
}
