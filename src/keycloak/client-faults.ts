import { quoted } from "./quoted.js"
import type { KeycloakError } from "./words.js"

/** Whose request it was: names for the message, nothing secret. */
export interface KeycloakClient {
  readonly url: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string | null
}

/** What is wrong, for an operator. */
export interface Fault {
  readonly what: string
  readonly why: string
  /** What to click or to set. */
  readonly mend: string
}

/** What is wrong with the set-up where Keycloak refuses a client in these words; null: they do not tell. */
export function clientFault(
  { kind, error }: Pick<KeycloakError, "kind" | "error">,
  client: KeycloakClient,
): Fault | null {
  const { url, realm, clientId } = client
  const console = `Clients → ${clientId}`
  const capability = `${console} → Settings → Capability config`
  switch (kind) {
    case "realm_absent":
      return {
        what: `Keycloak at ${new URL(url).origin} has no realm "${realm}".`,
        why: `It answered "${quoted(error)}"; realm names are case-sensitive.`,
        mend: "Set `realm` (KEYCLOAK_REALM) to the name in the console's address bar (…/admin/master/console/#/{realm}).",
      }
    case "realm_disabled":
      return {
        what: `The realm "${realm}" is disabled in Keycloak.`,
        why: "A disabled realm gives nobody a token, although it still publishes its addresses.",
        mend: "Switch on Realm settings → Enabled.",
      }
    case "https_wanted":
      return {
        what: `The realm "${realm}" refuses plain http.`,
        why: "Its setting Require SSL asks for https, and this address is http.",
        mend:
          "Use https, and start Keycloak with --proxy-headers where a proxy ends TLS. Or choose Realm settings → General → " +
          "Require SSL → External requests.",
      }
    case "client_unknown":
      return {
        what: `There is no enabled client "${clientId}" in realm "${realm}".`,
        why: "`clientId` is the Client ID column, not the UUID in the address bar. A disabled client gets the same answer.",
        mend: `Correct KEYCLOAK_CLIENT_ID, or make the client under Clients → Create client. If it is there, switch on ${console} → Enabled.`,
      }
    case "secret_wrong":
      return {
        ...wrongSecret(client),
        mend: `Copy it from ${console} → Credentials → Client Secret into KEYCLOAK_CLIENT_SECRET.`,
      }
    case "client_or_secret_wrong":
      return {
        what: `Keycloak has no enabled client "${clientId}" in realm "${realm}", or it has another secret.`,
        why: "This version of Keycloak does not tell which.",
        mend: `Compare both with ${console} → Credentials → Client Secret.`,
      }
    case "authenticator_other":
      return {
        what: `The client "${clientId}" has to prove itself by a signed JWT or a certificate.`,
        why: "This library sends the client's secret.",
        mend: `Choose ${console} → Credentials → Client Authenticator → Client Id and Secret.`,
      }
    case "bearer_only":
      return {
        what: `The client "${clientId}" is bearer-only and may not ask for tokens.`,
        why: "That is a setting of older consoles, and the new one does not show it.",
        mend: "Set bearerOnly to false by the Admin API, or make a new client.",
      }
    case "dpop_wanted":
      return {
        what: `The client "${clientId}" demands DPoP, which this library does not send.`,
        why: "Keycloak gives it no token without the proof of a key.",
        mend: `Switch off ${console} → Advanced → Require DPoP bound tokens.`,
      }
    case "certificate_wanted":
      return {
        what: `The client "${clientId}" gets tokens for a TLS certificate only.`,
        why: "This library presents no certificate.",
        mend: `Switch off ${console} → Advanced → OAuth 2.0 Mutual TLS Certificate Bound Access Tokens.`,
      }
    case "direct_grants_off":
      return {
        what: `loginWithPassword can't work: the client "${clientId}" has direct access grants off, which is the console's default.`,
        why: "This is set-up, not a wrong password.",
        mend: `Switch on ${capability} → Direct access grants, or log in by redirect.`,
      }
    case "consent_wanted":
      return {
        what: `loginWithPassword can't work: the client "${clientId}" asks each person for consent.`,
        why: "Consent is given on Keycloak's own pages, and a password login shows none.",
        mend: `Switch off ${console} → Settings → Consent required.`,
      }
    case "login_prohibited":
      return {
        what: "loginWithPassword can't work: a client policy of the realm prohibits password logins.",
        why: "Keycloak answers with the code of a wrong password. Only its sentence differs.",
        mend: "Realm settings → Client policies: remove the executor reject-ropc-grant, or the condition that covers this client.",
      }
    case "client_public":
      return {
        what: `The client "${clientId}" is public, although a secret was given.`,
        why: "registerUser needs the service account of a client, and a public client has none.",
        mend: `Switch on ${capability} → Client authentication and Service account roles. Assign manage-users to it, and copy its new secret into KEYCLOAK_CLIENT_SECRET.`,
      }
    case "service_account_off":
      return {
        what: `registerUser needs the service account of "${clientId}", and it is switched off.`,
        why: "Keycloak lets a client act on its own only then.",
        mend: `Switch on ${capability} → Service account roles. A new service account has no roles: assign manage-users to it.`,
      }
    default:
      return null
  }
}

/** What a 403 of the Admin API means. From outside, a role that is not given looks like one that a scope keeps out. */
export function manageUsersMissing(clientId: string): Fault {
  return {
    what: `Keycloak logged the service account of "${clientId}" in, but it may not create users (403).`,
    why:
      "Either it has not the role `manage-users` of `realm-management`, or the client's scope keeps the role out. From " +
      "outside both look alike.",
    mend:
      `Clients → ${clientId} → Service account roles → Assign role → Client roles → realm-management manage-users. If it is ` +
      `there already, switch on Client scopes → ${clientId}-dedicated → Scope → Full scope allowed. It works at once, no restart.`,
  }
}

/** Whether blanks or line breaks surround the secret, as they do where a file was cut wrongly. */
export function hasEdges({ clientSecret }: KeycloakClient): boolean {
  return clientSecret !== null && clientSecret.trim() !== clientSecret
}

function wrongSecret(client: KeycloakClient): Omit<Fault, "mend"> {
  if (client.clientSecret === null) {
    return {
      what: `Keycloak wants the secret of the client "${client.clientId}", and none was given.`,
      why: "With client authentication on, nothing is given to a client without its secret.",
    }
  }
  return {
    what: `Keycloak knows the client "${client.clientId}" but not this secret.`,
    why: hasEdges(client)
      ? "It has blanks or line breaks at its edges, and Keycloak counts them."
      : "It may be that of another client, or an older one. Keycloak 26.4 says the same of a bearer-only client.",
  }
}
