import { printable } from "../foreign-text.js"
import type { Finding, Use } from "./finding.js"
import { isRevokedAhead, type Seen } from "./seen.js"
import { numberOf, type ShownToken, tokenOf } from "./token-answer.js"

const login: readonly Use[] = ["loginWithPassword"]
const issuing: readonly Use[] = ["loginWithPassword", "registerUser"]

const console = ({ client }: Seen) => `Clients → ${client.clientId}`
const ofPerson = ({ probe }: Seen) => tokenOf(probe?.login)
const longestSeconds = 3600
const shortestSeconds = 60

export const tokens: readonly Finding[] = [
  {
    id: "clock-ahead",
    severity: "broken",
    rights: "client",
    look: ({ clockAhead, expected }) => clockAhead !== undefined && clockAhead.least > expected.clockToleranceSeconds,
    what: ({ clockAhead }) => `This machine's clock is ${Math.round(clockAhead?.least ?? 0)} s ahead of Keycloak's.`,
    why: ({ expected }) => `Tokens look expired too early. Tolerance is ${expected.clockToleranceSeconds} s.`,
    mend: setTheClock(),
  },
  {
    id: "clock-behind",
    severity: "broken",
    rights: "client",
    look: ({ clockAhead, expected }) => clockAhead !== undefined && -clockAhead.most > expected.clockToleranceSeconds,
    what: ({ clockAhead }) => `This machine's clock is ${Math.round(-(clockAhead?.most ?? 0))} s behind Keycloak's.`,
    why: ({ expected }) =>
      `Fresh tokens look as if they came from the future, and expired ones live on. Tolerance is ${expected.clockToleranceSeconds} s.`,
    mend: setTheClock(),
  },
  {
    id: "not-before-future",
    severity: "broken",
    rights: "client",
    look: isRevokedAhead,
    what: ({ expected }) => `The realm "${expected.realm}" revokes its own tokens as it issues them.`,
    why: 'Its time "not before" lies ahead, so Keycloak answers 401 to each fresh token.',
    mend: "Sessions → Action → Revocation → Clear.",
  },
  {
    id: "lightweight-tokens",
    severity: "broken",
    rights: "client",
    look: ({ grant, expected }) => expected.mode !== "introspection" && tokenOf(grant)?.isLightweight === true,
    what: ({ client }) => `The client "${client.clientId}" issues lightweight access tokens.`,
    why: "They name neither the person nor an audience nor roles, so nothing can be checked without asking Keycloak.",
    mend: seen =>
      `Switch off ${console(seen)} → Advanced → Always use lightweight access token. Or set \`verification: "introspection"\`.`,
  },
  {
    id: "subject-missing",
    severity: "broken",
    rights: "probe",
    look: seen => {
      const token = ofPerson(seen)
      if (tokenOf(seen.grant)?.isLightweight || token?.isLightweight) return false
      if (token !== null) return typeof token.payload.sub !== "string"
      const mappers = seen.administrator?.client?.mappers
      return mappers !== undefined && !mappers.includes("oidc-sub-mapper")
    },
    what: ({ client }) => `A person's token of the client "${client.clientId}" has no \`sub\`.`,
    why: "Without it nobody knows whose token it is, and there is no key for the user row. The scope `basic` puts it there.",
    mend: seen => `${console(seen)} → Client scopes → Add client scope → basic (Default).`,
  },
  {
    id: "audience-missing",
    severity: "broken",
    rights: "client",
    concerns: login,
    look: seen => lacksAudience(seen),
    what: ({ expected, client, ...seen }) =>
      `Access tokens of the client "${client.clientId}" would be refused: their audience is ` +
      `${printable(JSON.stringify((ofPerson({ expected, client, ...seen }) ?? tokenOf(seen.grant))?.payload.aud ?? "missing"), 200)}, expected "${expected.audience}".`,
    why: "Keycloak names an API in `aud` only if a mapper says so. People with a role of that API need none, and may pass while others fail.",
    mend: ({ expected, client }) =>
      `Clients → ${client.clientId} → Client scopes → ${client.clientId}-dedicated → Configure a new mapper → Audience → ` +
      `Included Client Audience = ${expected.audience}. Do the same on every other client whose tokens come here.`,
  },
  {
    id: "algorithm-unsupported",
    severity: "broken",
    rights: "client",
    look: seen => !accepts(seen, ofPerson(seen) ?? tokenOf(seen.grant)),
    what: seen => {
      const algorithm = printable((ofPerson(seen) ?? tokenOf(seen.grant))?.algorithm ?? "")
      return `Keycloak signs the tokens of the client "${seen.client.clientId}" with ${algorithm}, which is not accepted.`
    },
    why: ({ expected }) =>
      `Accepted are ${expected.algorithms.join(", ")}. A shared secret (HS256) can't be checked with published keys.`,
    mend: seen =>
      `${console(seen)} → Advanced → Access token signature algorithm → RS256. Or Realm settings → Tokens → Default signature algorithm.`,
  },
  {
    id: "refresh-tokens-off",
    severity: "broken",
    rights: "probe",
    concerns: login,
    look: ({ probe }) =>
      tokenOf(probe?.login) !== null &&
      typeof (probe?.login.json as { refresh_token?: unknown } | null | undefined)?.refresh_token !== "string",
    what: ({ client }) => `Keycloak gives the client "${client.clientId}" no refresh tokens.`,
    why: "A login then has no session that could be renewed or ended.",
    mend: seen => `Switch on ${console(seen)} → Advanced → Open ID Connect Compatibility Modes → Use refresh tokens.`,
  },
  {
    id: "token-too-big",
    severity: "broken",
    rights: "probe",
    concerns: ["verifyBearer", "loginWithPassword"],
    look: seen => (ofPerson(seen)?.length ?? 0) > seen.expected.maxTokenBytes,
    what: seen => `A person's token has ${ofPerson(seen)?.length} bytes, and ${seen.expected.maxTokenBytes} are taken.`,
    why: "Node itself refuses requests with more than 16 kB of headers. Roles and groups make a token long.",
    mend: seen =>
      `Switch off Client scopes → ${seen.client.clientId}-dedicated → Scope → Full scope allowed, and assign the roles that are needed. Or give fewer roles by default.`,
  },
  {
    id: "access-token-long",
    severity: "warning",
    rights: "client",
    concerns: issuing,
    look: seen => (lifespan(seen) ?? 0) > longestSeconds || outlivesRevocations(seen),
    what: seen => `An access token of the client "${seen.client.clientId}" lives ${lifespan(seen)} s.`,
    why: seen =>
      outlivesRevocations(seen)
        ? `What is revoked is remembered for ${seen.expected.longestTokenSeconds} s (\`longestTokenSeconds\`), and passes again afterwards.`
        : "Whoever is disabled or logged out stays in for that long.",
    mend: seen =>
      `${setLifespan(seen)}${outlivesRevocations(seen) ? ` Or set \`longestTokenSeconds: ${lifespan(seen)}\`.` : ""}`,
  },
  {
    id: "access-token-short",
    severity: "warning",
    rights: "client",
    concerns: issuing,
    look: seen => (lifespan(seen) ?? shortestSeconds) < shortestSeconds,
    what: seen => `An access token of the client "${seen.client.clientId}" lives ${lifespan(seen)} s.`,
    why: "It may end while a request is under way, and people refresh all the time.",
    mend: seen => setLifespan(seen),
  },
  {
    id: "session-shorter-than-token",
    severity: "warning",
    rights: "probe",
    concerns: login,
    look: ({ probe }) => {
      const session = numberOf(probe?.login, "refresh_expires_in") ?? 0
      return session > 0 && session < (numberOf(probe?.login, "expires_in") ?? 0)
    },
    what: ({ probe }) =>
      `A session ends after ${numberOf(probe?.login, "refresh_expires_in")} s without use, before its access token does.`,
    why: "The token outlives the session. When it ends, there is nothing left to refresh.",
    mend: "Realm settings → Sessions → SSO Session Idle: longer than Tokens → Access Token Lifespan.",
  },
]

function outlivesRevocations(seen: Seen): boolean {
  return (lifespan(seen) ?? 0) > seen.expected.longestTokenSeconds
}

function setTheClock(): string {
  return (
    "Turn on time synchronisation (timedatectl set-ntp true; Docker Desktop and WSL after sleep: restart). Don't raise " +
    "clockToleranceSeconds to hide it."
  )
}

function setLifespan(seen: Seen): string {
  return `Realm settings → Tokens → Access Token Lifespan. ${console(seen)} → Advanced → Access Token Lifespan wins over it.`
}

function lifespan({ grant }: Seen): number | null {
  const { exp, iat } = tokenOf(grant)?.payload ?? {}
  return typeof exp === "number" && typeof iat === "number" ? exp - iat : null
}

function accepts({ expected }: Seen, token: ShownToken | null): boolean {
  return token === null || expected.algorithms.includes(token.algorithm)
}

/** A lightweight token has no audience at all, which is a fault of its own; there the introspection tells. */
function lacksAudience(seen: Seen): boolean {
  const { expected, introspection } = seen
  const token = ofPerson(seen) ?? tokenOf(seen.grant)
  if (expected.audience === null || token === null) return false
  if (!token.isLightweight) return !names(token.payload.aud, expected.audience)
  const told = introspection?.json as { active?: unknown; aud?: unknown } | null | undefined
  return introspection?.status === 200 && (told?.active !== true || !names(told.aud, expected.audience))
}

function names(audience: unknown, expected: string): boolean {
  return [audience].flat().includes(expected)
}
