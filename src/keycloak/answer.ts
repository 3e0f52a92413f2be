import { type GateError, isGateError } from "../errors.js"
import type { Endpoint } from "../events.js"
import { noAnswer, unavailable, unreachable } from "./network-error.js"
import { readKeycloakError, wordsOf } from "./words.js"

/** An answer whose body has been read. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer<ArrayBuffer>
}

const maxBodyBytes = 1_048_576

/**
 * The body of an answer, as its bytes come.
 *
 * @throws {GateError} `keycloak_unavailable` when it is too long or breaks off
 */
export async function readBody(
  url: string,
  chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): Promise<Buffer<ArrayBuffer>> {
  const read: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      bytes += chunk.byteLength
      // Neither fetch nor Node's own client has a limit for a body.
      if (bytes > maxBodyBytes) throw noAnswer(url, `its answer is longer than ${maxBodyBytes} bytes`)
      read.push(chunk)
    }
  } catch (error) {
    throw isGateError(error) ? error : unreachable(url, error)
  }
  return Buffer.concat(read)
}

/** What is wrong with an answer, seen from outside. */
export interface Problem {
  readonly error: GateError
  /** Nobody can read this answer. */
  readonly isThrown: boolean
  /** What that tells about Keycloak; null: nothing. */
  readonly tells: "bad" | "odd" | null
}

/** Null for an answer of Keycloak, refusals included. */
export function problemOf(url: string, endpoint: Endpoint, answer: Answer): Problem | null {
  const { status, headers, body } = answer
  if (status === 429 || status >= 500) {
    const why = `it answered ${status}${inWords(answer)}`
    const error = unavailable(
      url,
      why,
      retryAfter(headers),
      { status },
      "Read its log, and that of the proxy before it.",
    )
    return { error, isThrown: true, tells: whatTells(endpoint, status, body.toString()) }
  }
  if (status >= 300 && status < 400) {
    const error = unavailable(url, `it answered with a redirect (${status}), which is not followed`)
    return { error, isThrown: true, tells: "bad" }
  }
  if (!isForeign(endpoint, answer)) return null
  const error = unavailable(url, `it answered ${status}, and not as Keycloak does; something else may listen there`)
  return { error, isThrown: false, tells: "bad" }
}

/** What Keycloak says of it, or a stand-in for it. */
function inWords({ status, body }: Answer): string {
  const words = wordsOf(readKeycloakError(status, jsonOrText(body.toString())))
  return words === "" ? "" : ` (${words})`
}

function whatTells(endpoint: Endpoint, status: number, text: string): Problem["tells"] {
  if (status < 500) return null
  const { kind } = readKeycloakError(status, jsonOrText(text))
  // Where its mail server fails, Keycloak works and says so.
  if (kind === "mail_failed") return null
  // Keycloak's own error, in its own form, where what people send gets there: one of them may have sent what it stumbles over.
  const isOwn = status === 500 && kind !== "foreign"
  return isOwn && (endpoint === "admin" || endpoint === "token") ? "odd" : "bad"
}

function isForeign(endpoint: Endpoint, { status, body }: Answer): boolean {
  const text = body.toString("latin1").trim()
  if (text.startsWith("<")) return true // a web page
  if (endpoint === "keys" && status !== 200) return true
  return status === 200 && endpoint !== "admin" && !(text.startsWith("{") && text.endsWith("}"))
}

// `Response` takes no body for these.
const withoutBody = [204, 205]

/** The answer for callers that read it as they would read that of `fetch`. */
export function toResponse({ status, headers, body }: Answer): Response {
  return new Response(withoutBody.includes(status) ? null : body, { status, headers })
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

/** Parsed, or the text of what is no JSON; null for none. */
export function jsonOrText(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text)
  } catch {
    // Something else than Keycloak speaks: what is no object has none of the expected members.
    return text
  }
}

/** Seconds of a `Retry-After` header, given as seconds or as a date. */
export function retryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after")
  if (value === null) return undefined
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000)
  return seconds >= 0 && seconds <= 86_400 ? seconds : undefined
}
