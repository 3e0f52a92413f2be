import { GateError, isGateError } from "../errors.js"
import { quoted } from "./quoted.js"

interface Failure {
  readonly why: string
  /** Default: where Keycloak may be instead. */
  readonly mend?: string
}

const giveAuthority =
  "Start Node with NODE_EXTRA_CA_CERTS=ca.pem, a file with the authority and what lies between. Node reads it at its start alone. " +
  "Or have the server send its whole chain."
const newCertificate = "Give the server, or the proxy before it, another certificate."
const mendDates = `${newCertificate} If its dates are fine, this machine's clock is wrong.`
const noTls = {
  why: "not TLS: `https` to an http port",
  mend: "Write http:// in `serverUrl` or `internalUrl`, or the port for https.",
}

/** Without a word of ours reaching Keycloak. `test/keycloak/network-error.test.ts` has the codes of Node's documentation. */
const unsent: readonly (Failure & { readonly codes: readonly string[] })[] = [
  { codes: ["ECONNREFUSED"], why: "connection refused" },
  { codes: ["ENOTFOUND"], why: "no such host" },
  { codes: ["EAI_AGAIN"], why: "the host name can't be looked up" },
  { codes: ["UND_ERR_CONNECT_TIMEOUT"], why: "no connection in time" },
  { codes: ["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"], ...noTls },
  { codes: ["DEPTH_ZERO_SELF_SIGNED_CERT"], why: "its certificate is self-signed", mend: giveAuthority },
  {
    codes: [
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "UNABLE_TO_GET_ISSUER_CERT",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "CERT_UNTRUSTED",
    ],
    why: "Node does not know the authority of its certificate",
    mend: giveAuthority,
  },
  { codes: ["CERT_HAS_EXPIRED"], why: "its certificate has expired", mend: mendDates },
  { codes: ["CERT_NOT_YET_VALID"], why: "its certificate is not valid yet", mend: mendDates },
  {
    codes: ["ERR_TLS_CERT_ALTNAME_INVALID", "ERR_TLS_CERT_ALTNAME_FORMAT", "HOSTNAME_MISMATCH"],
    why: "its certificate is for another host name",
    mend: "Write a name of the certificate in `serverUrl` or `internalUrl`, or put this name into the certificate.",
  },
  { codes: ["CERT_REVOKED"], why: "its certificate was revoked", mend: newCertificate },
  {
    codes: ["INVALID_CA", "INVALID_PURPOSE", "PATH_LENGTH_EXCEEDED", "CERT_CHAIN_TOO_LONG", "CERT_REJECTED"],
    why: "its certificate, or one of its chain, is not made for this use",
    mend: newCertificate,
  },
  {
    codes: [
      "CERT_SIGNATURE_FAILURE",
      "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
      "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
      "ERROR_IN_CERT_NOT_BEFORE_FIELD",
      "ERROR_IN_CERT_NOT_AFTER_FIELD",
    ],
    why: "its certificate, or one of its chain, is broken",
    mend: newCertificate,
  },
  {
    codes: [
      "UNABLE_TO_GET_CRL",
      "UNABLE_TO_DECRYPT_CRL_SIGNATURE",
      "CRL_SIGNATURE_FAILURE",
      "CRL_NOT_YET_VALID",
      "CRL_HAS_EXPIRED",
      "ERROR_IN_CRL_LAST_UPDATE_FIELD",
      "ERROR_IN_CRL_NEXT_UPDATE_FIELD",
    ],
    why: "the list of revoked certificates that Node was given can't be used",
    mend: "Give Node a list that is in date, of the authority of this certificate.",
  },
]
const cut: Failure = { why: "the connection was cut" }
const failures = new Map<string, Failure>([
  ...unsent.flatMap(failure => failure.codes.map(code => [code, failure] as const)),
  ["ECONNRESET", { why: "the connection was reset" }],
  ["ECONNABORTED", cut],
  ["EPIPE", cut],
  ["UND_ERR_SOCKET", cut],
])
/** OpenSSL has hundreds of codes, and new ones with each version. */
const families: readonly (Failure & { readonly codes: RegExp })[] = [
  {
    codes: /^ERR_SSL_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/,
    why: "the server does not take the certificate of this client, or misses one",
    mend: "This library presents none: let the proxy before Keycloak pass requests without one.",
  },
  {
    codes: /^(ERR_SSL_|ERR_TLS_|EPROTO$|OUT_OF_MEM$)/,
    why: "both sides could not agree on TLS",
    mend: "Compare their TLS versions and ciphers. The code is that of Node or OpenSSL.",
  },
]

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
  const { why, mend } = failures.get(code) ?? families.find(({ codes }) => codes.test(code)) ?? { why: message }
  return unavailable(url, code === "" ? why : `${why} (${code})`, undefined, networkError(message, code), mend)
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

/** Why there was no answer, in a word: `"timeout"`, a code of Node's, `"overload"` or `"closed"`. */
export function nameOfFailure(error: unknown): string {
  if (!isGateError(error)) return "_OTHER"
  if (error.code === "closed") return "closed"
  if (error.reason === "overload") return "overload"
  return networkFailure(error) === "late" ? "timeout" : codeOf(error) || "_OTHER"
}

// undici says "fetch failed" and puts what happened into the cause.
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return "the request failed"
  return error.cause instanceof Error ? error.cause.message : error.message
}

/** Nobody who matters is there: 503, never a bad token. */
export function unavailable(
  url: string,
  why: string,
  retryAfterSeconds?: number,
  cause?: unknown,
  mend: string = elsewhere,
): GateError {
  return new GateError(
    "keycloak_unavailable",
    `Can't reach Keycloak at ${new URL(url).origin}: ${why}. Callers get 503, nobody is logged out, and the next request ` +
      `tries again. ${mend}`,
    { retryAfterSeconds, ...(cause !== undefined && { cause }) },
  )
}

const elsewhere =
  "Check that it runs; inside Docker `localhost` is this container: set `internalUrl`, e.g. http://keycloak:8080."

/** Whether a request can't have reached Keycloak, so that sending it again can't do its work twice. */
function wasNeverSent(error: unknown): boolean {
  const code = codeOf(error)
  return unsent.some(({ codes }) => codes.includes(code))
}

/** Whether what was asked for can't have been done: it was never sent, found no place, or was turned away (400, 429). */
export function wasNotDone(error: unknown): boolean {
  if (wasNeverSent(error)) return true
  if (!isGateError(error)) return false
  const { status } = Object(error.cause) as { status?: unknown }
  return error.reason === "overload" || status === 400 || status === 429
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
