import { once } from "node:events"
import { createServer } from "node:http"
import type { Gate, Hold } from "keycloak-gate"
import { type RawData, type WebSocket, WebSocketServer } from "ws"
import { type Application, listenOn } from "../application.ts"

/** An echo for people. The first message is `{ "token": "…" }`, and so is each renewal. */
export function createApplication(gate: Gate<unknown>): Application {
  const server = createServer()
  const sockets = new WebSocketServer({ server, maxPayload: 65_536 })

  sockets.on("connection", async socket => {
    socket.on("error", () => socket.terminate())
    // authentication
    try {
      const [first] = await once(socket, "message", { signal: AbortSignal.timeout(5000) }).catch(() => [])
      const hold = await gate.hold(read(first).token, { onEnd: reason => socket.close(4401, reason) })
      socket.readyState === socket.CLOSED ? hold.close() : socket.on("close", hold.close)
      echo(socket, hold)
    } catch (error) {
      socket.close(4000 + (gate.refusalFor(error)?.status ?? 500))
    }
    // end of authentication
  })

  function echo(socket: WebSocket, hold: Hold<unknown>): void {
    const send = (message: object) => socket.send(JSON.stringify(message))
    send({ hello: hold.principal.username })
    socket.on("message", data => {
      const { token, text } = read(data)
      if (token === undefined) return send({ from: hold.principal.username, text })
      // A token that is refused leaves the connection as it was.
      hold.renew(token).then(
        ({ expiresAt }) => send({ renewed: expiresAt }),
        error => send({ ...gate.refusalFor(error)?.body }),
      )
    })
  }

  return {
    async listen(port, drainMs) {
      const { url, close } = await listenOn(server, port, drainMs)
      return {
        url,
        close() {
          for (const socket of sockets.clients) socket.close(1001)
          return close()
        },
      }
    },
  }
}

interface Message {
  readonly token?: string
  readonly text?: unknown
}

/** What is no JSON says nothing. */
function read(data: RawData | undefined): Message {
  try {
    return Object(JSON.parse(String(data)))
  } catch {
    return {}
  }
}
