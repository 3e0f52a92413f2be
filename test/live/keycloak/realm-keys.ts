import { generateKeyPairSync } from "node:crypto"
import type { RealmFile } from "./admin.ts"

const ofKeys = "org.keycloak.keys.KeyProvider"

/**
 * The realm with the keys that Keycloak would make for it: the same kinds, and RSA keys of its own.
 *
 * Keycloak takes 3 to 10 s for its two RSA keys (26.7.4). A realm that names its keys itself keeps those.
 */
export function withKeys<Realm extends RealmFile>(realm: Realm): Realm {
  const components = (realm.components ?? {}) as Readonly<Record<string, unknown>>
  if (ofKeys in components) return realm
  return {
    ...realm,
    components: { ...components, [ofKeys]: [rsa("rsa", "RS256"), rsa("rsa-enc", "RSA-OAEP"), hmac, aes] },
  }
}

const hmac = { name: "hmac", providerId: "hmac-generated", config: { priority: ["100"], algorithm: ["HS512"] } }
const aes = { name: "aes", providerId: "aes-generated", config: { priority: ["100"] } }

function rsa(providerId: string, algorithm: string) {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  })
  return {
    name: providerId,
    providerId,
    config: { privateKey: [privateKey], priority: ["100"], algorithm: [algorithm] },
  }
}
