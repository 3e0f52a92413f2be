import type { FastifyPluginAsync, FastifyRequest } from "fastify"
import fastifyPlugin from "fastify-plugin"
import { GateError, isGateError } from "../errors.js"
import type { Gate } from "../gate.js"
import { refusalFor } from "../refusal.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal } from "../verify/principal.js"
import { unreadBody } from "./form-body.js"
import {
  type AdapterOptions,
  admit,
  answerTo,
  answerToThrown,
  createGuard,
  createMount,
  type GuardRequirements,
  onProperties,
  type PrincipalKind,
  type PrincipalOf,
  readPrincipal,
  type WithPrincipal,
  wrong,
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

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks, or null without Bearer credentials; set by `authenticate`. */
    principal: Principal<RegisteredUser> | null
  }
}

/** What this adapter asks of a reply; any `FastifyReply` has it. */
export interface Reply {
  /** Sets the status. */
  code(status: number): unknown
  /** Adds headers. */
  headers(values: Record<string, string>): unknown
  /** Ends the answer. */
  send(payload?: unknown): unknown
}

/** A hook for `onRequest` (or later); it names no route types, so that those of your route stay as they are. */
export type Hook = (request: object, reply: Reply) => Promise<unknown>

/** A route handler. */
export type Handler = (request: { readonly body: unknown }, reply: Reply) => Promise<unknown>

// The gate of a scope. Children inherit it, and a child's own gate hides it.
const scopeKey = Symbol.for("keycloak-gate.scope")

const carrier = onProperties((request: object) => request)

/**
 * Plugin that verifies the bearer token of every request in this scope and sets `request.principal`.
 *
 * A request without Bearer credentials passes with `request.principal` null, for `requireUser` or another
 * authenticator; a bad token is refused here. Only the `Authorization` header is looked at. One gate per scope: inside a
 * child scope another gate takes the place of the parent's.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong, or the scope has a gate already
 * @example
 * await app.register(authenticate(gate))
 * app.get("/me", { onRequest: requireUser() }, async request => principalOf(request, "user").user)
 */
export function authenticate(gate: Gate<RegisteredUser>, options: AdapterOptions = {}): FastifyPluginAsync {
  const mount = createMount(gate, options)
  const plugin: FastifyPluginAsync = async scope => {
    if (Object.hasOwn(scope, scopeKey)) throw wrong("this Fastify scope has a gate already; register a scope for each")
    if (!(scopeKey in scope)) scope.decorateRequest("principal", null)
    scope.decorate(scopeKey, mount)
    const verify = hook((request: FastifyRequest) => admit(carrier, request, request.raw, mount))
    // Hooks of parent scopes run too, and their gate does not know this scope's tokens.
    const isOurs = ({ server }: FastifyRequest) => Reflect.get(server, scopeKey) === mount
    scope.addHook("onRoute", route => {
      route.errorHandler ??= answerThrown
    })
    scope.addHook("onRequest", (request, reply) => (isOurs(request) ? verify(request, reply) : passed))
  }
  return fastifyPlugin(plugin, { name: "keycloak-gate", fastify: "5.x" })
}

/**
 * Guard for a route behind `authenticate`: a person's token is needed, and whatever else is listed. `allow` asks the
 * application itself.
 *
 * @throws {GateError} `config_invalid` when a requirement is misspelt, empty or of the wrong type
 * @example
 * app.get("/editor", { onRequest: requireUser({ clientRoles: { "shop-api": ["editor"] } }) }, handler)
 */
export function requireUser<Kind extends PrincipalKind = "user">(
  requirements: GuardRequirements<FastifyRequest, Kind> = {},
): Hook {
  return hook(createGuard(carrier, requirements))
}

/**
 * Who asks, never null; with a kind, narrowed to it.
 *
 * @throws {GateError} `credentials_missing` when nobody does; `insufficient_scope` when the principal is of the other
 * kind; `config_invalid` without `authenticate`, and for a principal that no gate made
 */
export const principalOf: PrincipalOf<WithPrincipal> = ((request, kind?: "user" | "service") => {
  try {
    return readPrincipal(carrier, request, kind)
  } catch (error) {
    throw publicError(error)
  }
}) as PrincipalOf<WithPrincipal>

const handlers: Handlers<FastifyRequest, Handler> = handlersFor(toHandler, carrier, ({ raw }) => ({
  method: raw.method,
  unread: unreadBody(raw),
}))

