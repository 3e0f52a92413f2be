import type { IncomingHttpHeaders } from "node:http"
import type { PasswordChange } from "../accounts/change-password.js"
import { isRedirectUri, type MailOptions } from "../accounts/mail-options.js"
import type { Registration } from "../accounts/register-user.js"
import { GateError } from "../errors.js"
import { isAttributeName } from "../fields.js"
import type { Gate } from "../gate.js"
import { gateInternals } from "../gate-internals.js"
import type { PasswordCredentials, Session } from "../login/login-with-password.js"
import { jsonNotStored } from "../refusal.js"
import type { Answer, AnswerRequest } from "./answer.js"
import { type BackchannelLogoutOptions, backchannelLogoutAnswer, type MessageOf } from "./backchannel-logout.js"
import {
  type AdapterOptions,
  answerAt,
  asError,
  type Carrier,
  createMount,
  type Mount,
  readOwnSubject,
} from "./guard.js"

export type { Answer, AnswerRequest, BackchannelLogoutOptions }

/** What `registerHandler` takes; `Request` is what the framework calls a request (Koa: its context). */
export interface RegisterHandlerOptions<Request = never> extends AdapterOptions {
  /** Names of profile attributes that the body may hold; all others are ignored. */
  readonly attributes?: readonly string[] | undefined
  /**
   * Your own sign-up data, read from the request and handed to `userStore.saveUser`; a promise is waited for. Check what
   * you take: this library doesn't. What it throws reaches the framework, and nobody is registered.
   */
  readonly extra?: ((request: Request) => unknown) | undefined
}

/** What `passwordResetHandler` takes. */
export interface PasswordResetHandlerOptions extends AdapterOptions, MailOptions {}

/** The same, for an answer that needs nothing else of the framework's request. */
export type AnswerBody = (body: unknown, request?: unknown, headers?: IncomingHttpHeaders) => Promise<Answer>

const noContent: Answer = { status: 204, headers: { "Cache-Control": "no-store" }, body: undefined }
const nameFields = ["username", "email", "firstName", "lastName", "password"]

/** The seven handlers of a framework: an adapter says how a handler is made, and what travels with a request. */
export interface Handlers<Request, Handler> {
  /** Registers whoever sends the fields of a registration: 201. */
  readonly registerHandler: (gate: Gate<unknown>, options?: RegisterHandlerOptions<Request>) => Handler
  /** Logs in with username and password: 200 and OAuth's names. */
  readonly loginHandler: (gate: Gate<unknown>, options?: AdapterOptions) => Handler
  /** New tokens for a refresh token: 200. */
  readonly refreshHandler: (gate: Gate<unknown>, options?: AdapterOptions) => Handler
  /** Ends the session of a refresh token: 204. */
  readonly logoutHandler: (gate: Gate<unknown>, options?: AdapterOptions) => Handler
  /** Sends the mail to set a new password, whether or not there is such an account. */
  readonly passwordResetHandler: (gate: Gate<unknown>, options?: PasswordResetHandlerOptions) => Handler
  /** Changes the password of whoever proves the current one. */
  readonly changePasswordHandler: (gate: Gate<unknown>, options?: AdapterOptions) => Handler
  /** Hears from Keycloak that a session has ended: 200, and its tokens are refused. */
  readonly backchannelLogoutHandler: (gate: Gate<unknown>, options?: BackchannelLogoutOptions) => Handler
}

export function handlersFor<Request, Handler>(
  toHandler: (answer: AnswerRequest<Request>) => Handler,
  carrier: Carrier<Request>,
  messageOf: MessageOf<Request>,
): Handlers<Request, Handler> {
  return {
    registerHandler: (gate, options = {}) => toHandler(registerAnswer(gate, options)),
    loginHandler: (gate, options = {}) => toHandler(loginAnswer(gate, options)),
    refreshHandler: (gate, options = {}) => toHandler(refreshAnswer(gate, options)),
    logoutHandler: (gate, options = {}) => toHandler(logoutAnswer(gate, options)),
    passwordResetHandler: (gate, options = {}) => toHandler(passwordResetAnswer(gate, options)),
    changePasswordHandler: (gate, options = {}) => toHandler(changePasswordAnswer(gate, options, carrier)),
    backchannelLogoutHandler: (gate, options = {}) => toHandler(backchannelLogoutAnswer(gate, options, messageOf)),
  }
}

export function registerAnswer<Request>(
  gate: Gate<unknown>,
  options: RegisterHandlerOptions<Request>,
): AnswerRequest<Request> {
  const mount = createMount(gate, options, given => {
    given.function("extra")
    given.one(
      "attributes",
      null,
      "a list of attribute names, none of them a field of every registration",
      names => names === null || areExtraAttributes(names),
    )
  })
  const attributeNames = [...(options.attributes ?? [])]
  const readExtra = options.extra
  return answering(mount, "registerHandler", async (body, request: Request) => {
    const attributes = pick(body, attributeNames)
    // Not yet a registration: registerUser checks every field, as it does for any caller.
    const registration = { ...pick(body, nameFields), attributes } as unknown as Registration
    const { subject, username, email } = await gate.registerUser(registration, await readExtra?.(request))
    return { status: 201, headers: jsonNotStored, body: { subject, username, email } }
  })
}

