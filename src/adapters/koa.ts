import type { Middleware, ParameterizedContext } from "koa"
import type { Gate } from "../gate.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal } from "../verify/principal.js"
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
  onProperties,
  type PrincipalKind,
  type PrincipalOf,
  readPrincipal,
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
}

/** What `authenticate` adds to `ctx.state`: `new Koa<PrincipalState>()`, `new Router<PrincipalState>()`. */
export interface PrincipalState {
  /** Who asks, or null without Bearer credentials. */
  principal: Principal<RegisteredUser> | null
}

type Context = ParameterizedContext<object, object>

/** Koa's context behind a body parser. */
type ParsedContext = ParameterizedContext & { readonly request: { readonly body?: unknown } }

const carrier = onProperties(({ state }: { readonly state: object }) => state)

/**
 * Middleware that verifies the bearer token and sets `ctx.state.principal`.
 *
 * A request without Bearer credentials passes with `ctx.state.principal` null, for `requireUser` or another
 * authenticator; a bad token is refused here. Only the `Authorization` header is looked at.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @example
 * app.use(authenticate(gate))
 * router.get("/me", requireUser(), ctx => { ctx.body = principalOf(ctx, "user").user })
 */
export function authenticate(
  gate: Gate<RegisteredUser>,
  options: AdapterOptions = {},
): Middleware<PrincipalState, object> {
  const mount = createMount(gate, options)
  const verify = middleware(ctx => admit(carrier, ctx, ctx.req, mount))
  return (ctx, next) => verify(ctx, () => next().catch(error => answerThrown(ctx, error)))
}

/**
 * Guard for a route behind `authenticate`: a person's token is needed, and whatever else is listed. `allow` asks the
 * application itself.
 *
 * @throws {GateError} `config_invalid` when a requirement is misspelt, empty or of the wrong type
 * @example
 * router.get("/editor", requireUser({ clientRoles: { "shop-api": ["editor"] } }), handler)
 */
export function requireUser<Kind extends PrincipalKind = "user">(
  requirements: GuardRequirements<Context, Kind> = {},
): Middleware<object, object> {
  return middleware(createGuard(carrier, requirements))
}

/**
 * Who asks, never null; with a kind, narrowed to it.
 *
 * @throws {GateError} `credentials_missing` when nobody does; `insufficient_scope` when the principal is of the other
 * kind; `config_invalid` without `authenticate`, and for a principal that no gate made
 */
export const principalOf: PrincipalOf<{ readonly state: object }> = ((ctx, kind?: "user" | "service") =>
  readPrincipal(carrier, ctx, kind)) as PrincipalOf<{ readonly state: object }>

const handlers: Handlers<ParsedContext, Middleware<object, object>> = handlersFor(toHandler, carrier, ({ req }) => ({
  method: req.method,
  unread: unreadBody(req),
}))

/** Handler that registers the person in the JSON body; mount a body parser before it. */
export const registerHandler: Handlers<ParsedContext, Middleware<object, object>>["registerHandler"] =
  handlers.registerHandler

/** Handler that logs `username`, `password` and perhaps `otp` of the JSON body in. */
export const loginHandler: Handlers<ParsedContext, Middleware<object, object>>["loginHandler"] = handlers.loginHandler

/** Handler that answers `refresh_token` of the JSON body with new tokens. */
export const refreshHandler: Handlers<ParsedContext, Middleware<object, object>>["refreshHandler"] =
  handlers.refreshHandler

/** Handler that ends the session of `refresh_token` of the JSON body. */
export const logoutHandler: Handlers<ParsedContext, Middleware<object, object>>["logoutHandler"] =
  handlers.logoutHandler

/**
 * Handler that has Keycloak send a mail to reset the password to the `email` of the JSON body; always the same 202,
 * whether there is such an account or not. Put a rate limit before it.
 */
export const passwordResetHandler: Handlers<ParsedContext, Middleware<object, object>>["passwordResetHandler"] =
  handlers.passwordResetHandler

/**
 * Handler that changes the password, for `currentPassword`, `newPassword` and perhaps `otp` of the JSON body: behind
 * `authenticate` with a token, that of the token's person alone; without one, that of the body's `username`.
 */
export const changePasswordHandler: Handlers<ParsedContext, Middleware<object, object>>["changePasswordHandler"] =
  handlers.changePasswordHandler

/**
 * Handler that hears from Keycloak that a session has ended, and refuses its tokens from then on: the Backchannel logout URL
 * of a client leads to it. Needs no body parser.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @see OpenID Connect Back-Channel Logout 1.0
 * @example
 * router.post("/backchannel-logout", backchannelLogoutHandler(gate, { clients: ["shop-web"] }))
 */
export const backchannelLogoutHandler: Handlers<ParsedContext, Middleware<object, object>>["backchannelLogoutHandler"] =
  handlers.backchannelLogoutHandler

/** Goes on at once after a step that does not have to wait, so that a guard costs no promise. */
function middleware(step: (ctx: Context) => Promise<void> | void): Middleware<object, object> {
  return (ctx, next) => {
    function refuse(error: unknown): void {
      const refusal = answerTo(carrier, ctx, error)
      if (refusal === null || ctx.headerSent) throw asError(error)
      send(ctx, refusal)
    }
    try {
      const waiting = step(ctx)
      if (waiting !== undefined) return waiting.then(next, refuse)
    } catch (error) {
      return refuse(error)
    }
    return next()
  }
}

/** Behind `authenticate`: what is not this library's goes on to the application. */
function answerThrown(ctx: Context, error: unknown): void {
  const refusal = answerToThrown(carrier, ctx, error)
  if (refusal === null || ctx.headerSent) throw error
  send(ctx, refusal)
}

function toHandler(answer: AnswerRequest<ParsedContext>): Middleware<object, object> {
  return async ctx => {
    const parsed = ctx as ParsedContext
    send(ctx, await answer(parsed.request.body, parsed, ctx.headers))
  }
}

function send(ctx: Context, { status, headers, body }: Answer): void {
  ctx.status = status
  ctx.set(headers)
  if (body !== undefined) ctx.body = body
  // Koa says the status in words where there is no body at all.
  else if (status !== 204) ctx.body = ""
}
