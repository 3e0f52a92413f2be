import { createServer, type ServerResponse } from "node:http"
import type { Gate } from "keycloak-gate"
import { type Application, listenOn } from "../application.ts"
import { createHeldStreams } from "../held-streams.ts"

/**
 * `GET /events` is a stream for people, whose first event tells its `id`. `POST /events/{id}` with a newer token renews it.
 * Both carry the token in their `Authorization` header: browsers use `fetch`, since their `EventSource` sends none.
 */
export function createApplication(gate: Gate<unknown>): Application {
  const streams = createHeldStreams(gate)

  async function stream(response: ServerResponse, token: string): Promise<void> {
    const gone = new AbortController()
    response.on("close", () => gone.abort())
    const { id, hold, ended } = await streams.open(token, gone.signal)
    const send = (event: string, data: object) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" })
    send("hello", { id, username: hold.principal.username })
    const ticking = setInterval(() => send("tick", { at: new Date() }), 1000)
    gone.signal.addEventListener("abort", () => clearInterval(ticking))
    ended.addEventListener("abort", () => {
      send("ended", { reason: ended.reason })
      response.end()
    })
  }

  const server = createServer(async (request, response) => {
    try {
      const { token } = await gate.verifyBearer(request.headersDistinct.authorization, {})
      const id = /^\/events\/([\w-]+)$/.exec(request.url ?? "")?.[1]
      if (request.method === "GET" && request.url === "/events") await stream(response, token)
      else if (request.method === "POST" && id !== undefined) {
        await streams.renew(id, token)
        response.writeHead(204).end()
      } else response.writeHead(404).end()
    } catch (error) {
      const refusal = gate.refusalFor(error)
      if (refusal === null) response.writeHead(500).end()
      else response.writeHead(refusal.status, refusal.headers).end(JSON.stringify(refusal.body))
    }
  })

  return { listen: (port, drainMs) => listenOn(server, port, drainMs) }
}