/** Handler that registers the person in the JSON body. */
export const registerHandler: Handlers<FastifyRequest, Handler>["registerHandler"] = handlers.registerHandler

/** Handler that logs `username`, `password` and perhaps `otp` of the JSON body in. */
export const loginHandler: Handlers<FastifyRequest, Handler>["loginHandler"] = handlers.loginHandler

/** Handler that answers `refresh_token` of the JSON body with new tokens. */
export const refreshHandler: Handlers<FastifyRequest, Handler>["refreshHandler"] = handlers.refreshHandler

/** Handler that ends the session of `refresh_token` of the JSON body. */
export const logoutHandler: Handlers<FastifyRequest, Handler>["logoutHandler"] = handlers.logoutHandler

/**
 * Handler that has Keycloak send a mail to reset the password to the `email` of the JSON body; always the same 202,
 * whether there is such an account or not. Put a rate limit before it.
 */
export const passwordResetHandler: Handlers<FastifyRequest, Handler>["passwordResetHandler"] =
  handlers.passwordResetHandler

/**
 * Handler that changes the password, for `currentPassword`, `newPassword` and perhaps `otp` of the JSON body: behind
 * `authenticate` with a token, that of the token's person alone; without one, that of the body's `username`.
 */
export const changePasswordHandler: Handlers<FastifyRequest, Handler>["changePasswordHandler"] =
  handlers.changePasswordHandler

/** A route without its path: Fastify parses bodies ahead of a handler, and answers a form with 415 unless it has a parser. */
export interface LogoutRoute {
  /** Answers, before any parser runs. */
  readonly onRequest: Hook
  /** Is never reached. */
  readonly handler: Handler
}

/**
 * Handler that hears from Keycloak that a session has ended, and refuses its tokens from then on: the Backchannel logout URL
 * of a client leads to it. Needs no parser, and minds none; spread it to add options of the route.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @see OpenID Connect Back-Channel Logout 1.0
 * @example
 * app.post("/backchannel-logout", backchannelLogoutHandler(gate, { clients: ["shop-web"] }))
 */
export const backchannelLogoutHandler: (gate: Gate<unknown>, options?: BackchannelLogoutOptions) => LogoutRoute = (
  gate,
  options,
) => {
  const handler = handlers.backchannelLogoutHandler(gate, options)
  return { onRequest: (request, reply) => handler(request as FastifyRequest, reply), handler }
}

const passed: Promise<unknown> = Promise.resolve()

/** Passes with a promise that is there already after a step that does not have to wait, so that a guard makes none. */
function hook<Request extends object>(step: (request: Request) => Promise<void> | void) {
  return (request: Request, reply: Reply): Promise<unknown> => {
    async function refuse(error: unknown): Promise<unknown> {
      const refusal = answerTo(carrier, request, error)
      if (refusal === null) throw publicError(error)
      send(reply, refusal)
      // Whatever settles lets Fastify go on, and so does the reply itself once the caller has hung up, also while an
      // `onSend` hook still delays the refusal (5.12): a request that was refused would reach its handler.
      return new Promise(() => undefined)
    }
    try {
      return step(request)?.catch(refuse) ?? passed
    } catch (error) {
      return refuse(error)
    }
  }
}

/** Of the routes that are added after the plugin: what is not this library's goes on to the scope's error handler. */
function answerThrown(error: unknown, request: FastifyRequest, reply: Reply): void {
  const refusal = answerToThrown(carrier, request, error)
  if (refusal === null) throw publicError(error)
  send(reply, refusal)
}

function toHandler(answer: AnswerRequest<FastifyRequest>): Handler {
  return async (request, reply) => {
    try {
      const { body, headers } = request as FastifyRequest
      return send(reply, await answer(body, request as FastifyRequest, headers))
    } catch (error) {
      throw publicError(error)
    }
  }
}

/**
 * Fastify's default handler knows no `expose`: it sends an error's message to the caller. So the message that is for
 * logs becomes the cause of one that says what the caller may know.
 */
function publicError(error: unknown): unknown {
  const message = refusalFor(error)?.body.error_description
  if (!isGateError(error) || error.message === message) return error
  return Object.assign(new GateError(error.code, String(message), { ...error, cause: error }), {
    headers: error.headers,
  })
}

function send(reply: Reply, { status, headers, body }: Answer): Reply {
  reply.code(status)
  reply.headers(headers)
  reply.send(body)
  return reply
}
