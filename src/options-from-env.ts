import { GateError } from "./errors.js"

/** The options that an environment can hold. */
export interface EnvOptions {
  readonly serverUrl: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret?: string
  readonly internalUrl?: string
  readonly audience?: string
}

/**
 * Reads `createGate`'s first options from environment variables.
 *
 * `KEYCLOAK_URL`, `KEYCLOAK_REALM`, `KEYCLOAK_CLIENT_ID`, `KEYCLOAK_CLIENT_SECRET`, `KEYCLOAK_INTERNAL_URL`,
 * `KEYCLOAK_AUDIENCE`. Where those are absent, the Django settings `OIDC_OP_TOKEN_ENDPOINT` or `OIDC_OP_USER_ENDPOINT`
 * (server URL and realm are read out of them), `OIDC_RP_CLIENT_ID` and `OIDC_RP_CLIENT_SECRET`. An empty variable counts
 * as absent.
 *
 * @throws {GateError} `config_invalid` naming every variable that is missing
 */
export function optionsFromEnv(env: Readonly<Record<string, string | undefined>>): EnvOptions {
  const read = (...names: string[]) => names.map(name => env[name]).find(value => value !== undefined && value !== "")
  const endpoint = realmOfEndpoint(read("OIDC_OP_TOKEN_ENDPOINT", "OIDC_OP_USER_ENDPOINT"))
  const serverUrl = read("KEYCLOAK_URL") ?? endpoint?.serverUrl
  const realm = read("KEYCLOAK_REALM") ?? endpoint?.realm
  const clientId = read("KEYCLOAK_CLIENT_ID", "OIDC_RP_CLIENT_ID")
  if (serverUrl === undefined || realm === undefined || clientId === undefined) {
    const missing = [
      serverUrl === undefined && "KEYCLOAK_URL (or OIDC_OP_TOKEN_ENDPOINT)",
      realm === undefined && "KEYCLOAK_REALM (or OIDC_OP_TOKEN_ENDPOINT)",
      clientId === undefined && "KEYCLOAK_CLIENT_ID (or OIDC_RP_CLIENT_ID)",
    ].filter(Boolean)
    throw new GateError("config_invalid", `The environment lacks ${missing.join(", ")}.`)
  }
  const clientSecret = read("KEYCLOAK_CLIENT_SECRET", "OIDC_RP_CLIENT_SECRET")
  const internalUrl = read("KEYCLOAK_INTERNAL_URL")
  const audience = read("KEYCLOAK_AUDIENCE")
  return {
    serverUrl,
    realm,
    clientId,
    ...(clientSecret !== undefined && { clientSecret }),
    ...(internalUrl !== undefined && { internalUrl }),
    ...(audience !== undefined && { audience }),
  }
}

function realmOfEndpoint(endpoint: string | undefined): { serverUrl: string; realm: string } | undefined {
  if (endpoint === undefined) return undefined
  const parts = /^(https?:\/\/.+?)\/realms\/([^/?#]+)\/protocol\/openid-connect\//.exec(endpoint)
  if (parts?.[1] === undefined || parts[2] === undefined) {
    throw new GateError(
      "config_invalid",
      "OIDC_OP_TOKEN_ENDPOINT and OIDC_OP_USER_ENDPOINT must look like {server}/realms/{realm}/protocol/openid-connect/….",
    )
  }
  return { serverUrl: parts[1], realm: decodeURIComponent(parts[2]) }
}
