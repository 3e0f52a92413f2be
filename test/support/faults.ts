import type { ServerResponse } from "node:http"
import { setTimeout as delay } from "node:timers/promises"
import type { Breakage, Fault, FaultyServer, Reply } from "./faulty-server.ts"

/** The request does its work, and the answer never leaves. */
export const cutAnswer: Fault = async ({ perform, socket }) => {
  await perform()
  socket.resetAndDestroy()
}

/** The request arrives and nothing is done with it. */
export const reset: Fault = ({ socket }) => {
  socket.resetAndDestroy()
}

/** What no HTTP server would send, byte for byte. */
export function answerRaw(text: string): Fault {
  return ({ socket }) => {
    socket.end(Buffer.from(text, "latin1"))
  }
}

export const hangBeforeHeaders: Fault = () => undefined

export const hangInBody: Fault = ({ response }) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write('{"keys":[')
}

/** The work is done, and the answer's headers arrive, but its body stops on the way. */
export const stalling: Fault = async ({ perform, response }) => {
  const { status, headers, body = "" } = await perform()
  response.writeHead(withBody(status), { ...(headers as object), "content-length": "100000" })
  response.write(body.length > 1 ? body.slice(0, -1) : " ")
}

/** The work is done, and its answer never ends: far more than any of Keycloak's; bounded, should the caller read on. */
export const endless: Fault = async ({ perform, response }) => {
  const { status, headers } = await perform()
  response.writeHead(withBody(status), headers as never)
  await pour(response)
}

/** The work is done, and something before Keycloak answers in its place. */
export function performThen(reply: Reply): Fault {
  return async ({ perform, send }) => {
    await perform()
    send(reply)
  }
}

/** The work is done, and the JSON of its answer is changed on the way. */
export function changeAnswer(change: (answer: Record<string, unknown>) => unknown): Fault {
  return async ({ perform, send }) => {
    const reply = await perform()
    send({ ...reply, body: JSON.stringify(change(JSON.parse(String(reply.body)))) })
  }
}

// A 204 can't have a body.
const withBody = (status: number) => (status === 204 ? 200 : status)

/** The work is done at once, the answer comes late. */
export function answerLate(ms: number): Fault {
  return async ({ perform, send }) => {
    const reply = await perform()
    await delay(ms)
    send(reply)
  }
}

/** Waits until so many requests are on their way, so that what replaces one of them meets no fault in its stead. */
export function onceAllCame(count: number, fault: (index: number) => Fault): Fault {
  let came = 0
  let open = () => {}
  const all = new Promise<void>(resolve => {
    open = resolve
  })
  return async exchange => {
    const index = came++
    if (came === count) open()
    await all
    await fault(index)(exchange)
  }
}

/** Requests that are held up on their way, whether their caller still waits or not, until they are let go. */
export function holdUp(): { readonly fault: Fault; readonly letGo: () => Promise<readonly Reply[]> } {
  const held: (() => Promise<Reply>)[] = []
  return {
    fault({ perform, send }) {
      held.push(async () => {
        const reply = await perform()
        send(reply)
        return reply
      })
    },
    letGo: () => Promise.all(held.splice(0).map(request => request())),
  }
}

/** Never silent for long and never done: only a limit on the whole answer ends this. */
const trickle: Fault = async ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" })
  for (let sent = 0; sent < 1000 && !response.destroyed; sent++) {
    response.write(" ")
    await delay(20)
  }
}

/** Far more than any answer of Keycloak; bounded, should the caller read on for ever. */
const endlessBody: Fault = async ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" })
  await pour(response)
}

async function pour(response: ServerResponse): Promise<void> {
  const chunk = Buffer.alloc(65_536, " ")
  for (let sent = 0; sent < 512 && !response.destroyed; sent++) {
    response.write(chunk)
    await delay(2)
  }
}

export function answerWith(reply: Reply): Fault {
  return ({ send }) => send(reply)
}

const html = { "content-type": "text/html" }
const json = { "content-type": "application/json" }
const page = "<!doctype html><title>Maintenance</title><h1>Back soon</h1>"

/** A way to be no working Keycloak. */
export interface Outage {
  readonly name: string
  /** What the refusal's header has to match; it has none by default. */
  readonly retryAfter: RegExp
  readonly begin: (server: FaultyServer, breakage?: Breakage) => void | Promise<void>
}

function outage(name: string, fault: Fault, retryAfter: RegExp = /^$/): Outage {
  return { name, retryAfter, begin: (server, breakage) => server.breakWith(fault, breakage) }
}

/** What goes wrong on the way or in front of Keycloak, whatever was asked. `lateMs`: later than the caller waits. */
export function outagesFor(lateMs: number, elsewhere: string): readonly Outage[] {
  return [
    { name: "refuses the connection", retryAfter: /^$/, begin: server => server.goDown() },
    outage("resets the connection", reset),
    outage("accepts and never answers", hangBeforeHeaders),
    outage("is slow before the headers", answerLate(lateMs)),
    outage("hangs in the body", hangInBody),
    outage("sends the body a byte at a time", trickle),
    outage("sends an endless body", endlessBody),
    outage("answers 200 with HTML", answerWith({ status: 200, headers: html, body: page })),
    outage("answers 200 with HTML marked as JSON", answerWith({ status: 200, headers: json, body: page })),
    outage("answers 200 with broken JSON", answerWith({ status: 200, headers: json, body: '{"access_token":"eyJ' })),
    outage("answers 200 with a JSON list", answerWith({ status: 200, headers: json, body: "[]" })),
    outage("answers 200 with an empty JSON object", answerWith({ status: 200, headers: json, body: "{}" })),
    outage("answers 200 with nothing", answerWith({ status: 200, headers: json, body: "" })),
    outage(
      "answers 302 to another origin",
      answerWith({ status: 302, headers: { location: `${elsewhere}/login`, "content-length": "0" } }),
    ),
    outage("answers 429 and seconds to come back", answerWith({ status: 429, headers: { "retry-after": "7" } }), /^7$/),
    outage(
      "answers 429 and a date to come back",
      ({ send }) => send({ status: 429, headers: { "retry-after": new Date(Date.now() + 8500).toUTCString() } }),
      /^[89]$/, // the header has whole seconds
    ),
    outage("answers 403 with HTML", answerWith({ status: 403, headers: html, body: page })),
    outage("answers 500", answerWith({ status: 500, headers: json, body: '{"error":"unknown_error"}' })),
    outage("answers 502 with HTML", answerWith({ status: 502, headers: html, body: page })),
    outage(
      "answers 503 and seconds to come back",
      answerWith({ status: 503, headers: { ...html, "retry-after": "30" }, body: page }),
      /^30$/,
    ),
  ]
}
