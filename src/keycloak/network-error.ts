import { GateError, isGateError } from "../errors.js"
import { quoted } from "./quoted.js"

const whyByCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host name can't be looked up",
  ECONNRESET: "the connection was reset",
  ECONNABORTED: "the connection was cut",
  EPIPE: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  ERR_SSL_WRONG_VERSION_NUMBER: "not TLS: `https` to an http port",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "not TLS: `https` to an http port",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; give Node its authority with NODE_EXTRA_CA_CERTS",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate's authority is unknown; give it to Node with NODE_EXTRA_CA_CERTS",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate's authority is unknown; give it to Node with NODE_EXTRA_CA_CERTS",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host name",
}

/** A connection that was made and then lost: what was sent over it may have arrived. */
const lost = new Set(["ECONNRESET", "ECONNABORTED", "EPIPE", "UND_ERR_SOCKET"])
/** No connection, although another try may get one: several servers may stand behind one name. */
const unlucky = new Set(["ECONNREFUSED", "EAI_AGAIN"])

const networkErrorName = "NetworkError"
const noAnswerCode = "ETIMEDOUT"

/**
 * Turns a failed connection into `keycloak_unavailable`, with the system's own code in the message.
 *
 * The cause is an error of ours that takes over code and message: the errors of Node's HTTP client hold the bytes of the
 * answer that they could not read, tokens included.
 */
export function unreachable(url: string, error: unknown): GateError {
  if (isGateError(error)) return error
  const code = networkCode(error)
  const message = quoted(messageOf(error))
  const why = whyByCode[code] ?? message
  return unavailable(url, code === "" ? why : `${why} (${code})`, undefined, networkError(message, code))
}

/** No answer in time, or none that ends. */
export function noAnswer(url: string, why: string): GateError {
  return unavailable(url, why, undefined, networkError(why, noAnswerCode))
}

function networkError(message: string, code: string): Error {
  return Object.assign(new Error(message), { name: networkErrorName }, code !== "" && { code })
}

/** What an error of ours tells about the network; null for one that tells of something else. */
export function networkFailure(error: GateError): "late" | "lost" | null {
  if ((error.cause as Error | undefined)?.name !== networkErrorName) return null
  return codeOf(error) === noAnswerCode ? "late" : "lost"
}

// undici says "fetch failed" and puts what happened into the cause.
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return "the request failed"
  return error.cause instanceof Error ? error.cause.message : error.message
}

/** Nobody who matters is there: 503, never a bad token. */
export function unavailable(url: string, why: string, retryAfterSeconds?: number, cause?: unknown): GateError {
  return new GateError(
    "keycloak_unavailable",
    `Can't reach Keycloak at ${new URL(url).origin}: ${why}. Callers get 503, nobody is logged out, and the next request ` +
      "tries again. Check that it runs; inside Docker `localhost` is this container: set `internalUrl`, e.g. " +
      "http://keycloak:8080.",
    { retryAfterSeconds, ...(cause !== undefined && { cause }) },
  )
}

/** Whether a request can't have reached Keycloak, so that sending it again can't do its work twice. */
function wasNeverSent(error: unknown): boolean {
  const code = codeOf(error)
  return code in whyByCode && !lost.has(code)
}

/** Whether what was asked for can't have been done: it was never sent, found no place, or was turned away unread (429). */
export function wasNotDone(error: unknown): boolean {
  if (wasNeverSent(error)) return true
  return isGateError(error) && (error.reason === "overload" || (error.cause as { status?: unknown })?.status === 429)
}

/** Whether the connection was lost under a request. */
export function isLost(error: unknown): boolean {
  return lost.has(codeOf(error))
}

/** Whether no connection was made, while another try may make one. */
export function isUnlucky(error: unknown): boolean {
  return unlucky.has(codeOf(error))
}

function codeOf(error: unknown): string {
  return networkCode(isGateError(error) ? error.cause : error)
}

function networkCode(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : null
  const code = (cause as { code?: unknown } | null)?.code
  if (typeof code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(code)) return code
  const first = cause instanceof AggregateError ? cause.errors[0] : null
  return typeof first?.code === "string" ? first.code : ""
}
