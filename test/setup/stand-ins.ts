import { once } from "node:events"
import { createServer as createHttpsServer } from "node:https"
import { type AddressInfo, createServer } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { type Reply, startFaultyServer } from "../support/faulty-server.ts"
import { forward } from "../support/proxy.ts"
import { startRawServer } from "../support/raw-server.ts"
import type { Certificate } from "./certificate.ts"

/** What stands in Keycloak's place for a while. */
export interface StandIn {
  readonly url: string
  readonly close: () => Promise<void>
}

/** Nobody listens there. */
export async function closedPort(): Promise<StandIn> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return { url: `http://127.0.0.1:${port}`, close: async () => undefined }
}

/** Takes connections and says nothing. */
export const silentPort = (): Promise<StandIn> => startRawServer(() => undefined)

/** Takes connections and ends them. */
export const hangingUp = (): Promise<StandIn> => startRawServer(socket => socket.destroy())

/** Answers everything in one way. */
export const answering = (reply: Reply): Promise<StandIn> => startFaultyServer(() => reply)

/** Answers over TLS, as the server behind it does or as there is no realm. */
export async function overTls(
  certificate: Certificate,
  upstream?: string,
  pathBehind: (path: string) => string = path => path,
): Promise<StandIn> {
  const server = createHttpsServer({ cert: certificate.cert, key: certificate.key }, async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    const { method = "GET", url = "/", headers } = request
    const call = { method, path: pathBehind(url), headers, body }
    const reply = upstream === undefined ? { status: 404, body: "" } : await forward(upstream, call)
    response.writeHead(reply.status, reply.headers as never).end(reply.body)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}`, close: () => ended(server) }
}

/** Speaks a TLS that Node is not willing to speak. */
export async function oldTls(certificate: Certificate): Promise<StandIn> {
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const
  const server = createTlsServer({ cert: certificate.cert, key: certificate.key, ...old }, socket => socket.end())
  server.on("tlsClientError", () => undefined)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}`, close: () => ended(server) }
}

async function ended(server: ReturnType<typeof createServer>): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  if ("closeAllConnections" in server) (server as ReturnType<typeof createHttpsServer>).closeAllConnections()
  await closed
}
