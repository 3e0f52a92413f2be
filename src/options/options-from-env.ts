import { GateError } from "../errors.js"
import { otherVariables } from "./other-variables.js"
import { type Checked, checkName, checkRealmName, checkServerUrl } from "./server-address.js"

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
 * @throws {GateError} `config_invalid` naming every variable that is missing or can't be used
 */
export function optionsFromEnv(env: Readonly<Record<string, string | undefined>>): EnvOptions {
  const missing: { readonly name: string; readonly elsewhere: string }[] = []
  const problems: string[] = []
  /** The first of these variables that is set. */
  const read = (names: readonly string[], check?: (found: unknown) => Checked): string | undefined => {
    const name = names.find(one => env[one] !== undefined && env[one] !== "")
    if (name === undefined) return undefined
    const checked = check?.(env[name])
    if (checked !== undefined && "problem" in checked) problems.push(`${name}: ${checked.problem}.`)
    return env[name]
  }
  const need = (name: string, elsewhere: string, found: string | undefined): string => {
    if (found === undefined) missing.push({ name, elsewhere })
    return found ?? ""
  }

  const [ownUrl, ownRealm] = [read(["KEYCLOAK_URL"], checkServerUrl), read(["KEYCLOAK_REALM"], checkRealmName)]
  const endpoint = ownUrl === undefined || ownRealm === undefined ? read(endpointNames, checkEndpoint) : undefined
  const { serverUrl, realm } = endpoint === undefined ? nothing : (partsOf(endpoint) ?? unreadable)
  const clientSecret = read(["KEYCLOAK_CLIENT_SECRET", "OIDC_RP_CLIENT_SECRET"])
  const internalUrl = read(["KEYCLOAK_INTERNAL_URL"], checkServerUrl)
  const audience = read(["KEYCLOAK_AUDIENCE"], found => checkName(found, "an audience"))
  const options = {
    serverUrl: need("KEYCLOAK_URL", "OIDC_OP_TOKEN_ENDPOINT", ownUrl ?? serverUrl),
    realm: need("KEYCLOAK_REALM", "OIDC_OP_TOKEN_ENDPOINT", ownRealm ?? realm),
    clientId: need(
      "KEYCLOAK_CLIENT_ID",
      "OIDC_RP_CLIENT_ID",
      read(["KEYCLOAK_CLIENT_ID", "OIDC_RP_CLIENT_ID"], found => checkName(found, "a Client ID")),
    ),
    ...(clientSecret !== undefined && { clientSecret }),
    ...(internalUrl !== undefined && { internalUrl }),
    ...(audience !== undefined && { audience }),
  }
  if (missing.length > 0) {
    const lacking = missing.map(({ name, elsewhere }) => `${name} (or ${elsewhere})`)
    const wanted = missing.map(({ name }) => name)
    if (clientSecret === undefined) wanted.push("KEYCLOAK_CLIENT_SECRET")
    problems.unshift(`The environment lacks ${lacking.join(", ")}.`, ...otherVariables(wanted, ownNames, env))
  }
  if (problems.length > 0) throw new GateError("config_invalid", problems.join("\n"))
  return options
}

const nothing = { serverUrl: undefined, realm: undefined }
/** Its problem is told already. */
const unreadable = { serverUrl: "", realm: "" }
const endpointNames = ["OIDC_OP_TOKEN_ENDPOINT", "OIDC_OP_USER_ENDPOINT"]
const ownNames = [
  "KEYCLOAK_URL",
  "KEYCLOAK_REALM",
  "KEYCLOAK_CLIENT_ID",
  "KEYCLOAK_CLIENT_SECRET",
  "KEYCLOAK_INTERNAL_URL",
  "KEYCLOAK_AUDIENCE",
  ...endpointNames,
  "OIDC_RP_CLIENT_ID",
  "OIDC_RP_CLIENT_SECRET",
]

function checkEndpoint(endpoint: unknown): Checked {
  const parts = partsOf(String(endpoint))
  if (parts === undefined)
    return { problem: "expected {server}/realms/{realm}/protocol/openid-connect/…, the realm percent-encoded" }
  const server = checkServerUrl(parts.serverUrl)
  return "problem" in server ? server : checkRealmName(parts.realm)
}

function partsOf(endpoint: string): { serverUrl: string; realm: string } | undefined {
  const [, serverUrl, realm] = /^(https?:\/\/.+?)\/realms\/([^/?#]+)\/protocol\/openid-connect\//i.exec(endpoint) ?? []
  if (serverUrl === undefined || realm === undefined) return undefined
  try {
    return { serverUrl, realm: decodeURIComponent(realm) }
  } catch (error) {
    // A lonely per cent sign, for one.
    if (error instanceof URIError) return undefined
    throw error
  }
}
