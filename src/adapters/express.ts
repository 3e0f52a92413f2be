import type { IncomingMessage, ServerResponse } from "node:http"
import type { Request } from "express"
import type { Gate } from "../gate.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal } from "../verify/principal.js"
import { carrier } from "./express-carrier.js"
import { unreadBody } from "./form-body.js"
import {
  type AdapterOptions,
  admit,
  answerTo,
  answerToThrown,
  asError,
  createGuard,
  createMount,
  type GuardRequirements,
  type PrincipalKind,
  type PrincipalOf,
  readPrincipal,
  type WithPrincipal,
} from "./guard.js"
import {
  type Answer,
  type AnswerRequest,
  type BackchannelLogoutOptions,
  type Handlers,
  handlersFor,
  type PasswordResetHandlerOptions,
  type RegisterHandlerOptions,
} from "./handlers.js"

export type {
  AdapterOptions,
  BackchannelLogoutOptions,
  GuardRequirements,
  Handlers,
  PasswordResetHandlerOptions,
  PrincipalKind,
  PrincipalOf,
  RegisteredUser,
  RegisterHandlerOptions,
  WithPrincipal,
}

declare global {
  namespace Express {
    interface Request {
      /** Who asks, or null without Bearer credentials; set by `authenticate`. */
      principal: Principal<RegisteredUser> | null
    }
  }
}

type Next = (error?: unknown) => void

/** An Express middleware or handler; it names no route parameters, so that those of your path stay typed. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => Promise<void> | void

/**
 * Middleware that verifies the bearer token and sets `req.principal`.
 *
 * A request without Bearer credentials passes with `req.principal` null, for `requireUser` or another authenticator; a
 * bad token is refused here. Only the `Authorization` header is looked at.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @example
 * app.use(authenticate(gate))
 * app.get("/me", requireUser(), (req, res) => res.json(principalOf(req, "user").user))
 */
export function authenticate(gate: Gate<RegisteredUser>, options: AdapterOptions = {}): Middleware {
  const mount = createMount(gate, options)
  return middleware(request => {
    answerAtTheEnd(request)
    return admit(carrier, request, request, mount)
  })
}

/**
 * Guard for a route behind `authenticate`: a person's token is needed, and whatever else is listed. `allow` asks the
 * application itself.
 *
 * @throws {GateError} `config_invalid` when a requirement is misspelt, empty or of the wrong type
 * @example
 * app.get("/editor", requireUser({ clientRoles: { "shop-api": ["editor"] } }), handler)
 */
export function requireUser<Kind extends PrincipalKind = "user">(
  requirements: GuardRequirements<Request, Kind> = {},
): Middleware {
  return middleware(createGuard(carrier, requirements))
}

/**
 * Who asks, never null; with a kind, narrowed to it.
 *
 * @throws {GateError} `credentials_missing` when nobody does; `insufficient_scope` when the principal is of the other
 * kind; `config_invalid` without `authenticate`, and for a principal that no gate made
 */
export const principalOf: PrincipalOf<WithPrincipal> = ((request, kind?: "user" | "service") =>
  readPrincipal(carrier, request, kind)) as PrincipalOf<WithPrincipal>

const handlers: Handlers<Request, Middleware> = handlersFor(toHandler, carrier, request => ({
  method: request.method,
  unread: unreadBody(request),
}))

/** Handler that registers the person in the JSON body; mount a body parser before it. */
export const registerHandler: Handlers<Request, Middleware>["registerHandler"] = handlers.registerHandler

/** Handler that logs `username`, `password` and perhaps `otp` of the JSON body in. */
export const loginHandler: Handlers<Request, Middleware>["loginHandler"] = handlers.loginHandler

/** Handler that answers `refresh_token` of the JSON body with new tokens. */
export const refreshHandler: Handlers<Request, Middleware>["refreshHandler"] = handlers.refreshHandler

/** Handler that ends the session of `refresh_token` of the JSON body. */
export const logoutHandler: Handlers<Request, Middleware>["logoutHandler"] = handlers.logoutHandler

/**
 * Handler that has Keycloak send a mail to reset the password to the `email` of the JSON body; always the same 202,
 * whether there is such an account or not. Put a rate limit before it.
 */
export const passwordResetHandler: Handlers<Request, Middleware>["passwordResetHandler"] = handlers.passwordResetHandler

/**
 * Handler that changes the password, for `currentPassword`, `newPassword` and perhaps `otp` of the JSON body: behind
 * `authenticate` with a token, that of the token's person alone; without one, that of the body's `username`.
 */
export const changePasswordHandler: Handlers<Request, Middleware>["changePasswordHandler"] =
  handlers.changePasswordHandler

/**
 * Handler that hears from Keycloak that a session has ended, and refuses its tokens from then on: the Backchannel logout URL
 * of a client leads to it. Needs no body parser.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @see OpenID Connect Back-Channel Logout 1.0
 * @example
 * app.post("/backchannel-logout", backchannelLogoutHandler(gate, { clients: ["shop-web"] }))
 */
export const backchannelLogoutHandler: Handlers<Request, Middleware>["backchannelLogoutHandler"] =
  handlers.backchannelLogoutHandler

type ErrorHandler = (error: unknown, request: IncomingMessage, response: ServerResponse, next: Next) => void

/** What is asked of Express's application. */
interface App {
  /** The one that it is mounted in. */
  readonly parent?: App | undefined
  readonly use: (handler: ErrorHandler) => unknown
}

// Applications whose last error handler is ours, and the prototypes of their requests, which cost less to look at.
const answered = new WeakSet<object>()

/**
 * No middleware of Express hears of what a handler behind it throws. An error handler at the very end does, if nobody has
 * answered before. It goes there with the first request, when the application's own are in their place.
 */
function answerAtTheEnd(request: IncomingMessage & { readonly app?: App }): void {
  const prototype = Object.getPrototypeOf(request) as object
  if (answered.has(prototype) || request.app === undefined) return
  answered.add(prototype)
  const outermost = outermostOf(request.app)
  if (answered.has(outermost)) return
  answered.add(outermost)
  outermost.use(answerThrown)
}

function outermostOf(app: App): App {
  return app.parent === undefined ? app : outermostOf(app.parent)
}

/** What no gate has met, and what is not this library's, goes on to Express. */
const answerThrown: ErrorHandler = (error, request, response, next) => {
  const refusal = carrier.get(request) === undefined ? null : answerToThrown(carrier, request, error)
  if (refusal === null || response.headersSent) next(asError(error))
  else send(response, refusal)
}

/** Goes on at once after a step that does not have to wait, so that a guard costs no promise. */
function middleware(step: (request: IncomingMessage) => Promise<void> | void): Middleware {
  return (request, response, next) => {
    function refuse(error: unknown): void {
      const refusal = answerTo(carrier, request, error)
      if (refusal === null || response.headersSent) next(asError(error))
      else send(response, refusal)
    }
    try {
      const waiting = step(request)
      if (waiting !== undefined) return waiting.then(() => next(), refuse)
    } catch (error) {
      return refuse(error)
    }
    next()
  }
}

function toHandler(answer: AnswerRequest<Request>): Middleware {
  return async (request, response, next) => {
    try {
      const { body } = request as Request
      send(response, await answer(body, request as Request, request.headers))
    } catch (error) {
      next(asError(error))
    }
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
