import { clientFault, type Fault, hasEdges, manageUsersMissing } from "../keycloak/client-faults.js"
import { quoted } from "../keycloak/quoted.js"
import type { KeycloakErrorKind } from "../keycloak/words.js"
import { type Reply, wordsOf } from "./ask.js"
import { type Finding, sentence, type Use } from "./finding.js"
import type { Seen } from "./seen.js"
import { tokenOf } from "./token-answer.js"

const login: readonly Use[] = ["loginWithPassword"]
const registering: readonly Use[] = ["registerUser"]
const both: readonly Use[] = [...login, ...registering]

/** What Keycloak refused to the client itself. */
function refusals({ grant, emptyLogin }: Seen): readonly Reply[] {
  return [grant, emptyLogin].filter(one => one !== undefined).filter(({ status }) => status >= 400 && status < 500)
}

/** A client that Keycloak refuses, in the words of all errors about it. */
function refusalOf(
  id: string,
  kind: KeycloakErrorKind,
  concerns: readonly Use[],
  isMeant: (seen: Seen) => boolean = () => true,
): Finding {
  const reply = (seen: Seen) => refusals(seen).find(one => one.kind === kind)
  const say = (part: keyof Fault) => (seen: Seen) =>
    clientFault({ kind, error: reply(seen)?.error ?? "" }, seen.client)?.[part] ?? ""
  const look = (seen: Seen) => reply(seen) !== undefined && isMeant(seen)
  const sentences = { what: say("what"), why: say("why"), mend: say("mend") }
  return { id, severity: "broken", rights: "client", concerns, look, ...sentences }
}

const console = ({ client }: Seen) => `Clients → ${client.clientId}`
const capability = (seen: Seen) => `${console(seen)} → Settings → Capability config`
const hasSecret = ({ client }: Seen) => client.clientSecret !== null
/** The secret got a better answer in the form than in the header. */
const isStripped = ({ grantByForm }: Seen) =>
  grantByForm !== undefined && grantByForm.status > 0 && grantByForm.kind !== "client_unknown"

const named = refusalOf("client-unknown", "client_unknown", both, seen => !isStripped(seen))
const unknown: Finding = {
  ...named,
  why: seen =>
    seen.administrator?.client?.enabled === false
      ? "The client is there, and it is disabled."
      : sentence(named.why, seen),
}

const refused: readonly Finding[] = [
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
  unknown,
  refusalOf("secret-missing", "secret_wrong", both, seen => !hasSecret(seen)),
  refusalOf("secret-line-break", "secret_wrong", both, seen => hasSecret(seen) && hasEdges(seen.client)),
  refusalOf("secret-wrong", "secret_wrong", both, seen => hasSecret(seen) && !hasEdges(seen.client)),
  refusalOf("client-authenticator", "authenticator_other", both),
  refusalOf("client-bearer-only", "bearer_only", both),
  refusalOf("dpop-required", "dpop_wanted", both),
  refusalOf("mtls-bound", "certificate_wanted", both),
  refusalOf("direct-grants-off", "direct_grants_off", login),
  refusalOf("consent-required", "consent_wanted", login),
  refusalOf("client-policy", "login_prohibited", login),
  refusalOf("client-public", "client_public", registering),
  refusalOf("service-account-off", "service_account_off", registering),
]

/** A refusal that none of the others explains. A login without a name and a password is always refused. */
function unexplained(seen: Seen): Reply | undefined {
  return refusals(seen).find(
    ({ kind, error }) =>
      kind !== "grant_refused" && clientFault({ kind: kind ?? "unknown", error }, seen.client) === null,
  )
}

export const client: readonly Finding[] = [
  ...refused,
  {
    id: "client-refused",
    severity: "broken",
    rights: "client",
    concerns: both,
    look: seen => unexplained(seen) !== undefined,
    what: ({ client }) => `Keycloak refused a request of the client "${client.clientId}".`,
    why: seen => {
      const reply = unexplained(seen)
      return reply === undefined ? "" : `It answered ${wordsOf(reply, seen.client.clientSecret)}.`
    },
    mend: "Keycloak's own log tells more: start it with --log-level=org.keycloak.events:debug.",
  },
  {
    id: "manage-users-missing",
    severity: "broken",
    rights: "manage-users",
    concerns: registering,
    look: seen => mayNotCreate(seen) && !isOutOfScope(seen),
    what: ({ client }) => manageUsersMissing(client.clientId).what,
    why: ({ client, administrator }) =>
      administrator?.client
        ? "It has not the role `manage-users` of `realm-management`."
        : manageUsersMissing(client.clientId).why,
    mend: ({ client }) => manageUsersMissing(client.clientId).mend,
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
