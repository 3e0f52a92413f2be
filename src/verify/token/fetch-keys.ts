import { readJson } from "../../keycloak/answer.js"
import { unavailable } from "../../keycloak/network-error.js"
import type { Call, Transport } from "../../keycloak/transport.js"

/** One public key as Keycloak publishes it (RFC 7517); the same object as long as its text stays the same. */
export type Jwk = Readonly<Record<string, unknown>> & { readonly kid: string; readonly kty: string }

/** Where keys are fetched from, and the keys that are known already. */
interface KeySource {
  readonly transport: Transport
  readonly certsUrl: string
}

/**
 * The signing keys that Keycloak publishes now; a key whose text has not changed stays the object it was.
 *
 * @throws {GateError} `keycloak_unavailable`, also for an answer without any such key
 */
export async function fetchKeys(
  { transport, certsUrl }: KeySource,
  before: ReadonlySet<Jwk>,
  isRepeatable: boolean,
): Promise<ReadonlySet<Jwk>> {
  const call: Call = { endpoint: "keys", share: "own", isRepeatable }
  const response = await transport.fetch(certsUrl, call, { headers: { accept: "application/json" } })
  if (response.status !== 200) {
    throw unavailable(
      certsUrl,
      `its key set answered ${response.status}; check \`serverUrl\` and \`realm\` with ready()`,
    )
  }
  const { keys } = await readJson(certsUrl, response)
  const usable = Array.isArray(keys) ? keys.filter(isSigningKey) : []
  if (usable.length === 0) throw unavailable(certsUrl, "its key set holds no key that can check a signature")
  // The old object for an unchanged key, so that what was verified with it stays verified.
  const known = new Map([...before].map(key => [JSON.stringify(key), key]))
  return new Set(usable.map(key => known.get(JSON.stringify(key)) ?? key))
}

// Keycloak publishes its RSA-OAEP key (`use: enc`) in the same set; a symmetric key in a public document is no secret.
function isSigningKey(key: unknown): key is Jwk {
  if (typeof key !== "object" || key === null) return false
  const { kid, kty, use } = key as Record<string, unknown>
  return (
    typeof kid === "string" &&
    kid !== "" &&
    typeof kty === "string" &&
    kty !== "oct" &&
    (use === undefined || use === "sig")
  )
}
