import type { Gate } from "../gate.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal } from "../verify/principal.js"
import type { Requirements } from "../verify/requirements.js"
import {
  type AdapterOptions,
  admit,
  type Carrier,
  createGuard,
  createMount,
  type GuardRequirements,
  type Mount,
  onProperties,
  type PrincipalKind,
  type PrincipalOfKind,
  thrownAt,
} from "./guard.js"
import {
  type AnswerRequest,
  type BackchannelLogoutOptions,
  type Handlers,
  handlersFor,
  type PasswordResetHandlerOptions,
  type RegisterHandlerOptions,
} from "./handlers.js"
import { authorizationIn } from "./web/authorization.js"
import { bodyOf, messageOf } from "./web/body.js"
import { toResponse } from "./web/response.js"

export type {
  AdapterOptions,
  BackchannelLogoutOptions,
  GuardRequirements,
  Handlers,
  PasswordResetHandlerOptions,
  PrincipalKind,
  PrincipalOfKind,
  RegisteredUser,
  RegisterHandlerOptions,
}

/** A handler of the web's own `Request`. */
export type WebHandler = (request: Request) => Promise<Response>

/** What a guard lets through to: it gets the principal behind the request, and then whatever the host hands over. */
export type GuardedHandler<Req extends Request, Rest extends unknown[], Who> = (
  request: Req,
  principal: Who,
  ...rest: Rest
) => Response | Promise<Response>

/**
 * A handler behind a guard: it verifies the `Authorization` header, and answers by itself where somebody is refused.
 * `allow` among the requirements asks the application itself.
 *
 * What comes behind the request is handed on: the context of Next's route handlers, `env` and `ctx` of Workers. A
 * `GateError` that the handler throws is answered too; any other error is the host's.
 *
 * @throws {GateError} `config_invalid` when the gate, a requirement or an option is wrong
 * @example
 * export const GET = guard(gate, { realmRoles: ["editor"] }, (request, principal) => Response.json(principal.user))
 */
export function guard<
  Req extends Request,
  Rest extends unknown[],
  User = RegisteredUser,
  Kind extends PrincipalKind = "user",
>(
  gate: Gate<User>,
  requirements: GuardRequirements<Req, Kind, User>,
  handler: GuardedHandler<Req, Rest, PrincipalOfKind<Kind, User>>,
  options: AdapterOptions = {},
): (request: Req, ...rest: Rest) => Promise<Response> {
  const mount = createMount(gate, options)
  const check = createGuard(carrier, requirements, "guard", (visit: Visit) => visit.request)
  return async (request, ...rest) => {
    const visit: Visit = { request }
    try {
      await verify(visit, mount)
      await check(visit)
      // The guard has refused every other kind, and rows are of the type that the gate has.
      const principal = carrier.get(visit)?.principal as PrincipalOfKind<Kind, User>
      return await handler(request, principal, ...rest)
    } catch (error) {
      return answerTo(mount, error)
    }
  }
}

/** Who sent a request of the web, for everybody or for a guard. */
export interface VerifyRequest {
  /**
   * Who sent this request, or `null` without Bearer credentials; a bad token throws, see `refusalResponse`.
   *
   * @throws {GateError} `invalid_token`, `invalid_request`, `keycloak_unavailable`, `keycloak_refused_us` and `closed`, as
   * `gate.verifyBearer` does
   * @example
   * const principal = await verifyRequest(gate, request)
   */
  <User>(gate: Gate<User>, request: Request): Promise<Principal<User> | null>
  /**
   * The same with requirements: absent credentials throw.
   *
   * @throws {GateError} `credentials_missing` when there are no Bearer credentials
   * @throws {GateError} `insufficient_scope` when the principal lacks what is required
   * @throws {GateError} `config_invalid` when the requirements are wrong, an explicit `undefined` included
   */
  <User, Kind extends PrincipalKind = "user">(
    gate: Gate<User>,
    request: Request,
    requirements: Requirements & { readonly kind?: Kind | undefined },
  ): Promise<PrincipalOfKind<Kind, User>>
}

