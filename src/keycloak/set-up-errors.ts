import { GateError } from "../errors.js"
import { clientFault, type Fault, type KeycloakClient, manageUsersMissing } from "./client-faults.js"
import { unavailable } from "./network-error.js"
import { type KeycloakError, wordsOf } from "./words.js"

/**
 * The operator's error behind an answer: `keycloak_refused_us` that names the setting, or `keycloak_unavailable` where
 * what answered was no Keycloak at all.
 */
export function refusedUs(client: KeycloakClient, error: KeycloakError): GateError {
  const { url, clientId, clientSecret } = client
  if (error.kind === "foreign") {
    const why = `it answered ${error.status} without Keycloak's error format; something else may listen there`
    return unavailable(url, why)
  }
  const fault = clientFault(error, client)
  if (fault !== null) return refused(`${asLine(fault)}${looksTheSame(error)}`, error, clientSecret)
  if (error.kind === "path_absent") return refused(noSuchPath(url))
  return refused(
    error.status === 404 ? noSuchPath(url) : `Keycloak refused a request of the client "${clientId}"`,
    error,
    clientSecret,
  )
}

/** Without the stop at its end, which `refused` sets. */
function asLine({ what, why, mend }: Fault): string {
  return `${what} ${why} ${mend}`.replace(/\.$/, "")
}

/** What only another request can tell from a fault. */
function looksTheSame({ kind }: KeycloakError): string {
  if (kind !== "client_unknown") return ""
  return ". A proxy that takes the Authorization header away looks the same: `ready()` tells them apart"
}

function noSuchPath(url: string): string {
  const { origin, pathname } = new URL(url)
  return (
    `No Keycloak API under ${origin}${pathname.replace(/\/realms\/.*$/, "")}. Since version 17 there is no \`/auth\` in the path ` +
    "unless the server sets it. Set `serverUrl` to the part before `/realms/`"
  )
}

/** A `keycloak_refused_us` whose message ends with what Keycloak itself said. */
export function refused(what: string, error?: KeycloakError, secret: string | null = null): GateError {
  return new GateError("keycloak_refused_us", `${what}.${error === undefined ? "" : saidBy(error, secret)}`)
}

function saidBy(error: KeycloakError, secret: string | null): string {
  return ` (Keycloak answered ${`${error.status} ${wordsOf(error, secret)}`.trimEnd()})`
}

export function lacksManageUsers(clientId: string): GateError {
  return refused(asLine(manageUsersMissing(clientId)))
}

export function lacksViewEvents(clientId: string): GateError {
  return refused(
    `The service account "${clientId}" may not read events (\`watchEvents\`): Keycloak answered 403. Give it the role ` +
      `\`view-events\` under Clients → ${clientId} → Service account roles → Assign role → realm-management view-events`,
  )
}
