import { connect, type Socket } from "node:net"
import { startRawServer } from "./raw-server.ts"

/** Stands before a server on loopback, and loses what is sent. */
export interface TcpProxy {
  readonly port: number
  /** Ends all connections; new ones are made. */
  readonly cut: () => void
  /** Takes everything, new connections too, and passes on nothing, in either direction, until `flow`. */
  readonly stall: () => void
  readonly flow: () => void
  readonly close: () => Promise<void>
}

export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isStalled = false

  function hold(socket: Socket): void {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined)
    if (isStalled) socket.pause()
  }

  const server = await startRawServer(incoming => {
    const outgoing = connect(port, "127.0.0.1")
    hold(incoming)
    hold(outgoing)
    incoming.pipe(outgoing)
    outgoing.pipe(incoming)
    if (isStalled) for (const socket of [incoming, outgoing]) socket.pause()
    incoming.on("close", () => outgoing.destroy())
    outgoing.on("close", () => incoming.destroy())
  })

  return {
    port: Number(new URL(server.url).port),
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    stall() {
      isStalled = true
      for (const socket of sockets) socket.pause()
    },
    flow() {
      isStalled = false
      for (const socket of sockets) socket.resume()
    },
    close: server.close,
  }
}
