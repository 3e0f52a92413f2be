import type { Middleware, ParameterizedContext } from "koa"
import type { Gate } from "../gate.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal } from "../verify/principal.js"
import type { Requirements } from "../verify/requirements.js"
import {
  type AdapterOptions,
  admit,
  answerTo,
  createGuard,
  createMount,
  type PrincipalOf,
  readPrincipal,
} from "./guard.js"
import {
  type Answer,
  type AnswerRequest,
  changePasswordAnswer,
  loginAnswer,
  logoutAnswer,
  type PasswordResetHandlerOptions,
  passwordResetAnswer,
  type RegisterHandlerOptions,
  refreshAnswer,
  registerAnswer,
} from "./handlers.js"

export type { AdapterOptions, PasswordResetHandlerOptions, PrincipalOf, RegisteredUser, RegisterHandlerOptions }

/** What `authenticate` adds to `ctx.state`: `new Koa<PrincipalState>()`, `new Router<PrincipalState>()`. */
export interface PrincipalState {
  /** Who asks, or null without Bearer credentials. */
  principal: Principal<RegisteredUser> | null
}

type Context = ParameterizedContext<object, object>

/** Koa's context behind a body parser. */
type ParsedContext = ParameterizedContext & { readonly request: { readonly body?: unknown } }

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
  return middleware(ctx => admit(ctx.state, ctx.req, mount))
}

/**
 * Guard for a route behind `authenticate`: a person's token is needed, and whatever else is listed.
 *
 * @throws {GateError} `config_invalid` when a requirement is misspelt, empty or of the wrong type
 * @example
 * router.get("/editor", requireUser({ clientRoles: { "shop-api": ["editor"] } }), handler)
 */
export function requireUser(requirements: Requirements = {}): Middleware<object, object> {
  const guard = createGuard(requirements)
  return middleware(ctx => guard(ctx.state))
}

/**
 * Who asks, never null; with a kind, narrowed to it.
 *
 * @throws {GateError} `credentials_missing` when nobody does; `insufficient_scope` when the principal is of the other
 * kind; `config_invalid` without `authenticate`, and for a principal that no gate made
 */
export const principalOf: PrincipalOf<{ readonly state: object }> = ((ctx, kind?: "user" | "service") =>
  readPrincipal(ctx.state, kind)) as PrincipalOf<{ readonly state: object }>

/** Handler that registers the person in the JSON body; mount a body parser before it. */
export function registerHandler(
  gate: Gate<unknown>,
  options: RegisterHandlerOptions<ParsedContext> = {},
): Middleware<object, object> {
  return handler(registerAnswer(gate, options))
}

/** Handler that logs `username`, `password` and perhaps `otp` of the JSON body in. */
export function loginHandler(gate: Gate<unknown>, options: AdapterOptions = {}): Middleware<object, object> {
  return handler(loginAnswer(gate, options))
}

/** Handler that answers `refresh_token` of the JSON body with new tokens. */
export function refreshHandler(gate: Gate<unknown>, options: AdapterOptions = {}): Middleware<object, object> {
  return handler(refreshAnswer(gate, options))
}

/** Handler that ends the session of `refresh_token` of the JSON body. */
export function logoutHandler(gate: Gate<unknown>, options: AdapterOptions = {}): Middleware<object, object> {
  return handler(logoutAnswer(gate, options))
}

/**
 * Handler that has Keycloak send a mail to reset the password to the `email` of the JSON body; always the same 202,
 * whether there is such an account or not. Put a rate limit before it.
 */
export function passwordResetHandler(
  gate: Gate<unknown>,
  options: PasswordResetHandlerOptions = {},
): Middleware<object, object> {
  return handler(passwordResetAnswer(gate, options))
}

/**
 * Handler that changes the password, for `currentPassword`, `newPassword` and perhaps `otp` of the JSON body: behind
 * `authenticate` with a token, that of the token's person alone; without one, that of the body's `username`.
 */
export function changePasswordHandler(gate: Gate<unknown>, options: AdapterOptions = {}): Middleware<object, object> {
  const answer = changePasswordAnswer(gate, options)
  return handler((body, { state }, headers) => answer(body, state, headers))
}

/** Goes on at once after a step that does not have to wait, so that a guard costs no promise. */
function middleware(step: (ctx: Context) => Promise<void> | void): Middleware<object, object> {
  return (ctx, next) => {
    function refuse(error: unknown): void {
      const refusal = answerTo(error, ctx.state)
      if (refusal === null || ctx.headerSent) throw error
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

function handler(answer: AnswerRequest<ParsedContext>): Middleware<object, object> {
  return async ctx => {
    const parsed = ctx as ParsedContext
    send(ctx, await answer(parsed.request.body, parsed, ctx.headers))
  }
}

function send(ctx: Context, { status, headers, body }: Answer): void {
  ctx.status = status
  ctx.set(headers)
  if (body !== undefined) ctx.body = body
}
