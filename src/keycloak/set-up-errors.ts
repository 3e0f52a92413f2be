import { GateError } from "../errors.js"
import { unavailable } from "./network-error.js"
import { quoted } from "./quoted.js"
import type { KeycloakError } from "./words.js"

/** Whose request it was: names for the message, nothing secret. */
export interface KeycloakClient {
  readonly url: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string | null
}

/**
 * The operator's error behind an answer: `keycloak_refused_us` that names the setting, or `keycloak_unavailable` where
 * what answered was no Keycloak at all.
 */
export function refusedUs(client: KeycloakClient, error: KeycloakError): GateError {
  const { url, realm, clientId, clientSecret } = client
  const console = `Clients → ${clientId}`
  const refusedFor = (why: string) => refused(why, error, clientSecret)
  switch (error.kind) {
    case "foreign":
      return unavailable(
        url,
        `it answered ${error.status} without Keycloak's error format; something else may listen there`,
      )
    case "realm_absent":
      return refused(
        `Keycloak at ${new URL(url).origin} has no realm "${realm}". It answered "${quoted(error.error)}"; realm names are ` +
          "case-sensitive. Set `realm` to the name in the console's address bar (…/admin/master/console/#/{realm})",
      )
    case "path_absent":
      return refused(noSuchPath(url))
    case "realm_disabled":
      return refusedFor(`The realm "${realm}" is disabled in Keycloak. Switch on Realm settings → Enabled`)
    case "direct_grants_off":
      return refusedFor(
        `loginWithPassword can't work: the client "${clientId}" has direct access grants off, which is the console's default. ` +
          `This is set-up, not a wrong password. Switch on ${console} → Settings → Capability config → Direct access grants, or ` +
          "log in by redirect",
      )
    case "service_account_off":
      return refusedFor(
        `registerUser needs the service account of "${clientId}", and it is switched off. Keycloak lets a client act on its own ` +
          `only then. Switch on ${console} → Settings → Capability config → Client authentication and Service account roles`,
      )
    case "bearer_only":
      return refusedFor(`The client "${clientId}" is bearer-only and may not ask for tokens. Switch that off`)
    case "dpop_wanted":
      return refusedFor(
        `The client "${clientId}" demands DPoP, which this library does not send. Switch off ${console} → Advanced → Require DPoP bound tokens`,
      )
    case "secret_wrong":
      return refusedFor(wrongSecret(client, console))
    case "client_unknown":
      return refusedFor(
        `There is no enabled client "${clientId}" in realm "${realm}". \`clientId\` is the Client ID column, not the UUID in the address bar`,
      )
    case "client_or_secret_wrong":
      return refusedFor(
        `Keycloak has no enabled client "${clientId}" in realm "${realm}", or it has another secret. Compare both with ${console} → ` +
          "Credentials → Client Secret",
      )
    default:
      return refusedFor(
        error.status === 404 ? noSuchPath(url) : `Keycloak refused a request of the client "${clientId}"`,
      )
  }
}

function noSuchPath(url: string): string {
  const { origin, pathname } = new URL(url)
  return (
    `No Keycloak API under ${origin}${pathname.replace(/\/realms\/.*$/, "")}. Since version 17 there is no \`/auth\` in the path ` +
    "unless the server sets it. Set `serverUrl` to the part before `/realms/`"
  )
}

function wrongSecret({ clientId, clientSecret }: KeycloakClient, console: string): string {
  if (clientSecret === null) {
    return `Keycloak wants the secret of the client "${clientId}", and none was given. Copy it from ${console} → Credentials → Client Secret into KEYCLOAK_CLIENT_SECRET`
  }
  const edges =
    clientSecret.trim() === clientSecret
      ? "A line break at its end (from an .env file) counts too."
      : "It has blanks or line breaks at its edges."
  return (
    `Keycloak knows the client "${clientId}" but not this secret. ${edges} Copy it from ${console} → Credentials → ` +
    "Client Secret into KEYCLOAK_CLIENT_SECRET"
  )
}

/** A `keycloak_refused_us` whose message ends with what Keycloak itself said. */
export function refused(what: string, error?: KeycloakError, secret: string | null = null): GateError {
  return new GateError("keycloak_refused_us", `${what}.${error === undefined ? "" : saidBy(error, secret)}`)
}

function saidBy({ status, error, description }: KeycloakError, secret: string | null): string {
  const words = [error, description].filter(text => text !== "").map(text => quoted(text, secret))
  return ` (Keycloak answered ${status} ${words.join(": ")})`
}

export function lacksManageUsers(clientId: string): GateError {
  return refused(
    `Keycloak logged the service account of "${clientId}" in, but it may not create users (403). The role \`manage-users\` of ` +
      `\`realm-management\` is not in its token. Clients → ${clientId} → Service account roles → Assign role → Client roles → ` +
      `realm-management manage-users; if it is there already, switch on Client scopes → ${clientId}-dedicated → Scope → Full ` +
      "scope allowed. It works at once, no restart",
  )
}
