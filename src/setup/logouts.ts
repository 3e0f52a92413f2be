import { printable } from "../foreign-text.js"
import type { Finding } from "./finding.js"
import type { FrontEnd, LogoutListener } from "./logout-listener.js"
import type { Seen } from "./seen.js"

const frontEnds = ({ administrator }: Seen): readonly FrontEnd[] => administrator?.frontEnds ?? []
/** Whoever Keycloak tells of logouts, the application's own client before the others. */
const told = (seen: Seen): readonly LogoutListener[] =>
  [seen.administrator?.logoutTokens ?? [], frontEnds(seen).filter(({ url }) => url !== null)].flat()

const hearSecrets = (seen: Seen) => told(seen).filter(({ algorithm }) => /^HS/.test(algorithm))
const hearNoSession = (seen: Seen) => told(seen).filter(({ nameSession }) => !nameSession)
const hearNothing = (seen: Seen) => frontEnds(seen).filter(({ url }) => url === null)
const unreachable = (seen: Seen) => frontEnds(seen).filter(({ problem }) => problem !== undefined)

/** What Keycloak tells of logouts, and to whom: also of other clients whose tokens come to this application. */
export const logouts: readonly Finding[] = [
  {
    id: "logout-tokens-secret",
    severity: "warning",
    rights: "administrator",
    look: seen => hearSecrets(seen).length > 0,
    what: seen =>
      `Keycloak signs the logout tokens of ${named(hearSecrets(seen))} with ${printable(hearSecrets(seen)[0]?.algorithm ?? "", 10)}.`,
    why: "Nobody but Keycloak can check them, so the application hears of no logout.",
    mend: seen =>
      `${console(hearSecrets(seen))} → Advanced → Fine grain OpenID Connect configuration → ID token signature algorithm → RS256.`,
  },
  {
    id: "logout-tokens-without-session",
    severity: "note",
    rights: "administrator",
    look: seen => hearNoSession(seen).length > 0,
    what: seen => `Logout tokens of ${named(hearNoSession(seen))} name the person alone.`,
    why: "Who logs out of one session is logged out of all.",
    mend: seen => `Switch on ${console(hearNoSession(seen))} → Settings → Backchannel logout session required.`,
  },
  {
    id: "front-end-logout-untold",
    severity: "note",
    rights: "administrator",
    // Whoever asks Keycloak about each token is told there.
    look: seen => seen.expected.mode === "local" && hearNothing(seen).length > 0,
    what: seen => `Tokens of ${named(hearNothing(seen))} come here, and Keycloak tells nobody of its logouts.`,
    why: "Whoever logs out there passes here until the token expires.",
    mend: seen =>
      `${console(hearNothing(seen))} → Settings → Backchannel logout URL: where your backchannelLogoutHandler is mounted.`,
  },
  {
    id: "front-end-logout-unreachable",
    severity: "note",
    rights: "administrator",
    look: seen => unreachable(seen).length > 0,
    what: seen => `Nobody answers at the backchannel logout URL of ${named(unreachable(seen))}.`,
    why: seen => `Seen from here: ${unreachable(seen)[0]?.problem}. From Keycloak's machine it may be another matter.`,
    mend: seen =>
      `If Keycloak can't reach it either, correct ${console(unreachable(seen))} → Settings → Backchannel logout URL.`,
  },
]

/** The first three; a realm may have hundreds. */
function named(clients: readonly LogoutListener[]): string {
  const names = clients.slice(0, 3).map(({ clientId }) => `"${clientId}"`)
  const more = clients.length > 3 ? ` and ${clients.length - 3} more` : ""
  return `the client${clients.length > 1 ? "s" : ""} ${names.join(", ")}${more}`
}

function console(clients: readonly LogoutListener[]): string {
  return clients.length > 1 ? "Clients → (each of them)" : `Clients → ${clients[0]?.clientId}`
}
