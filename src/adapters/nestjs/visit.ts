import type { ExecutionContext } from "@nestjs/common"
import { GateError } from "../../errors.js"
import type { RegisteredUser } from "../../users/registered-user.js"
import type { Hold } from "../../verify/hold.js"
import { type Carrier, type Message, type Mount, onProperties } from "../guard.js"

/** A call of a handler. */
export interface Visit {
  readonly context: ExecutionContext
  /** What goes with it: the request of the platform, or the client of a gateway. */
  readonly holder: object
  /** null: nobody's header is known. */
  readonly message: Message | null
}

export const carrier: Carrier<Visit> = onProperties(({ holder }: Visit) => holder)

/** Holds of clients that have no headers. */
const holds = new WeakMap<object, Hold<RegisteredUser>>()
/** Whoever is asked about a token where somebody asks who it is. */
const lazily = new WeakMap<object, Mount<RegisteredUser>>()

export function setHold(client: object, hold: Hold<RegisteredUser>): void {
  holds.set(client, hold)
}

export function holdOf({ holder }: Visit): Hold<RegisteredUser> | null {
  return holds.get(holder) ?? null
}

export function leaveUnverified({ holder }: Visit, mount: Mount<RegisteredUser>): void {
  lazily.set(holder, mount)
}

export function unverified({ holder }: Visit): Mount<RegisteredUser> | null {
  return lazily.get(holder) ?? null
}

type Headers = Message["headers"] & object
interface Request {
  readonly headers?: Headers
  readonly rawHeaders?: readonly string[]
  /** Of Fastify: Node's own. */
  readonly raw?: Request
}
interface Client {
  /** Of Socket.IO: Node's own request. */
  readonly request?: Request
  readonly handshake?: { readonly headers?: Headers; readonly auth?: { readonly token?: unknown } }
}

/** @throws {GateError} `config_invalid` for a context that is not known here */
export function visitOf(context: ExecutionContext): Visit {
  const type: string = context.getType()
  if (type === "http") return ofRequest(context, context.switchToHttp().getRequest<Request>())
  if (type === "graphql") return ofGraphql(context)
  if (type === "ws") return ofClient(context, context.switchToWs().getClient<Client>())
  throw new GateError("config_invalid", `GateModule knows no context of type ${type}: http, graphql and ws alone.`)
}

function ofRequest(context: ExecutionContext, request: Request): Visit {
  const { headers = {}, rawHeaders } = request.raw ?? request
  return { context, holder: request, message: rawHeaders === undefined ? { headers } : { headers, rawHeaders } }
}

interface GraphqlContext extends Request {
  readonly req?: Request
  readonly request?: Request
  /** Of graphql-ws: the request that opened the connection. */
  readonly extra?: { readonly request?: Request }
}

function ofGraphql(context: ExecutionContext): Visit {
  const given = context.getArgByIndex<GraphqlContext | undefined>(2)
  const request = [given?.req, given?.request, given?.extra?.request, given].find(one => one?.headers !== undefined)
  if (request !== undefined) return ofRequest(context, request)
  const why = "GateModule finds no request in GraphQL's context: have `context` return { req }."
  throw new GateError("config_invalid", why)
}

function ofClient(context: ExecutionContext, client: Client): Visit {
  const { request, handshake } = client
  const token = handshake?.auth?.token
  // What was said for this connection goes before what the browser sends along.
  if (typeof token === "string")
    return { context, holder: client, message: { headers: { authorization: `Bearer ${token}` } } }
  if (request?.headers !== undefined) return { ...ofRequest(context, request), holder: client }
  return { context, holder: client, message: null }
}
