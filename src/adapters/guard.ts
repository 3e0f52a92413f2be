import { GateError, isGateError } from "../errors.js"
import type { Gate } from "../gate.js"
import { gateInternals, recallBy } from "../gate-internals.js"
import { kindOf, type OptionReader, readOptions } from "../option-reader.js"
import { type Refusal, refusalFor, withChallenge } from "../refusal.js"
import type { RegisteredUser } from "../users/registered-user.js"
import type { Principal, ServicePrincipal, UserPrincipal } from "../verify/principal.js"
import { isPrincipal } from "../verify/principal-brand.js"
import {
  assertAllowed,
  type ParsedRequirements,
  parseRequirements,
  type Requirements,
  wrongRequirements,
} from "../verify/requirements.js"
import type { Authorization } from "../verify/verify-bearer.js"

/** How `authenticate` and the handlers treat errors of this library. */
export interface AdapterOptions {
  /**
   * `"pass"` hands them to the framework's error handler, which finds `status`, `headers` and `code` on them; default:
   * the adapter answers by itself. Errors that are not this library's always reach the framework.
   */
  readonly onError?: "pass" | undefined
}

/** Where a gate is mounted, and what happens to its errors there. */
export interface Mount<User> {
  readonly gate: Gate<User>
  readonly onError: "pass" | undefined
}

interface ThrownAt extends Pick<Mount<unknown>, "onError"> {
  readonly gate: Pick<Gate<unknown>, "realm" | "refusalFor">
}

/** What `authenticate` leaves on a request. */
export interface Carried {
  readonly mount: Mount<RegisteredUser>
  readonly principal: Principal<RegisteredUser> | null
}

/** How an adapter has it travel with a request; a request of the web takes no properties, and needs a WeakMap. */
export interface Carrier<Request> {
  /** undefined: `authenticate` did not run. */
  readonly get: (request: Request) => Carried | undefined
  readonly set: (request: Request, carried: Carried) => void
}

/** What is read of Node's request, or of any other one. */
export interface Message {
  readonly rawHeaders?: readonly string[]
  readonly headers: { readonly authorization?: Authorization }
}

/** A carrier after `authenticate`. */
export interface WithPrincipal {
  readonly principal: Principal<RegisteredUser> | null
}

/** The typed, non-null accessor of each adapter. */
export interface PrincipalOf<Request> {
  (request: Request): Principal<RegisteredUser>
  (request: Request, kind: "user"): UserPrincipal<RegisteredUser>
  (request: Request, kind: "service"): ServicePrincipal
}

/** Whose token a guard lets in. */
export type PrincipalKind = "user" | "service" | "any"

/** Who asks where a guard lets in tokens of this kind. */
export type PrincipalOfKind<Kind, User = RegisteredUser> = Kind extends "user"
  ? UserPrincipal<User>
  : Kind extends "service"
    ? ServicePrincipal
    : Principal<User>

/** What a guard asks for: everything listed, and then the application's own question. */
export interface GuardRequirements<Request, Kind extends PrincipalKind = "user", User = RegisteredUser>
  extends Requirements {
  readonly kind?: Kind | undefined
  /**
   * Whether this principal may pass with this request; asked once everything listed is there. `true` alone lets it pass,
   * or a promise of it. Anything else is `insufficient_scope`, be it `1` or `"yes"`. What it throws is the application's own.
   */
  readonly allow?: (principal: PrincipalOfKind<Kind, User>, request: Request) => boolean | Promise<boolean>
}

// A registered symbol, because an application that mixes CommonJS and ES modules loads this file twice.
const mountKey = Symbol.for("keycloak-gate.request")

interface Marked {
  principal?: Principal<RegisteredUser> | null
  [mountKey]?: Mount<RegisteredUser>
}

/** Carries by properties of an object: of the request itself, or of Koa's `ctx.state`. */
export function onProperties<Request>(holderOf: (request: Request) => object): Carrier<Request> {
  return {
    get(request) {
      const { principal = null, [mountKey]: mount } = holderOf(request) as Marked
      return mount && { mount, principal }
    },
    set(request, { mount, principal }) {
      const marked: Marked = holderOf(request)
      marked[mountKey] = mount
      marked.principal = principal
    },
  }
}

/**
 * A gate with its options, checked where it is mounted; `readMore` reads those beyond what every mount takes.
 *
 * @throws {GateError} `config_invalid` when `gate` is no gate or an option is unknown or wrong
 */
