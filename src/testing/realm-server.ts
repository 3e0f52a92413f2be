import { once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout } from "node:timers/promises"
import { type Answer, type Call, json } from "./answer.js"

/** A server on loopback whose address stays the same while it is down. */
export interface RealmServer {
  readonly url: string
  readonly goDown: () => Promise<void>
  readonly comeBack: () => Promise<void>
  readonly slow: (milliseconds: number) => void
  readonly stop: () => Promise<void>
}

// Keycloak sends them with every answer.
const always = {
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "SAMEORIGIN",
  "x-robots-tag": "none",
}

export async function startRealmServer(
  port: number,
  answer: (call: Call) => Promise<Answer>,
  record: (call: Call, status: number) => void,
): Promise<RealmServer> {
  let delay = 0
  let ending = new AbortController()
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error))
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await readCall(request)
    const { status, headers, body } = await answer(call).catch(failed)
    record(call, status)
    if (delay > 0) await setTimeout(delay, undefined, { signal: ending.signal })
    const length = status === 204 ? {} : { "content-length": String(Buffer.byteLength(body)) }
    response.sendDate = false // Keycloak sends none
    response.writeHead(status, { ...always, ...headers, ...length }).end(body)
  }

  async function listen(at: number): Promise<void> {
    server.listen(at, "127.0.0.1")
    await once(server, "listening")
  }

  async function close(): Promise<void> {
    if (!server.listening) return
    ending.abort()
    ending = new AbortController()
    server.close()
    server.closeAllConnections()
    await once(server, "close")
  }

  await listen(port)
  const address = addressOf(server)
  return {
    url: `http://127.0.0.1:${address.port}`,
    goDown: close,
    async comeBack() {
      if (!server.listening) await listen(address.port)
    },
    slow(milliseconds) {
      delay = milliseconds
    },
    stop: close,
  }
}

function addressOf(server: Server): AddressInfo {
  return server.address() as AddressInfo
}

async function readCall(request: IncomingMessage): Promise<Call> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const origin = `http://${request.headers.host ?? "localhost"}`
  const { pathname, searchParams } = new URL(request.url ?? "/", origin)
  const headers = request.headers as Readonly<Record<string, string | undefined>>
  const body = Buffer.concat(chunks).toString()
  return { method: request.method ?? "GET", path: pathname, query: searchParams, headers, body, origin }
}

/** A mistake of this server: the sentence is for whoever reads the test's log. */
function failed(error: unknown): Answer {
  const description = `The test realm of keycloak-gate failed: ${error instanceof Error ? error.message : error}`
  return json(500, { error: "unknown_error", error_description: description })
}
