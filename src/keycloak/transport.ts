import { GateError, isGateError } from "../errors.js"
import type { Endpoint } from "../events.js"
import { printable } from "../foreign-text.js"

/** Requests to Keycloak that end in bounded time, read a bounded body, and follow no redirect. */
export interface Transport {
  /**
   * `fetch` with the whole body read; a 429, a 5xx, a redirect or no answer in time is `keycloak_unavailable`.
   * Answers below 500 are the caller's to read.
   */
  readonly fetch: (url: string, call: Call, init?: RequestInit) => Promise<Response>
  /** Runs work of a client that brings its own fetch, under the same time limit. */
  readonly bounded: <Result>(url: string, call: Call, work: (signal: AbortSignal) => Promise<Result>) => Promise<Result>
  /** @throws {GateError} `closed` after `close()` */
  readonly assertOpen: () => void
  readonly close: () => void
}

/**
 * Whose places a request takes, so that no kind of caller can take another's: verification of tokens, what an anonymous
 * caller causes (login, refresh, registration, password reset), the application's calls about accounts, and work beside
 * the requests. `"own"`: what all of them share (keys, service token), which waits for nobody.
 */
export type Share = "verification" | "anonymous" | "accounts" | "background" | "own"

export interface Call {
  readonly endpoint: Endpoint
  readonly share: Share
  /** A question without side effects: it may be sent once more. */
  readonly isRepeatable: boolean
}

const maxBodyBytes = 1_048_576

export function createTransport(timeoutMs: number): Transport {
  const inFlight = new Set<AbortController>()
  let isClosed = false

  function assertOpen(): void {
    if (isClosed) throw closedError()
  }

  async function bounded<Result>(
    url: string,
    _call: Call,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    assertOpen()
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(timedOut(url, timeoutMs)), timeoutMs)
    inFlight.add(controller)
    try {
      return await work(controller.signal)
    } catch (error) {
      // Clients wrap an abort in errors of their own; its reason tells what happened.
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      clearTimeout(timer)
      inFlight.delete(controller)
      // A client that took what it needed from the headers leaves a body unread, and with it a connection open.
      controller.abort()
    }
  }

  return {
    bounded,
    assertOpen,
    fetch: (url, call, init) =>
      bounded(url, call, async signal => {
        const response = await fetch(url, { ...init, redirect: "manual", signal }).catch((error: unknown) => {
          throw signal.aborted ? signal.reason : unreachable(url, error)
        })
        return readAnswer(url, response, signal)
      }),
    close() {
      isClosed = true
      for (const controller of inFlight) controller.abort(closedError())
    },
  }
}

async function readAnswer(url: string, response: Response, signal: AbortSignal): Promise<Response> {
  const { status, headers } = response
  const body = await readBody(url, response).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : isGateError(error) ? error : unreachable(url, error)
  })
  if (status === 429 || status >= 500) throw unavailable(url, `it answered ${status}`, retryAfter(headers), { status })
  if (status >= 300 && status < 400)
    throw unavailable(url, `it answered with a redirect (${status}), which is not followed`)
  return new Response(status === 204 ? null : body, { status, headers })
}

// fetch itself has no limit for a body.
async function readBody(url: string, response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBodyBytes) throw unavailable(url, `its answer is longer than ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The JSON object of an answer, or `keycloak_unavailable`: what answers something else is not Keycloak. */
export async function readJson(url: string, response: Response): Promise<Record<string, unknown>> {
  const text = await response.text()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // Without the cause: V8's SyntaxError quotes the text, which may be half a token.
    throw unavailable(url, "its answer is no JSON; something else than Keycloak may listen there")
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw unavailable(url, "its answer is no JSON object; something else than Keycloak may listen there")
  }
  return json as Record<string, unknown>
}

const whyByCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host name can't be looked up",
  ECONNRESET: "the connection was reset",
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

/** Turns a failed connection into `keycloak_unavailable`, with the system's own code in the message. */
export function unreachable(url: string, error: unknown): GateError {
  if (isGateError(error)) return error
  const code = networkCode(error)
  const why = whyByCode[code] ?? printable(messageOf(error), 200)
  return unavailable(url, code === "" ? why : `${why} (${printable(code)})`, undefined, error)
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
  const code = networkCode(isGateError(error) ? error.cause : error)
  return code !== "" && code !== "ECONNRESET" && code !== "UND_ERR_SOCKET" && code in whyByCode
}

/** Whether what was asked for can't have been done: it was never sent, found no place, or was turned away unread (429). */
export function wasNotDone(error: unknown): boolean {
  if (wasNeverSent(error)) return true
  return isGateError(error) && (error.reason === "overload" || (error.cause as { status?: unknown })?.status === 429)
}

function networkCode(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : null
  const code = (cause as { code?: unknown } | null)?.code
  if (typeof code === "string") return code
  const first = cause instanceof AggregateError ? cause.errors[0] : null
  return typeof first?.code === "string" ? first.code : ""
}

/** Seconds of a `Retry-After` header, given as seconds or as a date. */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after")
  if (value === null) return undefined
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000)
  return seconds >= 0 && seconds <= 86_400 ? seconds : undefined
}

function timedOut(url: string, timeoutMs: number): GateError {
  return unavailable(url, `no answer within ${timeoutMs} ms`)
}

function closedError(): GateError {
  return new GateError("closed", "This gate was closed with close(); make a new one.")
}