export function createMount<User>(
  gate: Gate<User>,
  options: AdapterOptions,
  readMore: (given: OptionReader) => void = () => undefined,
): Mount<User> {
  if (typeof gate?.verifyBearer !== "function") throw wrong("expected what createGate returns as the first argument")
  return readOptions("An adapter", options ?? undefined, given => {
    const onError = given.one<"pass" | undefined>("onError", undefined, '"pass"', one => one === "pass")
    readMore(given)
    return { gate, onError }
  })
}

export function wrong(why: string): GateError {
  return new GateError("config_invalid", `An adapter was set up wrongly: ${why}.`)
}

/**
 * What `authenticate` does: verifies the `Authorization` header of a message and leaves the principal on the request; at
 * once where the gate remembers the token.
 *
 * The gate goes with it, so that guards know the realm. A principal of an earlier gate goes first: should this gate
 * refuse the token and the application carry on all the same, nobody is let in by the other one.
 */
export function admit<Request>(
  carrier: Carrier<Request>,
  request: Request,
  message: Message,
  mount: Mount<RegisteredUser>,
): Promise<void> | void {
  const authorization = authorizationOf(message)
  let recalled: Principal<RegisteredUser> | null = null
  try {
    recalled = recallBy<RegisteredUser>(mount.gate, authorization)
  } finally {
    carrier.set(request, { mount, principal: recalled })
  }
  if (recalled === null) return verifyInto(carrier, request, authorization, mount)
}

async function verifyInto<Request>(
  carrier: Carrier<Request>,
  request: Request,
  authorization: Authorization,
  mount: Mount<RegisteredUser>,
): Promise<void> {
  carrier.set(request, { mount, principal: await mount.gate.verifyBearer(authorization) })
}

/** Every value of the `Authorization` field, so that a second one is seen: Node's `headers` keeps the first alone. */
function authorizationOf(message: Message): Authorization {
  const { rawHeaders = [] } = message
  let only: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    // The length first: this is read on every request, and few names are that long.
    if (name === undefined || name.length !== 13 || name.toLowerCase() !== "authorization") continue
    if (only !== undefined) return [only, rawHeaders[at + 1] ?? ""]
    only = rawHeaders[at + 1]
  }
  // Hosts that are no HTTP server (serverless functions) fill `headers` alone. Node makes them when they are first read.
  return only ?? message.headers.authorization
}

/**
 * What `requireUser` does: lets a request pass or throws; at once unless `allow` has to wait.
 *
 * @throws {GateError} `config_invalid` when a requirement is misspelt, empty or of the wrong type
 */
export function createGuard<Request>(
  carrier: Carrier<Request>,
  requirements: object,
  asker = "requireUser",
  /** What `allow` gets to see. */
  requestOf: (request: Request) => unknown = request => request,
): (request: Request) => Promise<void> | void {
  const guard = parseRequirements(requirements, ["allow"])
  const allow = "allow" in requirements ? readAllow(requirements.allow) : null
  let isTold = false
  return request => {
    const carried = carrier.get(request)
    // Where no gate stands, no `onEvent` hears of it. Once for each guard: every request would tell the same.
    if (carried === undefined && !isTold) {
      isTold = true
      process.emitWarning(withoutAuthenticate(asker), { type: "KeycloakGateWarning", code: "config_invalid" })
    }
    const { principal, mount } = requirePrincipal(carried, guard, asker)
    if (allow !== null) return askAllow(() => allow(principal, requestOf(request)), guard, mount)
  }
}

type Allow = (principal: Principal<RegisteredUser>, request: unknown) => unknown

// Undefined is no function either: a question that is read from the wrong place must not let everybody in.
function readAllow(allow: unknown): Allow {
  if (typeof allow === "function") return allow as Allow
  throw wrongRequirements(`\`allow\` is a function of the principal and the request, got ${kindOf(allow)}`)
}

function askAllow(
  ask: () => unknown,
  { required }: ParsedRequirements,
  { gate }: Mount<RegisteredUser>,
): Promise<void> | void {
  function assertTrue(answer: unknown): void {
    if (answer === true) return
    const got = answer === false ? "false" : `${kindOf(answer)}, and only \`true\` lets in`
    const { scopes: _, ...others } = required
    const error = new GateError("insufficient_scope", `Refused a verified token: \`allow\` answered ${got}.`, {
      required: others,
    })
    gateInternals(gate)?.report(error)
    throw withChallenge(error, gate.realm)
  }
  function thrown(error: unknown): never {
    throw challenged(asError(error), gate.realm)
  }
  let answer: unknown
  try {
    answer = ask()
    if (!isThenable(answer)) return assertTrue(answer)
  } catch (error) {
    thrown(error)
  }
  return Promise.resolve(answer).then(assertTrue, thrown)
}

