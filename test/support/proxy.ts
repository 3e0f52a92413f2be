import { request as httpRequest } from "node:http"
import { type Call, type FaultyServer, type Reply, startFaultyServer } from "./faulty-server.ts"

/** A loopback proxy in front of a real Keycloak, for `internalUrl`; Keycloak sees its own host name. */
export function startProxy(upstream: string): Promise<FaultyServer> {
  return startFaultyServer(call => {
    const { host: _, ...headers } = call.headers
    return forward(upstream, { ...call, headers })
  })
}

const perConnection = ["connection", "keep-alive", "transfer-encoding", "content-length"]

/** Sends a call on as it came, its Host header too. */
export function forward(upstream: string, { method, path, headers, body }: Call): Promise<Reply> {
  const kept = Object.entries(headers).filter(([name]) => !perConnection.includes(name))
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(new URL(path, upstream), {
      method,
      agent: false,
      headers: { ...Object.fromEntries(kept), "content-length": body.byteLength },
    })
    outgoing.on("error", reject).end(body)
    outgoing.on("response", incoming => {
      incoming.toArray().then(chunks => {
        const answered = Object.entries(incoming.headers).filter(([name]) => !perConnection.includes(name))
        const full = Buffer.concat(chunks)
        resolve({
          status: incoming.statusCode ?? 502,
          headers: { ...(Object.fromEntries(answered) as Record<string, string>) },
          body: full,
        })
      }, reject)
    })
  })
}
