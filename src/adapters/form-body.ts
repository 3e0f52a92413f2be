import type { IncomingMessage } from "node:http"
import { setTimeout as delay } from "node:timers/promises"

/** A request as far as its body is read here: what every framework's request can be made to look like. */
export interface Message {
  readonly method: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** What a parser of the framework has made of the body. */
  readonly body: unknown
  /** The body in pieces, while nobody has read it. */
  readonly unread: AsyncIterable<Uint8Array | string> | null
}

/** The body's fields, or the status that says why there are none. */
export type Form = URLSearchParams | 400 | 405 | 408 | 413 | 415

const form = /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i
// A form has no parameter of that name, but many senders add one; in these, ASCII is what it is.
const charset = /;\s*charset\s*=\s*"?(?:utf-?8|us-ascii|iso-8859-1|windows-1252)"?\s*(?:;|$)/i

export interface FormLimits {
  readonly maxBytes: number
  /** For the whole body to arrive. */
  readonly timeoutMs: number
}

/** Reads the form that a POST brings, whoever has parsed it, or nobody. */
export async function readForm(message: Message, limits: FormLimits): Promise<Form> {
  const { method, body, unread } = message
  if (method !== "POST") return 405
  const type = header(message, "content-type")
  if (!form.test(type)) return 415
  if (Number(header(message, "content-length")) > limits.maxBytes) return 413
  // A parser of other types leaves an empty object, and the body where it is.
  if (unread === null || isFilled(body)) return fieldsOf(body, limits.maxBytes)
  if (!/^(identity)?$/i.test(header(message, "content-encoding").trim())) return 415
  if (/;\s*charset/i.test(type) && !charset.test(type)) return 415
  return readPieces(unread, limits)
}

function header({ headers }: Message, name: string): string {
  const value = headers[name]
  return typeof value === "string" ? value : (value?.join(", ") ?? "")
}

function isFilled(body: unknown): boolean {
  if (typeof body !== "object" || body === null) return typeof body === "string"
  return body instanceof Uint8Array || Object.keys(body).length > 0
}

function fieldsOf(body: unknown, maxBytes: number): Form {
  if (typeof body === "string") return Buffer.byteLength(body) > maxBytes ? 413 : new URLSearchParams(body)
  if (body instanceof Uint8Array) return body.length > maxBytes ? 413 : new URLSearchParams(textOf([body]))
  const fields = new URLSearchParams()
  if (typeof body !== "object" || body === null) return fields
  for (const [name, value] of Object.entries(body)) {
    // A name that was sent twice is a list to parsers.
    for (const one of [value].flat()) if (typeof one === "string") fields.append(name, one)
  }
  return fields.toString().length > maxBytes ? 413 : fields
}

async function readPieces(pieces: AsyncIterable<Uint8Array | string>, limits: FormLimits): Promise<Form> {
  const read: Uint8Array[] = []
  let length = 0
  // Not `for await`, which would destroy the request where it ends early, and the answer with it.
  const iterator = pieces[Symbol.asyncIterator]()
  const over = new AbortController()
  const late = delay(limits.timeoutMs, 408 as const, { signal: over.signal, ref: false })
  late.catch(() => undefined)
  try {
    for (;;) {
      const next = iterator.next()
      const one = await Promise.race([next, late])
      if (one === 408) {
        next.catch(() => undefined)
        return 408
      }
      if (one.done === true) return new URLSearchParams(textOf(read))
      const piece = typeof one.value === "string" ? Buffer.from(one.value) : one.value
      length += piece.length
      if (length > limits.maxBytes) return 413
      read.push(piece)
    }
  } catch {
    // It was cut off: the caller's fault, which no monitor of the application's errors need hear of.
    return 400
  } finally {
    over.abort()
  }
}

function textOf(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString("utf8")
}

/** The body of Node's own request, unless somebody has begun to read it. */
export function unreadBody(request: IncomingMessage): IncomingMessage | null {
  return request.readableDidRead ? null : request
}
