import { GateError, isGateError } from "../errors.js"
import type { Gate } from "../gate.js"
import { gateInternals } from "../gate-internals.js"
import { jsonNotStored } from "../refusal.js"
import type { Answer, AnswerRequest } from "./answer.js"
import { type Form, type Message, readForm } from "./form-body.js"
import { type AdapterOptions, answerAt, createMount, wrong } from "./guard.js"

/** What `backchannelLogoutHandler` takes. */
export interface BackchannelLogoutOptions extends AdapterOptions {
  /**
   * The clients whose logout tokens are for this application; default the gate's own. Keycloak sends one to each client that
   * has a session of its own, and names that client in it: an API lists its front ends.
   */
  readonly clients?: readonly string[] | undefined
}

/** What of a framework's request says how it came, and has the body that nobody has read, or what it keeps of one that was. */
export type MessageOf<Request> = (
  request: Request,
) => Pick<Message, "method" | "unread"> & { readonly kept?: Promise<unknown> }

// Keycloak's have less than 1 kB.
const limits = { maxBytes: 16_384, timeoutMs: 10_000 }
const done: Answer = { status: 200, headers: { "Cache-Control": "no-store" }, body: undefined }

/**
 * Answers a logout token, as OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8 has it: 200 once its session is refused here,
 * 400 for what is no token for this application.
 */
export function backchannelLogoutAnswer<Request>(
  gate: Gate<unknown>,
  options: BackchannelLogoutOptions,
  messageOf: MessageOf<Request>,
): AnswerRequest<Request> {
  const internals = gateInternals(gate)
  const mount = createMount(gate, options, given => {
    given.one("clients", undefined, "a list of Client IDs, at least one", areClients)
  })
  if (internals === null) throw wrong("expected what createGate returns as the first argument")
  const clients = [...(options.clients ?? [internals.clientId])]
  const { takeLogoutToken, report } = internals

  async function take(form: URLSearchParams): Promise<void> {
    const [token, ...others] = form.getAll("logout_token")
    if (token === undefined || token === "") throw malformed("it has no `logout_token`", "required")
    if (others.length > 0) throw malformed("it has more than one `logout_token`", "duplicate")
    await takeLogoutToken(token, clients).catch((error: unknown) => {
      throw isGateError(error) && error.code === "invalid_token"
        ? malformed("its token was refused", "refused", error)
        : error
    })
  }

  return async (body, request, headers = {}) => {
    try {
      const { method, unread, kept } = messageOf(request)
      const form = await readForm({ method, headers, body: await (kept ?? body), unread }, limits)
      if (!(form instanceof URLSearchParams)) return statusAnswer(form)
      await take(form)
      return done
    } catch (error) {
      // What the gate has refused it has told of.
      if (isGateError(error) && error.code === "invalid_request" && error.cause === undefined) report(error)
      const refusal = answerAt(mount, error)
      if (refusal === null) throw error
      return refusal
    }
  }
}

function areClients(found: unknown): boolean {
  return Array.isArray(found) && found.length > 0 && found.every(one => typeof one === "string" && one !== "")
}

function malformed(why: string, rule: string, cause?: GateError): GateError {
  const fields = [{ field: "logout_token", rule, params: [] }]
  return new GateError("invalid_request", `Refused a logout request: ${why}.`, { fields, ...(cause && { cause }) })
}

const says: Readonly<Record<Exclude<Form, URLSearchParams>, string>> = {
  400: "The request was cut off.",
  405: "A logout token comes with POST.",
  408: "The request did not arrive in time.",
  413: "The request is too large.",
  415: "A logout token comes as application/x-www-form-urlencoded.",
}

function statusAnswer(status: Exclude<Form, URLSearchParams>): Answer {
  const more: Readonly<Record<string, string>> =
    status === 405 ? { Allow: "POST" } : status === 415 ? {} : { Connection: "close" }
  return {
    status,
    headers: { ...jsonNotStored, ...more },
    body: { error: "invalid_request", error_description: says[status] },
  }
}
