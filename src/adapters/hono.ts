import type { Context, Handler, MiddlewareHandler } from "hono"
import type { StatusCode } from "hono/utils/http-status"
import { GateError } from "../errors.js"
import type { Gate } from "../gate.js"
import { refusalFor } from "../refusal.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal } from "../verify/principal.js"
import {
  type AdapterOptions,
  admit,
  answerTo,
  type Carried,
  type Carrier,
  createGuard,
  createMount,
  type GuardRequirements,
  type PrincipalKind,
  type PrincipalOf,
  type PrincipalOfKind,
  readPrincipal,
  thrownAt,
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
import { authorizationIn } from "./web/authorization.js"
import { bodyOf, isJson, messageOf } from "./web/body.js"
import { toResponse } from "./web/response.js"

export type {
  AdapterOptions,
  BackchannelLogoutOptions,
  GuardRequirements,
  Handlers,
  PasswordResetHandlerOptions,
  PrincipalKind,
  PrincipalOf,
  PrincipalOfKind,
  RegisteredUser,
  RegisterHandlerOptions,
}

declare module "hono" {
  interface ContextVariableMap {
    /** Who asks, or null without Bearer credentials; set by `authenticate`, and never null behind `requireUser`. */
    principal: Principal<RegisteredUser> | null
  }
}

/** What `requireUser` says of the context behind it. */
export interface PrincipalEnv<Who> {
  Variables: {
    /** Who asks. */
    principal: Who
  }
}

// A registered symbol, because an application that mixes CommonJS and ES modules loads this file twice.
const mountKey = Symbol.for("keycloak-gate.request")

/** Hono's types allow names alone; what is kept under one is a Map. */
interface Variables {
  readonly get: (key: unknown) => unknown
  readonly set: (key: unknown, value: unknown) => void
}

const carrier: Carrier<Context> = {
  get(c) {
    const mount = (c as Variables).get(mountKey) as Carried["mount"] | undefined
    return mount && { mount, principal: c.get("principal") ?? null }
  },
  set(c, { mount, principal }) {
    ;(c as Variables).set(mountKey, mount)
    c.set("principal", principal)
  },
}

/**
 * Middleware that verifies the bearer token and sets the variable `principal`.
 *
 * A request without Bearer credentials passes with `c.get("principal")` null, for `requireUser` or another authenticator;
 * a bad token is refused here. Only the `Authorization` header is looked at. A `GateError` thrown behind it is answered
 * where the application has no `onError`.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @example
 * app.use(authenticate(gate))
 * app.get("/me", requireUser(), c => c.json(c.get("principal").user))
 */
export function authenticate(gate: Gate<RegisteredUser>, options: AdapterOptions = {}): MiddlewareHandler {
  const mount = createMount(gate, options)
  const verify = middleware(c =>
    admit(carrier, c, { headers: { authorization: authorizationIn(c.req.raw.headers) } }, mount),
  )
  return async (c, next) =>
    verify(c, async () => {
      await next()
      // Hono gives no middleware what a handler throws, but the answer of its error handler.
      const refusal = c.error === undefined ? null : thrownAt(mount, c.error)
      if (refusal !== null && (await isOfHono(c.res))) c.res = toResponse(refusal)
    })
}

/** Whether Hono's own error handler has answered, which knows nothing but 500. */
async function isOfHono(response: Response): Promise<boolean> {
  return response.status === 500 && (await response.clone().text()) === "Internal Server Error"
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
  requirements: GuardRequirements<Context, Kind> = {},
): MiddlewareHandler<PrincipalEnv<PrincipalOfKind<Kind>>> {
  return middleware(createGuard(carrier, requirements))
}

/**
 * Who asks, never null; with a kind, narrowed to it.
 *
 * @throws {GateError} `credentials_missing` when nobody does; `insufficient_scope` when the principal is of the other
 * kind; `config_invalid` without `authenticate`, and for a principal that no gate made
 */
export const principalOf: PrincipalOf<Context> = ((c, kind?: "user" | "service") => {
  try {
    return readPrincipal(carrier, c, kind)
  } catch (error) {
    throw withResponse(error)
  }
}) as PrincipalOf<Context>

const handlers: Handlers<Context, Handler> = handlersFor(toHandler, carrier, ({ req }) => ({
  ...messageOf(req.raw),
  // Hono keeps a form that somebody has read before.
  ...(req.raw.bodyUsed && Object.keys(req.bodyCache).length > 0 && { kept: req.parseBody({ all: true }) }),
}))

/** Handler that registers the person in the JSON body. */
export const registerHandler: Handlers<Context, Handler>["registerHandler"] = handlers.registerHandler

/** Handler that logs `username`, `password` and perhaps `otp` of the JSON body in. */
export const loginHandler: Handlers<Context, Handler>["loginHandler"] = handlers.loginHandler

/** Handler that answers `refresh_token` of the JSON body with new tokens. */
export const refreshHandler: Handlers<Context, Handler>["refreshHandler"] = handlers.refreshHandler

/** Handler that ends the session of `refresh_token` of the JSON body. */
export const logoutHandler: Handlers<Context, Handler>["logoutHandler"] = handlers.logoutHandler

/**
 * Handler that has Keycloak send a mail to reset the password to the `email` of the JSON body; always the same 202,
 * whether there is such an account or not. Put a rate limit before it.
 */
export const passwordResetHandler: Handlers<Context, Handler>["passwordResetHandler"] = handlers.passwordResetHandler

/**
 * Handler that changes the password, for `currentPassword`, `newPassword` and perhaps `otp` of the JSON body: behind
 * `authenticate` with a token, that of the token's person alone; without one, that of the body's `username`.
 */
export const changePasswordHandler: Handlers<Context, Handler>["changePasswordHandler"] = handlers.changePasswordHandler

/**
 * Handler that hears from Keycloak that a session has ended, and refuses its tokens from then on: the Backchannel logout URL
 * of a client leads to it.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @see OpenID Connect Back-Channel Logout 1.0
 * @example
 * app.post("/backchannel-logout", backchannelLogoutHandler(gate, { clients: ["shop-web"] }))
 */
export const backchannelLogoutHandler: Handlers<Context, Handler>["backchannelLogoutHandler"] =
  handlers.backchannelLogoutHandler

/** Goes on at once after a step that does not have to wait, so that a guard costs no promise. */
function middleware(step: (c: Context) => Promise<void> | void): MiddlewareHandler {
  return (c, next) => {
    function refuse(error: unknown): Response {
      const refusal = answerTo(carrier, c, error)
      if (refusal === null) throw withResponse(error)
      return respond(c, refusal)
    }
    try {
      const waiting = step(c)
      if (waiting !== undefined) return waiting.then(next, refuse)
    } catch (error) {
      return Promise.resolve(refuse(error))
    }
    return next()
  }
}

/** Hono's own error handler asks an error for its answer, and would else know nothing but 500. */
function withResponse(error: unknown): unknown {
  const refusal = refusalFor(error)
  if (refusal === null || "getResponse" in Object(error)) return error
  return Object.defineProperty(error, "getResponse", { value: () => toResponse(refusal) })
}

function toHandler(answer: AnswerRequest<Context>): Handler {
  return async c => {
    try {
      return respond(c, await answer(bodyIn(c), c, c.req.header()))
    } catch (error) {
      throw withResponse(error)
    }
  }
}

/** Hono keeps what somebody has read of a body before. */
function bodyIn({ req }: Context): Promise<unknown> | undefined {
  const isKept = req.raw.bodyUsed && Object.keys(req.bodyCache).length > 0
  if (!isKept || !isJson(req.header("content-type"))) return bodyOf(req.raw)
  return req.json().catch((cause: unknown) => {
    throw new GateError("invalid_request", "Refused a request whose body is no JSON.", { cause })
  })
}

/** With the headers that the application has set before, such as those of CORS. */
function respond(c: Context, { status, headers, body }: Answer): Response {
  return c.newResponse(body === undefined ? null : JSON.stringify(body), status as StatusCode, { ...headers })
}
