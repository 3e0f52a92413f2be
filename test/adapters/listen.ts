import { createServer, type RequestListener } from "node:http"
import type { AddressInfo, Server } from "node:net"

export interface Listening {
  readonly url: string
  readonly close: () => Promise<void>
}

/** Starts a server on a free port of this machine. */
export async function listen(server: Server | RequestListener): Promise<Listening> {
  const started = typeof server === "function" ? createServer(server) : server
  await new Promise<void>(resolve => started.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(started.address() as AddressInfo).port}`,
    close: () => new Promise<void>(resolve => started.close(() => resolve())),
  }
}

/** An address where nobody listens. */
export async function closedPort(): Promise<string> {
  const { url, close } = await listen(createServer())
  await close()
  return url
}