/** Who sent a request of the web: a principal, or null without Bearer credentials. */
export const verifyRequest: VerifyRequest = (async (gate: Gate<unknown>, request: Request, ...needed: [Requirements]) =>
  gate.verifyBearer(authorizationIn(request.headers), ...needed)) as VerifyRequest

/**
 * The answer to an error of this library, or `null` for an error that is not; with the challenge where a token is lacking
 * or refused.
 *
 * @example
 * const answer = refusalResponse(gate, error)
 */
export function refusalResponse(gate: Pick<Gate<unknown>, "realm" | "refusalFor">, error: unknown): Response | null {
  const refusal = thrownAt({ gate, onError: undefined }, error)
  return refusal === null ? null : toResponse(refusal)
}

// A request of the web takes no properties, and two gates may look at one at the same time: each has a visit of its own.
interface Visit {
  readonly request: Request
}
const carrier: Carrier<Visit> = onProperties((visit: Visit) => visit)

const nobody: Carrier<Request> = { get: () => undefined, set: () => undefined }
const handlers: Handlers<Request, WebHandler> = handlersFor(toHandler, nobody, messageOf)
const answers = handlersFor<Visit, AnswerRequest<Visit>>(
  answer => answer,
  carrier,
  ({ request }) => messageOf(request),
)

/** Handler that registers the person in the JSON body. */
export const registerHandler: Handlers<Request, WebHandler>["registerHandler"] = handlers.registerHandler

/** Handler that logs `username`, `password` and perhaps `otp` of the JSON body in. */
export const loginHandler: Handlers<Request, WebHandler>["loginHandler"] = handlers.loginHandler

/** Handler that answers `refresh_token` of the JSON body with new tokens. */
export const refreshHandler: Handlers<Request, WebHandler>["refreshHandler"] = handlers.refreshHandler

/** Handler that ends the session of `refresh_token` of the JSON body. */
export const logoutHandler: Handlers<Request, WebHandler>["logoutHandler"] = handlers.logoutHandler

/**
 * Handler that has Keycloak send a mail to reset the password to the `email` of the JSON body; always the same 202,
 * whether there is such an account or not. Put a rate limit before it.
 */
export const passwordResetHandler: Handlers<Request, WebHandler>["passwordResetHandler"] = handlers.passwordResetHandler

/**
 * Handler that changes the password, for `currentPassword`, `newPassword` and perhaps `otp` of the JSON body: with a
 * token, that of the token's person alone; without one, that of the body's `username`. It verifies the token itself.
 */
export const changePasswordHandler: Handlers<Request, WebHandler>["changePasswordHandler"] = (gate, options = {}) => {
  const mount = createMount(gate, options)
  const answer = answers.changePasswordHandler(gate, options)
  return async request => {
    const visit: Visit = { request }
    try {
      await verify(visit, mount)
    } catch (error) {
      return answerTo(mount, error)
    }
    return toResponse(await answer(bodyOf(request), visit, headersOf(request)))
  }
}

/**
 * Handler that hears from Keycloak that a session has ended, and refuses its tokens from then on: the Backchannel logout URL
 * of a client leads to it.
 *
 * @throws {GateError} `config_invalid` when the gate or an option is wrong
 * @see OpenID Connect Back-Channel Logout 1.0
 * @example
 * export const POST = backchannelLogoutHandler(gate, { clients: ["shop-web"] })
 */
export const backchannelLogoutHandler: Handlers<Request, WebHandler>["backchannelLogoutHandler"] =
  handlers.backchannelLogoutHandler

function toHandler(answer: AnswerRequest<Request>): WebHandler {
  return async request => toResponse(await answer(bodyOf(request), request, headersOf(request)))
}

const headersOf = ({ headers }: Request) => Object.fromEntries(headers)

function verify<User>(visit: Visit, mount: Mount<User>): Promise<void> | void {
  const message = { headers: { authorization: authorizationIn(visit.request.headers) } }
  return admit(carrier, visit, message, mount as Mount<RegisteredUser>)
}

/** @throws what is not this library's, and with `onError: "pass"` everything */
function answerTo<User>(mount: Mount<User>, error: unknown): Response {
  const refusal = thrownAt(mount, error)
  if (refusal === null) throw error
  return toResponse(refusal)
}
