import { quoted } from "../keycloak/quoted.js"
import type { Reply } from "./ask.js"
import type { Finding, Use } from "./finding.js"
import type { Seen } from "./seen.js"
import { tokenOf } from "./token-answer.js"

const login: readonly Use[] = ["loginWithPassword"]
const registering: readonly Use[] = ["registerUser"]
const both: readonly Use[] = [...login, ...registering]

/** What Keycloak refused to the client itself. */
function refusals({ grant, emptyLogin }: Seen): readonly Reply[] {
  return [grant, emptyLogin].filter(
    one => one !== undefined && one.status >= 400 && one.status < 500 && one.error !== "",
  ) as Reply[]
}

function refusedWith(seen: Seen, error: string, description: RegExp): boolean {
  return refusals(seen).some(one => one.error === error && description.test(one.description))
}

const console = ({ client }: Seen) => `Clients → ${client.clientId}`
const capability = (seen: Seen) => `${console(seen)} → Settings → Capability config`
const badCredentials = /client credentials/i

const hasEdges = ({ client: { clientSecret } }: Seen) => clientSecret !== null && clientSecret.trim() !== clientSecret
const secretRefused = (seen: Seen) => refusedWith(seen, "unauthorized_client", badCredentials)
const unknown = (seen: Seen) => refusedWith(seen, "invalid_client", badCredentials)
/** The secret got a better answer in the form than in the header. */
const isStripped = ({ grantByForm }: Seen) =>
  grantByForm !== undefined && grantByForm.status > 0 && grantByForm.error !== "invalid_client"
const copySecret = (seen: Seen) =>
  `Copy it from ${console(seen)} → Credentials → Client Secret into KEYCLOAK_CLIENT_SECRET.`

const authentication: readonly Finding[] = [
  {
    id: "authorization-stripped",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: isStripped,
    what: "The Authorization header does not reach Keycloak.",
    why: "The client's secret is taken in the body of the request, and not in its header. Something between takes the header away.",
    mend: "Let the proxy pass the header Authorization.",
  },
  {
    id: "client-unknown",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => unknown(seen) && !isStripped(seen),
    what: ({ client }) => `There is no enabled client "${client.clientId}" in realm "${client.realm}".`,
    why: ({ administrator }) =>
      administrator?.client?.enabled === false
        ? "The client is there, and it is disabled."
        : "`clientId` is the Client ID column, not the UUID in the address bar. A disabled client gets the same answer.",
    mend: seen =>
      `Correct KEYCLOAK_CLIENT_ID, or make the client under Clients → Create client. If it is there, switch on ${console(seen)} → Enabled.`,
  },
  {
    id: "secret-missing",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => secretRefused(seen) && seen.client.clientSecret === null,
    what: ({ client }) => `Keycloak wants the secret of the client "${client.clientId}", and none was given.`,
    why: "With client authentication on, nothing is given to a client without its secret.",
    mend: copySecret,
  },
  {
    id: "secret-line-break",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => secretRefused(seen) && hasEdges(seen),
    what: ({ client }) => `Keycloak knows the client "${client.clientId}" but not this secret.`,
    why: "It has blanks or line breaks at its edges, and Keycloak counts them.",
    mend: copySecret,
  },
  {
    id: "secret-wrong",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => secretRefused(seen) && seen.client.clientSecret !== null && !hasEdges(seen),
    what: ({ client }) => `Keycloak knows the client "${client.clientId}" but not this secret.`,
    why: "It may be that of another client, or an older one.",
    mend: copySecret,
  },
  {
    id: "client-authenticator",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => refusedWith(seen, "invalid_client", /client_assertion|missing client_id/i),
    what: ({ client }) => `The client "${client.clientId}" has to prove itself by a signed JWT or a certificate.`,
    why: "This library sends the client's secret.",
    mend: seen => `Choose ${console(seen)} → Credentials → Client Authenticator → Client Id and Secret.`,
  },
  {
    id: "client-bearer-only",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => refusedWith(seen, "invalid_client", /bearer-only/i),
    what: ({ client }) => `The client "${client.clientId}" is bearer-only and may not ask for tokens.`,
    why: "That is a setting of older consoles, and the new one does not show it.",
    mend: "Set bearerOnly to false by the Admin API, or make a new client.",
  },
  {
    id: "dpop-required",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => refusedWith(seen, "invalid_request", /dpop/i),
    what: ({ client }) => `The client "${client.clientId}" demands DPoP, which this library does not send.`,
    why: "Keycloak gives it no token without the proof of a key.",
    mend: seen => `Switch off ${console(seen)} → Advanced → Require DPoP bound tokens.`,
  },
  {
    id: "mtls-bound",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => refusedWith(seen, "invalid_request", /mtls|client certificat/i),
    what: ({ client }) => `The client "${client.clientId}" gets tokens for a TLS certificate only.`,
    why: "This library presents no certificate.",
    mend: seen => `Switch off ${console(seen)} → Advanced → OAuth 2.0 Mutual TLS Certificate Bound Access Tokens.`,
  },
  {
    id: "direct-grants-off",
    severity: "broken",
    rights: "client",
    concerns: login,
    look: seen => refusedWith(seen, "unauthorized_client", /direct access grants/i),
    what: ({ client }) =>
      `loginWithPassword can't work: the client "${client.clientId}" has direct access grants off, which is the console's default.`,
    why: "This is set-up, not a wrong password.",
    mend: seen => `Switch on ${capability(seen)} → Direct access grants, or log in by redirect.`,
  },
  {
    id: "consent-required",
    severity: "broken",
    rights: "client",
    concerns: login,
    look: seen => refusedWith(seen, "invalid_client", /consent/i),
    what: ({ client }) => `loginWithPassword can't work: the client "${client.clientId}" asks each person for consent.`,
    why: "Consent is given on Keycloak's own pages, and a password login shows none.",
    mend: seen => `Switch off ${console(seen)} → Settings → Consent required.`,
  },
  {
    id: "client-policy",
    severity: "broken",
    rights: "client",
    concerns: login,
    look: seen => refusedWith(seen, "invalid_grant", /prohibited/i),
    what: "loginWithPassword can't work: a client policy of the realm prohibits password logins.",
    why: "Keycloak answers with the code of a wrong password. Only its sentence differs.",
    mend: "Realm settings → Client policies: remove the executor reject-ropc-grant, or the condition that covers this client.",
  },
  {
    id: "client-public",
    severity: "broken",
    rights: "client",
    concerns: registering,
    look: seen => refusedWith(seen, "unauthorized_client", /public client/i),
    what: ({ client }) => `The client "${client.clientId}" is public, although a secret was given.`,
    why: "registerUser needs a service account, and a public client has none.",
    mend: seen =>
      `Switch on ${capability(seen)} → Client authentication and Service account roles. Assign manage-users to it, and copy its new secret into KEYCLOAK_CLIENT_SECRET.`,
  },
  {
    id: "service-account-off",
    severity: "broken",
    rights: "client",
    concerns: registering,
    look: seen => refusedWith(seen, "unauthorized_client", /not enabled to retrieve service account/i),
    what: ({ client }) => `registerUser needs the service account of "${client.clientId}", and it is switched off.`,
    why: "Keycloak lets a client act on its own only then.",
    mend: seen =>
      `Switch on ${capability(seen)} → Service account roles. A new service account has no roles: assign manage-users to it.`,
  },
]

