import { once } from "node:events"
import type { Server, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** What each example makes of a gate: something that can listen; port 0 takes a free one. */
export interface Application {
  /** Once closed, it has so many milliseconds to answer what is under way. */
  listen(port: number, drainMs?: number): Promise<Listening>
}

export interface Listening {
  readonly url: string
  /** Takes no new connection, answers what is under way, and cuts what takes too long. */
  close(): Promise<void>
}

// `docker stop` waits 10 s, Kubernetes 30 s.
const defaultDrainMs = 8000

/** Listens on this machine only, for frameworks whose application is a request listener. */
export async function listenOn(server: Server, port: number, drainMs?: number): Promise<Listening> {
  const drain = createDrain(server, drainMs)
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, close: () => drain(() => new Promise(closed => server.close(closed))) }
}

/**
 * Lets a server end without cutting anybody: `close` is to stop listening, close idle connections and resolve when the
 * others are closed too.
 */
export function createDrain(
  server: Server,
  drainMs = defaultDrainMs,
): (close: () => Promise<unknown>) => Promise<void> {
  const answering = new Set<ServerResponse>()
  let isDraining = false
  // Before the application answers.
  server.prependListener("request", (_request, response) => {
    if (isDraining) response.shouldKeepAlive = false
    answering.add(response)
    response.once("close", () => answering.delete(response))
  })
  return async close => {
    isDraining = true
    // Otherwise callers keep their connections for their next request, and the server waits for them.
    for (const response of answering) response.shouldKeepAlive = false
    const timer = setTimeout(() => server.closeAllConnections(), drainMs)
    await close()
    clearTimeout(timer)
  }
}

/** Ends the process in order when it is asked to, and at once when it is asked again. */
export function endInOrder(end: () => Promise<void>): void {
  let isEnding = false
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (isEnding) process.exit(1)
      isEnding = true
      end().then(
        () => process.exit(0),
        error => {
          console.error(error)
          process.exit(1)
        },
      )
    })
  }
}
