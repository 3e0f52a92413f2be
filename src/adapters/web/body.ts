import { GateError } from "../../errors.js"
import type { Message } from "../form-body.js"

// Fields have limits of their own; this is for what is no body of ours at all.
const maxBytes = 65_536

/**
 * What a body of JSON will have held; undefined for any other one, which has no fields, and for one that was read before.
 *
 * Only what says that it is JSON is read: a page of another origin can send text and forms without being asked. The
 * request keeps its own body, so that the application can read it too.
 *
 * It rejects with `invalid_request` for what is longer than 64 kB (with status 413), broken, or was cut off.
 */
export function bodyOf(request: Request): Promise<unknown> | undefined {
  const isReadable =
    isJson(request.headers.get("content-type") ?? undefined) && !request.bodyUsed && request.body !== null
  return isReadable ? parse(request) : undefined
}

/** How a request came, with its body if nobody has read it. */
export function messageOf({ method, bodyUsed, body }: Request): Pick<Message, "method" | "unread"> {
  return { method, unread: bodyUsed ? null : body }
}

export function isJson(type = ""): boolean {
  return /^application\/(?:[\w.+-]+\+)?json[ \t]*(?:;|$)/i.test(type)
}

async function parse(request: Request): Promise<unknown> {
  const text = await readText(request)
  if (text === "") return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new GateError("invalid_request", "Refused a request whose body is no JSON, although it says so.")
  }
}

/** The bytes as they came, and never more of them than may be. */
async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLong()
  const reader = (request.clone().body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let [text, length] = ["", 0]
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return text + decoder.decode()
      length += value.byteLength
      if (length > maxBytes) break
      text += decoder.decode(value, { stream: true })
    }
  } catch (cause) {
    throw new GateError("invalid_request", "Refused a request whose body was cut off.", { cause })
  }
  // Both ends, or the host would go on to receive it.
  for (const end of [reader, request.body]) end?.cancel().catch(() => undefined)
  throw tooLong()
}

function tooLong(): GateError {
  const error = new GateError("invalid_request", `Refused a request whose body is longer than ${maxBytes} bytes.`)
  // RFC 9110 §15.5.14, which the body parsers of other frameworks answer with, too.
  return Object.assign(error, { status: 413, statusCode: 413 })
}
