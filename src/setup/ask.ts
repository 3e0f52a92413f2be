import { isGateError } from "../errors.js"
import type { Endpoint } from "../events.js"
import { retryAfter } from "../keycloak/answer.js"
import type { Transport } from "../keycloak/transport.js"
import { type KeycloakErrorKind, quotedWords, readKeycloakError } from "../keycloak/words.js"

/** What came back of one question, whoever answered it. */
export interface Reply {
  readonly url: string
  /** 0: no answer came. */
  readonly status: number
  /** The system's code for why no answer came, such as `ECONNREFUSED`; "" where one came. */
  readonly code: string
  /** The JSON of the body; null for anything else. */
  readonly json: unknown
  /** What Keycloak means by a refusal; null for no answer, and for one that refuses nothing. */
  readonly kind: KeycloakErrorKind | null
  /** Keycloak's own words; "" where it used none. */
  readonly error: string
  readonly description: string
  /** Where a redirect leads. */
  readonly location: string | null
  readonly retryAfterSeconds: number | null
  readonly tookMs: number
}

export type Ask = (endpoint: Endpoint, url: string, init?: RequestInit) => Promise<Reply>

/** A request to the realm's Admin API, with the service account's token. */
export type AskAdmin = (method: string, path: string, body?: unknown) => Promise<Reply>

/**
 * Asks, and takes whatever comes for an answer: nothing here is refused or translated.
 *
 * @throws {GateError} `closed`
 */
export function createAsk(transport: Transport, elapsed: () => number): Ask {
  return async (endpoint, url, init) => {
    const begun = elapsed()
    const nothing = { url, status: 0, code: "", json: null, kind: null, error: "", description: "" }
    const rest = { location: null, retryAfterSeconds: null }
    try {
      const call = { endpoint, share: "own", isRepeatable: init?.method !== "POST", takesEveryAnswer: true } as const
      const response = await transport.fetch(url, call, init)
      const { status, headers } = response
      const json = parsed(await response.text())
      const { kind, error, description } = readKeycloakError(status, json)
      return {
        ...nothing,
        status,
        json,
        ...(status >= 400 && { kind, error, description }),
        location: headers.get("location"),
        retryAfterSeconds: retryAfter(headers) ?? null,
        tookMs: elapsed() - begun,
      }
    } catch (error) {
      if (!isGateError(error) || error.code !== "keycloak_unavailable") throw error
      return { ...nothing, ...rest, code: codeOf(error.cause), tookMs: 0 }
    }
  }
}

/** fetch has a code for neither of the last two: a port that it never asks, and an answer that is none of HTTP. */
function codeOf(cause: unknown): string {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown }
  return textOf(code) || (message === "bad port" ? "BAD_PORT" : "NO_HTTP")
}

/** What Keycloak said, for a message; `secret` is in none. */
export function wordsOf(reply: Reply, secret: string | null = null): string {
  if (reply.status === 0) return `no answer (${reply.code})`
  return [reply.status, ...quotedWords(reply, secret)].join(" ").replace(/\.$/, "")
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : ""
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A web page, or nothing at all: no words of Keycloak's.
    return null
  }
}
