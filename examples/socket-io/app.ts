import { createServer } from "node:http"
import type { Gate } from "keycloak-gate"
import { Server } from "socket.io"
import { type Application, listenOn } from "../application.ts"

/** An echo for people, whose token comes in the handshake: `io(url, { auth: { token } })`. */
export function createApplication(gate: Gate<unknown>): Application {
  const server = createServer()
  const io = new Server(server, { maxHttpBufferSize: 65_536 })

  io.use(async (socket, next) => {
    try {
      const holding = gate.hold(socket.handshake.auth.token, {
        onEnd(reason) {
          socket.emit("ended", reason)
          socket.disconnect(true)
        },
      })
      socket.conn.on("close", () =>
        holding.then(
          hold => hold.close(),
          () => undefined,
        ),
      )
      socket.data.hold = await holding
      next()
    } catch (error) {
      const refusal = gate.refusalFor(error)
      next(Object.assign(new Error(String(refusal?.body.error ?? "error")), { data: refusal?.body }))
    }
  })

  io.on("connection", socket => {
    const { hold } = socket.data
    socket.emit("hello", hold.principal.username)
    socket.on("text", (text: unknown, answer: (from: unknown, text: unknown) => void) => {
      answer(hold.principal.username, text)
    })
    // A token that is refused leaves the connection as it was.
    socket.on("renew", async (token: string, answer: (refused: unknown) => void) => {
      await hold.renew(token).then(
        () => answer(null),
        (error: unknown) => answer(gate.refusalFor(error)?.body ?? {}),
      )
    })
  })

  return {
    async listen(port, drainMs) {
      const { url, close } = await listenOn(server, port, drainMs)
      return {
        url,
        async close() {
          io.disconnectSockets(true)
          await close()
        },
      }
    },
  }
}
