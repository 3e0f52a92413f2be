import { GateError } from "../errors.js"
import { unavailable } from "./network-error.js"
import { quoted } from "./quoted.js"

/** What Keycloak answered to a request that we made in our own name. */
export interface KeycloakAnswer {
  readonly status: number
  readonly error: string
  readonly description: string
}

/** Whose request it was: names for the message, nothing secret. */
export interface KeycloakClient {
  readonly url: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string | null
}

/** Reads Keycloak's `error` and `error_description` out of a parsed body, whatever else is in it. */
export function answerOf(status: number, body: unknown): KeycloakAnswer {
  const { error, error_description } = (typeof body === "object" && body !== null ? body : {}) as Record<
    string,
    unknown
  >
  return {
    status,
    error: typeof error === "string" ? error : "",
    description: typeof error_description === "string" ? error_description : "",
  }
}

/**
 * The operator's error behind an answer: `keycloak_refused_us` that names the setting, or `keycloak_unavailable` where
 * what answered was no Keycloak at all.
 */
export function refusedUs(client: KeycloakClient, answer: KeycloakAnswer): GateError {
  const { url, realm, clientId, clientSecret } = client
  const { status, error, description } = answer
  const refusedFor = (why: string) => refused(why, answer, clientSecret)
  const console = `Clients → ${clientId}`
  if (error === "")
    return unavailable(url, `it answered ${status} without Keycloak's error format; something else may listen there`)
  if (status === 404) return noSuchRealm(client, error)
  if (description === "Realm not enabled") {
    return refusedFor(`The realm "${realm}" is disabled in Keycloak. Switch on Realm settings → Enabled`)
  }
  if (/direct access grants/i.test(description)) {
    return refusedFor(
      `loginWithPassword can't work: the client "${clientId}" has direct access grants off, which is the console's default. ` +
        `This is set-up, not a wrong password. Switch on ${console} → Settings → Capability config → Direct access grants, or ` +
        "log in by redirect",
    )
  }
  if (/service account/i.test(description)) {
    return refusedFor(
      `registerUser needs the service account of "${clientId}", and it is switched off. Keycloak lets a client act on its own ` +
        `only then. Switch on ${console} → Settings → Capability config → Client authentication and Service account roles`,
    )
  }
  if (/bearer-only/i.test(description)) {
    return refusedFor(`The client "${clientId}" is bearer-only and may not ask for tokens. Switch that off`)
  }
  if (/dpop/i.test(description)) {
    return refusedFor(
      `The client "${clientId}" demands DPoP, which this library does not send. Switch off ${console} → Advanced → Require DPoP bound tokens`,
    )
  }
  if (
    error === "unauthorized_client" ||
    (error === "invalid_client" && description === "Client authentication failed.")
  ) {
    return refusedFor(wrongSecret(client, console))
  }
  if (error === "invalid_client") {
    return refusedFor(
      `There is no enabled client "${clientId}" in realm "${realm}". \`clientId\` is the Client ID column, not the UUID in the address bar`,
    )
  }
  return refusedFor(`Keycloak refused a request of the client "${clientId}"`)
}

function noSuchRealm({ url, realm }: KeycloakClient, error: string): GateError {
  const { origin, pathname } = new URL(url)
  if (/realm/i.test(error)) {
    return refused(
      `Keycloak at ${origin} has no realm "${realm}". It answered "${quoted(error)}"; realm names are case-sensitive. Set \`realm\` to ` +
        "the name in the console's address bar (…/admin/master/console/#/{realm})",
    )
  }
  return refused(
    `No Keycloak API under ${origin}${pathname.replace(/\/realms\/.*$/, "")}. Since version 17 there is no \`/auth\` in the path ` +
      "unless the server sets it. Set `serverUrl` to the part before `/realms/`",
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
export function refused(what: string, answer?: KeycloakAnswer, secret: string | null = null): GateError {
  return new GateError("keycloak_refused_us", `${what}.${answer === undefined ? "" : saidBy(answer, secret)}`)
}

function saidBy({ status, error, description }: KeycloakAnswer, secret: string | null): string {
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
