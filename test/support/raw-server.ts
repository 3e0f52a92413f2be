import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"

/** A server that speaks in bytes, for what no HTTP server would send. */
export interface RawServer {
  readonly url: string
  /** How many connections were made. */
  readonly connections: () => number
  readonly close: () => Promise<void>
}

/** `serve` gets each new connection. */
export async function startRawServer(serve: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(socket => {
    connections += 1
    sockets.add(socket)
    socket.on("error", () => undefined)
    socket.on("close", () => sockets.delete(socket))
    serve(socket)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    async close() {
      const closed = once(server, "close")
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