function isThenable(answer: unknown): boolean {
  return typeof answer === "object" && answer !== null && "then" in answer
}

function withoutAuthenticate(asker: string): string {
  return `${asker} ran without authenticate before it: mount \`authenticate(gate)\` ahead of it, in the same scope.`
}

interface Admitted {
  readonly principal: Principal<RegisteredUser>
  readonly mount: Mount<RegisteredUser>
}

/**
 * The principal that `authenticate` left on a request, if the guard lets it pass.
 *
 * @throws {GateError} `config_invalid`, `credentials_missing` or `insufficient_scope`
 */
function requirePrincipal(carried: Carried | undefined, guard: ParsedRequirements, asker: string): Admitted {
  if (carried === undefined) throw new GateError("config_invalid", withoutAuthenticate(asker))
  const { mount, principal } = carried
  try {
    if (principal === null) throw new GateError("credentials_missing", `${asker} met a request without credentials.`)
    // By what it is, not by its shape: anything in the process can put an object there.
    if (!isPrincipal(principal)) throw new GateError("config_invalid", `${asker} ${foreignPrincipal}`)
    assertAllowed(principal, guard)
    return { principal, mount }
  } catch (error) {
    gateInternals(mount.gate)?.report(error)
    throw withChallenge(error, mount.gate.realm)
  }
}

const foreignPrincipal =
  "met a principal that no gate made: something put it there, or copied one (`{ ...req.principal }`, JSON). Leave what " +
  "`authenticate` sets as it is, and keep what you add in a place of its own. In tests, use keycloak-gate/testing."

const anybody: ParsedRequirements = parseRequirements({ kind: "any" })

/** What `principalOf` does, for a request. */
export function readPrincipal<Request>(
  carrier: Carrier<Request>,
  request: Request,
  kind?: "user" | "service",
): Principal<RegisteredUser> {
  const required = kind === undefined ? anybody : parseRequirements({ kind })
  return requirePrincipal(carrier.get(request), required, "principalOf").principal
}

const person: ParsedRequirements = parseRequirements({})

/**
 * The person who sent a verified token, or null: without `authenticate`, or without a token.
 *
 * @throws {GateError} `insufficient_scope` for a client's own token
 */
export function readOwnSubject<Request>(carrier: Carrier<Request>, request: Request): string | null {
  const carried = carrier.get(request)
  if (carried === undefined || carried.principal === null) return null
  return requirePrincipal(carried, person, "changePasswordHandler").principal.subject
}

/** The answer to an error met on a request, or `null` where the framework is to have the error. */
export function answerTo<Request>(carrier: Carrier<Request>, request: Request, error: unknown): Refusal | null {
  const carried = carrier.get(request)
  return carried === undefined ? refusalFor(error) : answerAt(carried.mount, error)
}

/**
 * The answer to what a handler behind `authenticate` threw, or `null` where the framework is to have it. It has the
 * challenge of a refused token, but for a malformed request, which is about the body here.
 */
export function answerToThrown<Request>(carrier: Carrier<Request>, request: Request, error: unknown): Refusal | null {
  const carried = carrier.get(request)
  return carried === undefined ? refusalFor(error) : thrownAt(carried.mount, error)
}

/** The same where a gate is mounted. */
export function thrownAt({ gate, onError }: ThrownAt, error: unknown): Refusal | null {
  const answered = challenged(error, gate.realm)
  return onError === "pass" ? null : gate.refusalFor(answered)
}

/**
 * What an application's own code threw, as something that every framework takes for an error. Express goes on to the handler
 * at nothing, as of `Promise.reject()`, and past it at `"route"`; Koa never answers.
 */
export function asError(thrown: unknown): unknown {
  if (typeof thrown === "object" && thrown !== null) return thrown
  return new Error("What was thrown is no error: see the cause.", { cause: thrown })
}

/** An error of ours with the challenge of a refused token; a malformed request is about something else here. */
function challenged(error: unknown, realm: string): unknown {
  return isGateError(error) && error.code !== "invalid_request" ? withChallenge(error, realm) : error
}

/** The answer to an error where a gate is mounted. */
export function answerAt({ gate, onError }: Mount<unknown>, error: unknown): Refusal | null {
  return onError === "pass" ? null : gate.refusalFor(error)
}
