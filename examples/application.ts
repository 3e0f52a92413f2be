import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

/** What each example makes of a gate: something that can listen; port 0 takes a free one. */
export interface Application {
  listen(port: number): Promise<Listening>
}

export interface Listening {
  readonly url: string
  close(): Promise<void>
}

/** Listens on this machine only, for frameworks whose application is a request listener. */
export function listenOn(server: Server, port: number): Promise<Listening> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", () => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const close = () => new Promise<void>(closed => server.close(() => closed()).closeAllConnections())
      resolve({ url, close })
    })
  })
}
