import { invalidToken } from "../../errors.js"
import { jsonOrText, readJson } from "../../keycloak/answer.js"
import type { KeycloakClient } from "../../keycloak/client-faults.js"
import { unavailable } from "../../keycloak/network-error.js"
import type { Share } from "../../keycloak/places.js"
import { refused } from "../../keycloak/set-up-errors.js"
import type { Background } from "../../keycloak/share.js"
import type { Call, Transport } from "../../keycloak/transport.js"
import { readChallenge, readKeycloakError, wordsOf } from "../../keycloak/words.js"
import type { VerifyToken } from "../token/token-verifier.js"
import { createAskedOnce } from "./asked-once.js"

export interface UserinfoParts {
  readonly client: KeycloakClient
  readonly transport: Transport
  readonly verifyLocally: VerifyToken
  readonly checkClaims: (payload: Readonly<Record<string, unknown>>) => unknown
  readonly cacheSeconds: number
  readonly timeoutMs: number
  readonly background: Background
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/**
 * Local verification first, then a userinfo call as proof that the session lives: userinfo alone tells no audience, type,
 * expiry or role.
 *
 * @throws {GateError} `invalid_token` as local verification does, and with reason `revoked` when the session has ended
 * (`claims` when it lacks the scope `openid`)
 * @throws {GateError} `keycloak_unavailable`; `keycloak_refused_us` when there is no such endpoint
 * @see OpenID Connect Core §5.3
 */
export function createUserinfo(parts: UserinfoParts): VerifyToken {
  const { client, transport, verifyLocally, checkClaims } = parts
  const askOnce = createAskedOnce<string>({ ...parts, url: client.url })

  return async token => {
    const { payload } = await verifyLocally(token)
    checkClaims(payload)
    const sub = await askOnce(token, payload.exp, () => subjectOf(token, client, transport, "verification"))
    if (sub === payload.sub) return { payload, key: null }
    throw invalidToken("claims", "Refused a token whose `sub` is not the one that userinfo tells.")
  }
}

/** Whose token this is; an answer means that its session lives. */
export async function subjectOf(
  token: string,
  client: KeycloakClient,
  transport: Transport,
  share: Share,
): Promise<string> {
  const call: Call = { endpoint: "userinfo", share, isRepeatable: true }
  const response = await transport.fetch(client.url, call, {
    headers: { authorization: `Bearer ${token}`, accept: "application/json" },
  })
  if (response.status === 200) {
    const { sub } = await readJson(client.url, response)
    if (typeof sub === "string") return sub
    throw unavailable(client.url, "its userinfo answer has no `sub`")
  }
  // Userinfo answers with an empty body: the reason is in the challenge alone.
  const challenged = readChallenge(response.status, response.headers.get("www-authenticate") ?? "")
  const { kind } = challenged
  if (kind === "token_refused" || kind === "token_lightweight") {
    const detail =
      kind === "token_lightweight"
        ? "userinfo takes no lightweight tokens"
        : "its session has ended, or its user is disabled"
    throw invalidToken("revoked", `Refused a token that userinfo does not take: ${detail}.`)
  }
  if (kind === "openid_missing") {
    throw invalidToken(
      "claims",
      'Refused a token without the scope "openid", which `verification: "userinfo"` needs. loginWithPassword asks for it by ' +
        "itself; other clients have to ask for it too.",
    )
  }
  const inBody = readKeycloakError(response.status, jsonOrText(await response.text()))
  if (response.status === 404)
    throw refused(
      `There is no userinfo endpoint at ${client.url}; check \`serverUrl\` and \`realm\` with ready()`,
      inBody,
    )
  throw unavailable(
    client.url,
    `its userinfo answered ${response.status} ${wordsOf(challenged) || wordsOf(inBody)}`.trimEnd(),
  )
}
