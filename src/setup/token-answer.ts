import { isLightweight, splitToken } from "../keycloak/compact-token.js"
import type { Reply } from "./ask.js"

/** An access token as it looks from outside. */
export interface ShownToken {
  readonly algorithm: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly length: number
  readonly isLightweight: boolean
}

/** The access token of a good answer; null for any other. */
export function tokenOf(reply: Reply | undefined): ShownToken | null {
  const token = accessTokenIn(reply)
  if (token === null) return null
  try {
    const { payload, encodedHeader } = splitToken(token)
    const { alg } = JSON.parse(Buffer.from(encodedHeader, "base64url").toString()) as { alg?: unknown }
    return { algorithm: String(alg), payload, length: token.length, isLightweight: isLightweight(payload) }
  } catch {
    // No token: what that means, the other answers tell.
    return null
  }
}

/** The token itself; null for an answer that is no good one. */
export function accessTokenIn(reply: Reply | undefined): string | null {
  const token = (reply?.json as { access_token?: unknown } | null | undefined)?.access_token
  return reply?.status === 200 && typeof token === "string" ? token : null
}

/** A number of a token answer, or null. */
export function numberOf(reply: Reply | undefined, name: string): number | null {
  const value = (reply?.json as Readonly<Record<string, unknown>> | null | undefined)?.[name]
  return typeof value === "number" ? value : null
}
