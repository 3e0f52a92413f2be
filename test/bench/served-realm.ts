import { createServer } from "node:http"
import { listen } from "./listen.ts"
import { folder, issuerAt, readRealm } from "./token-set.ts"

/** The realm of the minted tokens: it publishes its keys, and does nothing else. */
export interface ServedRealm {
  /** How often the keys were fetched. */
  readonly fetches: () => number
  /** Whether the rotated key is among them; at first it is not. `POST /rotate` adds it too. */
  readonly setRotated: (rotated: boolean) => void
  readonly close: () => Promise<void>
}

/** @throws {Error} when the realm's port is taken */
export async function serveRealm(): Promise<ServedRealm> {
  const { port, keys, rotated } = readRealm()
  let fetches = 0
  let isRotated = false
  const discovery = { issuer: issuerAt(port), jwks_uri: `${issuerAt(port)}/protocol/openid-connect/certs` }

  const server = createServer(({ method, url }, response) => {
    const isForKeys = url?.endsWith("/certs") === true
    if (isForKeys) fetches += 1
    if (method === "POST" && url === "/rotate") isRotated = true
    const published = { keys: [...Object.values(keys), ...(isRotated ? [rotated.jwk] : [])] }
    response.setHeader("content-type", "application/json").end(JSON.stringify(isForKeys ? published : discovery))
  })
  const { close } = await listen(server, port).catch((cause: unknown) => {
    throw new Error(`Can't serve the realm: does another benchmark run here? If not, delete ${folder}.`, { cause })
  })
  return {
    fetches: () => fetches,
    setRotated(value) {
      isRotated = value
    },
    close,
  }
}
