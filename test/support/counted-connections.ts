import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"

/** A loopback relay in front of a server, which counts the connections that are open at once. */
export interface CountedConnections {
  readonly url: string
  /** The most since the last `forget`, of those that came since. */
  readonly most: () => number
  readonly forget: () => void
  /** Resolves when none has come for half a second: a busy machine accepts late what was begun early. */
  readonly quiet: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function countConnections(upstream: string): Promise<CountedConnections> {
  const { port, hostname } = new URL(upstream)
  const open = new Set<Socket>()
  // Of those since the last `forget`: a busy machine closes late what nobody uses any more.
  const counted = new Set<Socket>()
  let most = 0
  let accepted = 0

  const server = createServer(socket => {
    accepted += 1
    open.add(socket)
    counted.add(socket)
    most = Math.max(most, counted.size)
    const onward = connect(Number(port), hostname)
    // Whatever ends one side ends the other, as without a relay.
    socket
      .on("error", () => undefined)
      .on("close", () => {
        open.delete(socket)
        counted.delete(socket)
        onward.destroy()
      })
    onward.on("error", () => socket.resetAndDestroy()).on("close", () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    most: () => most,
    forget() {
      counted.clear()
      most = 0
    },
    async quiet() {
      for (let before = -1; before !== accepted; await delay(500)) before = accepted
    },
    async close() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, "close")
    },
  }
}