export function loginAnswer(gate: Gate<unknown>, options: AdapterOptions): AnswerBody {
  return answering(createMount(gate, options), "loginHandler", async body => {
    const credentials = pick(body, ["username", "password", "otp"]) as unknown as PasswordCredentials
    return sessionAnswer(await gate.loginWithPassword(credentials))
  })
}

function refreshAnswer(gate: Gate<unknown>, options: AdapterOptions): AnswerBody {
  return answering(createMount(gate, options), "refreshHandler", async body => {
    return sessionAnswer(await gate.refreshSession(refreshTokenIn(body)))
  })
}

export function logoutAnswer(gate: Gate<unknown>, options: AdapterOptions): AnswerBody {
  return answering(createMount(gate, options), "logoutHandler", async body => {
    await gate.logout(refreshTokenIn(body))
    return noContent
  })
}

/** One answer for every e-mail: whether there is such an account is nobody's business. */
function passwordResetAnswer(gate: Gate<unknown>, options: PasswordResetHandlerOptions): AnswerBody {
  const mount = createMount(gate, options, given => {
    given.one("redirectUri", null, "a URL", isRedirectUri)
    given.one("lifespanSeconds", 0, "a whole number of seconds", one => Number.isSafeInteger(one) && Number(one) > 0)
  })
  const { redirectUri, lifespanSeconds } = options
  return answering(mount, "passwordResetHandler", async body => {
    await gate.sendPasswordReset(pick(body, ["email"]).email as string, { redirectUri, lifespanSeconds })
    return { status: 202, headers: jsonNotStored, body: { accepted: true } }
  })
}

function changePasswordAnswer<Request>(
  gate: Gate<unknown>,
  options: AdapterOptions,
  carrier: Carrier<Request>,
): AnswerRequest<Request> {
  return answering(createMount(gate, options), "changePasswordHandler", async (body, request: Request) => {
    const subject = readOwnSubject(carrier, request)
    const change = pick(body, ["currentPassword", "newPassword", "otp", ...(subject === null ? ["username"] : [])])
    const whose = subject === null ? {} : { subject }
    await gate.changePassword({ ...change, ...whose } as unknown as PasswordChange)
    return noContent
  })
}

function answering<Request>(
  mount: Mount<unknown>,
  handler: string,
  answer: (body: unknown, request: Request) => Promise<Answer>,
): AnswerRequest<Request> {
  return async (body, request, headers = {}) => {
    if (isUnparsed(body, headers)) gateInternals(mount.gate)?.report(withoutParser(handler))
    try {
      return await answer(await body, request)
    } catch (error) {
      const refusal = answerAt(mount, error)
      if (refusal === null) throw asError(error)
      return refusal
    }
  }
}

/**
 * Whether JSON came and nobody has parsed it. A caller who sends something else, or nothing, looks alike but for the
 * headers, and is no reason to tell the programmer anything.
 */
function isUnparsed(body: unknown, headers: IncomingHttpHeaders): boolean {
  if (!/^application\/json(; ?charset=[\w-]+)?$/i.test(headers["content-type"] ?? "")) return false
  const length = Number(headers["content-length"] ?? 0)
  // The text of a JSON string has lost its quotes.
  if (typeof body === "string") return body !== "" && Buffer.byteLength(body) === length
  if (body !== undefined && !(body instanceof Uint8Array)) return false
  return length > 0 || headers["transfer-encoding"] !== undefined
}

function withoutParser(handler: string): GateError {
  return new GateError(
    "config_invalid",
    `${handler} got a JSON body that nobody had parsed, so it sees no fields. Mount a parser ahead of it: express.json() on ` +
      "Express, bodyParser() on Koa; Fastify has its own, so give it no other for application/json. Of a `Request` of the " +
      "web nobody may have read the body: read that of `request.clone()`.",
  )
}

/** RFC 6749 §5.1's names, and Keycloak's for the refresh token's life. */
function sessionAnswer(session: Session): Answer {
  const body = {
    access_token: session.accessToken,
    token_type: session.tokenType,
    expires_in: session.expiresInSeconds,
    refresh_token: session.refreshToken,
    refresh_expires_in: session.refreshExpiresInSeconds,
    scope: session.scope,
    ...(session.idToken !== undefined && { id_token: session.idToken }),
  }
  return { status: 200, headers: jsonNotStored, body }
}

/** Not a name of the registration itself, which would let a request fill the field twice. */
function areExtraAttributes(names: unknown): boolean {
  const isExtra = (name: unknown) => typeof name === "string" && isAttributeName(name) && !nameFields.includes(name)
  return Array.isArray(names) && names.every(isExtra)
}

function refreshTokenIn(body: unknown): string {
  return pick(body, ["refresh_token"]).refresh_token as string
}

/** The named own members that are there: nothing inherited, so `__proto__` in a body brings nothing along. */
function pick(body: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof body !== "object" || body === null) return {}
  const given = body as Record<string, unknown>
  return Object.fromEntries(names.filter(name => Object.hasOwn(given, name)).map(name => [name, given[name]]))
}
