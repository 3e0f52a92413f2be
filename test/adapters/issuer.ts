import { createServer, type Socket } from "node:net"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { listen } from "./listen.js"

/** The part of Keycloak that local verification meets: one realm's key set, and tokens signed with its key. */
export interface Issuer {
  readonly serverUrl: string
  readonly certsRequests: () => number
  /** An access token of the realm `shop` as Keycloak 26.7 shapes it; a claim that is set to undefined is left out. */
  readonly mint: (claims?: Readonly<Record<string, unknown>>) => Promise<string>
  /** The same for a client's own token (client credentials). */
  readonly mintService: (claims?: Readonly<Record<string, unknown>>) => Promise<string>
  readonly close: () => Promise<void>
}

const kid = "YQ3kVx9cJm1yqz2mZ1v0n3Qm8d5oXq4J2r7t6u8w9y0"

export async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair("RS256")
  const signing = { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" }
  let certsRequests = 0
  const { url: serverUrl, close } = await listen((request, response) => {
    if (request.url !== "/realms/shop/protocol/openid-connect/certs") {
      response.writeHead(404, { "Content-Type": "application/json" }).end('{"error":"Realm does not exist"}')
      return
    }
    certsRequests += 1
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ keys: [signing] }))
  })

  async function mint(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const seconds = Math.floor(Date.now() / 1000)
    const payload = {
      exp: seconds + 300,
      iat: seconds,
      jti: `onrtro:${crypto.randomUUID()}`,
      iss: `${serverUrl}/realms/shop`,
      aud: ["shop-api", "account"],
      sub: "5f0a2f6e-6d6f-4b0e-9a53-0d0a4c1f2b11",
      typ: "Bearer",
      azp: "shop-web",
      sid: crypto.randomUUID(),
      acr: "1",
      realm_access: { roles: ["default-roles-shop", "offline_access"] },
      resource_access: { account: { roles: ["view-profile"] } },
      scope: "profile email",
      email_verified: true,
      name: "Ada Lovelace",
      preferred_username: "ada",
      given_name: "Ada",
      family_name: "Lovelace",
      email: "ada@example.test",
      ...claims,
    }
    return new SignJWT(payload).setProtectedHeader({ alg: "RS256", typ: "JWT", kid }).sign(privateKey)
  }

  return {
    serverUrl,
    mint,
    mintService: claims =>
      mint({
        sub: "0c8f2b1e-58a5-4f8a-a0c6-7a3f5a9d1e22",
        azp: "billing",
        client_id: "billing",
        sid: undefined,
        preferred_username: "service-account-billing",
        email: undefined,
        ...claims,
      }),
    certsRequests: () => certsRequests,
    close,
  }
}

/** A listener that accepts connections and never says a word. */
export async function startSilentServer(): Promise<{
  readonly serverUrl: string
  readonly close: () => Promise<void>
}> {
  const sockets = new Set<Socket>()
  const { url, close } = await listen(
    createServer(socket => {
      sockets.add(socket.on("error", () => socket.destroy()))
    }),
  )
  return {
    serverUrl: url,
    close() {
      for (const socket of sockets) socket.destroy()
      return close()
    },
  }
}

/** An address where nobody listens. */
export async function closedPort(): Promise<string> {
  const { url, close } = await listen(createServer())
  await close()
  return url
}