/** A refusal that none of the others explains. */
const unexplained = (seen: Seen) =>
  refusals(seen).find(one => {
    const alone: Seen = { ...seen, grant: one }
    const { emptyLogin: _, ...rest } = alone
    const isOfLogin = one.error === "invalid_grant" || /realm not enabled|https required/i.test(one.description)
    return !isOfLogin && !authentication.some(({ look }) => look(rest))
  })

export const client: readonly Finding[] = [
  ...authentication,
  {
    id: "client-refused",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => unexplained(seen) !== undefined,
    what: ({ client }) => `Keycloak refused a request of the client "${client.clientId}".`,
    why: seen => {
      const { status = 0, error = "", description = "" } = unexplained(seen) ?? {}
      const words = [error, description].filter(Boolean).map(one => quoted(one, seen.client.clientSecret))
      return `It answered ${status} ${words.join(": ")}.`
    },
    mend: "Keycloak's own log tells more: start it with --log-level=org.keycloak.events:debug.",
  },
  {
    id: "manage-users-missing",
    severity: "broken",
    rights: "manage-users",
    concerns: registering,
    look: seen => mayNotCreate(seen) && !isOutOfScope(seen),
    what: ({ client }) =>
      `Keycloak logged the service account of "${client.clientId}" in, but it may not create users (403).`,
    why: ({ administrator }) =>
      administrator?.client
        ? "It has not the role `manage-users` of `realm-management`."
        : "Either it has not the role `manage-users` of `realm-management`, or the client's scope keeps the role out. From " +
          "outside both look alike.",
    mend: seen =>
      `${console(seen)} → Service account roles → Assign role → Client roles → realm-management manage-users. If it is there ` +
      `already, switch on ${fullScope(seen)}. It works at once, no restart.`,
  },
  {
    id: "full-scope-off",
    severity: "broken",
    rights: "administrator",
    concerns: registering,
    look: seen => mayNotCreate(seen) && isOutOfScope(seen),
    what: ({ client }) =>
      `The service account of "${client.clientId}" has the role manage-users, but it may not create users (403).`,
    why: "The client's scope is not full, and the role is not in it.",
    mend: seen => `Switch on ${fullScope(seen)}, or assign realm-management manage-users on the same page.`,
  },
  {
    id: "roles-scope-missing",
    severity: "broken",
    rights: "manage-users",
    look: seen => hasNoRolesInTokens(seen),
    what: ({ client }) => `The tokens of the client "${client.clientId}" carry no roles.`,
    why: "The client lacks the client scope `roles`. Whatever requires a role refuses everybody. Registering still works.",
    mend: seen => `${console(seen)} → Client scopes → Add client scope → roles (Default).`,
  },
  {
    id: "example-secret",
    severity: "warning",
    rights: "none",
    look: ({ client }) => client.clientSecret === "change-me-in-production",
    what: "The client's secret is the one of the examples.",
    why: "Everybody can read it, and with it register and remove people.",
    mend: seen => `${console(seen)} → Credentials → Regenerate. Put the new one into KEYCLOAK_CLIENT_SECRET.`,
  },
  {
    id: "too-many-rights",
    severity: "warning",
    rights: "client",
    concerns: registering,
    look: seen => unneeded(seen).length > 0,
    what: seen => `The service account of "${seen.client.clientId}" may do more than registering needs.`,
    why: seen =>
      `It has ${unneeded(seen).slice(0, 3).join(", ")}${unneeded(seen).length > 3 ? " and more" : ""} of realm-management. ` +
      "Whoever steals the secret has all of it.",
    mend: seen => `${console(seen)} → Service account roles: unassign all but realm-management manage-users.`,
  },
  {
    id: "web-origins-any",
    severity: "warning",
    rights: "client",
    look: seen => {
      const origins = tokenOf(seen.grant)?.payload["allowed-origins"]
      return Array.isArray(origins) && origins.includes("*")
    },
    what: ({ client }) => `Web origins of the client "${client.clientId}" is "*".`,
    why: "Any website may call Keycloak with the tokens of its visitors.",
    mend: seen => `${console(seen)} → Settings → Web origins: list your own origins, or none for an API.`,
  },
  {
    id: "redirect-uris-wildcard",
    severity: "warning",
    rights: "administrator",
    look: ({ administrator }) =>
      (administrator?.client?.redirectUris ?? []).some(uri => /^(\*|https?:\/\/\*)/.test(uri)),
    what: ({ client }) => `Valid redirect URIs of the client "${client.clientId}" allow every website.`,
    why: "A login by redirect may hand its code to anybody.",
    mend: seen => `${console(seen)} → Settings → Valid redirect URIs: list your own addresses, or none for an API.`,
  },
  {
    id: "implicit-flow",
    severity: "warning",
    rights: "administrator",
    look: ({ administrator }) => administrator?.client?.implicitFlowEnabled === true,
    what: ({ client }) => `The client "${client.clientId}" has the implicit flow on.`,
    why: "It puts tokens into addresses, where logs and histories keep them. OAuth 2.1 has dropped it.",
    mend: seen => `Switch off ${capability(seen)} → Implicit flow.`,
  },
  {
    id: "backchannel-unreachable",
    severity: "warning",
    rights: "administrator",
    look: ({ administrator }) => administrator?.backchannelProblem !== undefined,
    what: ({ client }) => `Nobody answers at the backchannel logout URL of the client "${client.clientId}".`,
    why: ({ administrator }) =>
      `Keycloak could not tell the application that a session ended (${administrator?.backchannelProblem}, seen from here).`,
    mend: seen => `Correct ${console(seen)} → Settings → Backchannel logout URL.`,
  },
]

