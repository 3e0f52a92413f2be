import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from "@nestjs/common"
import { HttpAdapterHost } from "@nestjs/core"
import { GateError } from "../../errors.js"
import type { Refusal } from "../../refusal.js"
import type { RegisteredUser } from "../../users/registered-user.js"
import { type Mount, thrownAt } from "../guard.js"
import { mountToken } from "./gate-guard.js"

/** Answers what this library throws, and `GateError`s of the application. */
export class GateFilter implements ExceptionFilter {
  readonly #mount: Mount<RegisteredUser>
  readonly #http: HttpAdapterHost

  constructor(mount: Mount<RegisteredUser>, http: HttpAdapterHost) {
    this.#mount = mount
    this.#http = http
  }

  catch(error: unknown, host: ArgumentsHost): unknown {
    const refusal = thrownAt(this.#mount, error)
    if (refusal === null) throw error
    const type: string = host.getType()
    if (type === "graphql") return graphqlError(refusal)
    if (type === "ws") return tellClient(host.switchToWs().getClient(), refusal)
    return this.#answer(host.switchToHttp().getResponse(), refusal)
  }

  #answer(response: object, { status, headers, body }: Refusal): void {
    const { httpAdapter } = this.#http
    if (httpAdapter.isHeadersSent(response)) return
    for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(response, name, value)
    httpAdapter.reply(response, body, status)
  }
}
Catch(GateError)(GateFilter)
Inject(mountToken)(GateFilter, undefined, 0)
Inject(HttpAdapterHost)(GateFilter, undefined, 1)

/**
 * What a resolver returns of this kind is an error of its field. GraphQL's own class is not needed: it takes over message
 * and extensions. The stack says where our own sentence comes from, which is nobody's business.
 */
function graphqlError({ status, headers, body }: Refusal): Error {
  const { error: code, error_description: says, ...more } = body
  const challenge = headers["WWW-Authenticate"]
  // Apollo Server takes status and headers from here, which it wants as a Map.
  const http = { status, headers: new Map(challenge === undefined ? [] : [["www-authenticate", challenge]]) }
  const error = Object.assign(new Error(String(says)), { extensions: { ...more, code, http } })
  error.stack = `Error: ${error.message}`
  return error
}

interface Client {
  readonly emit?: (event: string, data: object) => unknown
  readonly send?: (text: string) => unknown
  readonly nsp?: object
}

/** As Nest's own filters do: an event on Socket.IO, a message on a raw socket. */
function tellClient(client: Client, { body }: Refusal): void {
  const data = { status: "error", ...body }
  if (client.nsp !== undefined) client.emit?.("exception", data)
  else client.send?.(JSON.stringify({ event: "exception", data }))
}
