import { type GateError, isGateError } from "../errors.js"
import { readJson } from "../keycloak/answer.js"
import { splitToken } from "../keycloak/compact-token.js"
import type { Connection } from "../keycloak/connection.js"
import { unavailable } from "../keycloak/network-error.js"
import { answerOf, lacksManageUsers, refused, refusedUs } from "../keycloak/set-up-errors.js"
import type { TokenClient } from "../keycloak/token-endpoint.js"
import type { Call } from "../keycloak/transport.js"
import { checkAudience, checkIssuer } from "../verify/claims.js"
import type { KeySet } from "../verify/token/key-set.js"
import type { InspectSetUp } from "./ready.js"

export interface SetUpOptions {
  readonly connection: Connection
  readonly keySet: Pick<KeySet, "load">
  readonly audience: string | null
  readonly clockToleranceSeconds: number
}

/** Everything about Keycloak's side that can be seen from here before the first person comes. */
export function createSetUpInspection(options: SetUpOptions): InspectSetUp {
  const { connection, audience } = options
  const { tokens, manager } = connection

  return async uses => {
    const server = await findings(() => inspectServer(connection))
    if (server.length > 0) return server // nothing behind it can answer
    const logsIn = uses.includes("loginWithPassword")
    const registers = uses.includes("registerUser")
    const found = await Promise.all([
      findings(options.keySet.load),
      logsIn ? findings(() => probeLogin(tokens)) : [],
      registers ? inspectServiceAccount(options, logsIn && manager.tokens === tokens ? audience : null) : [],
    ])
    return found.flat()
  }
}

const call: Call = { endpoint: "discovery", share: "own", isRepeatable: true }

async function inspectServer({ realm, transport, clientAt }: Connection): Promise<void> {
  const response = await transport.fetch(realm.discoveryUrl, call, { headers: { accept: "application/json" } })
  const body = await readJson(realm.discoveryUrl, response)
  if (response.status !== 200) throw refusedUs(clientAt(realm.discoveryUrl), answerOf(response.status, body))
  if (typeof body.issuer !== "string" || !URL.canParse(body.issuer))
    throw unavailable(realm.discoveryUrl, "its discovery document names no issuer")
  if (body.issuer === realm.issuer) return
  try {
    checkIssuer(body.issuer, realm.issuer)
  } catch (error) {
    if (isGateError(error))
      throw refused(
        error.message
          .replace("Refused a token: its issuer is", "Every token would be refused: Keycloak's issuer is")
          .replace(/\.$/, ""),
      )
    throw error
  }
}

/** An empty login: Keycloak refuses the person if it would take a login at all. */
async function probeLogin(tokens: TokenClient): Promise<void> {
  try {
    await tokens.passwordGrant({ username: "", password: "" })
  } catch (error) {
    if (!isGateError(error) || error.code !== "invalid_credentials") throw error
  }
}

/** The service account's own fresh token shows its rights, this client's audience mapper and Keycloak's clock. */
async function inspectServiceAccount(
  { connection, clockToleranceSeconds }: SetUpOptions,
  audience: string | null,
): Promise<readonly GateError[]> {
  const { manager, now } = connection
  let payload: Readonly<Record<string, unknown>> = {}
  const refusals = await findings(async () => {
    payload = splitToken((await manager.tokens.clientCredentialsGrant()).accessToken).payload
  })
  if (refusals.length > 0) return refusals
  return [
    ...(await findings(() => {
      if (!managesUsers(payload)) throw lacksManageUsers(manager.client.clientId)
    })),
    ...(await findings(() => checkOwnAudience(payload, audience))),
    ...(await findings(() => checkClock(payload.iat, now() / 1000, clockToleranceSeconds))),
  ]
}

function managesUsers({ resource_access }: Readonly<Record<string, unknown>>): boolean {
  const access = resource_access as { "realm-management"?: { roles?: unknown } } | undefined
  const roles = access?.["realm-management"]?.roles
  return Array.isArray(roles) && (roles.includes("manage-users") || roles.includes("realm-admin"))
}

function checkOwnAudience(payload: Readonly<Record<string, unknown>>, audience: string | null): void {
  try {
    checkAudience(payload, audience)
  } catch (error) {
    if (isGateError(error))
      throw refused(
        error.message
          .replace("Refused an access token:", "Access tokens of this client would be refused:")
          .replace(/\.$/, ""),
      )
    throw error
  }
}

function checkClock(iat: unknown, seconds: number, toleranceSeconds: number): void {
  if (typeof iat !== "number") return
  const ahead = Math.round(seconds - iat)
  // One more second: `iat` is cut to whole seconds.
  if (Math.abs(ahead) <= toleranceSeconds + 1) return
  const harm = ahead > 0 ? "tokens look expired too early" : "expired and revoked sessions live that much longer"
  throw refused(
    `This machine's clock is ${Math.abs(ahead)} s ${ahead > 0 ? "ahead of" : "behind"} Keycloak's, so ${harm}. Tolerance is ` +
      `${toleranceSeconds} s. Turn on time synchronisation (timedatectl set-ntp true; Docker Desktop and WSL after sleep: restart); ` +
      "don't raise clockToleranceSeconds to hide it",
  )
}

/** What a check throws, as a list; an error that nobody expected stays itself. */
async function findings(check: () => Promise<void> | void): Promise<readonly GateError[]> {
  try {
    await check()
    return []
  } catch (error) {
    if (isGateError(error) && error.code !== "closed") return [error]
    throw error
  }
}