const fullScope = (seen: Seen) => `Client scopes → ${seen.client.clientId}-dedicated → Scope → Full scope allowed`

function mayNotCreate({ emptyAccount }: Seen): boolean {
  return emptyAccount?.status === 403
}

/** Two faults with one face: only an administrator sees which it is. */
function isOutOfScope({ administrator }: Seen): boolean {
  const client = administrator?.client
  return client?.hasManageUsers === true && !client.scopeHasManageUsers
}

/** Keycloak knows that the service account may create users, and its token does not say so (26.4.7, 26.7.4). */
function hasNoRolesInTokens({ emptyAccount, grant, administrator }: Seen): boolean {
  const token = tokenOf(grant)
  if (token === null || token.isLightweight || emptyAccount?.status !== 400) return false
  if (administrator?.client?.mappers.includes("oidc-usermodel-client-role-mapper")) return false
  return token.payload.resource_access === undefined
}

// `manage-users` and what is within it. With `view-realm` the library reads what the realm asks of new accounts.
const needed = ["manage-users", "view-users", "query-users", "query-groups", "view-realm", "query-realms"]

function unneeded(seen: Seen): readonly string[] {
  const access = tokenOf(seen.grant)?.payload.resource_access as
    | { "realm-management"?: { roles?: unknown } }
    | undefined
  const roles = access?.["realm-management"]?.roles
  return Array.isArray(roles)
    ? roles
        .map(role => quoted(String(role)))
        .filter(role => !needed.includes(role))
        .sort()
    : []
}
