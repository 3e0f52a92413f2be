import { splitToken } from "./compact-token.js"
import { refused } from "./set-up-errors.js"

/** Tokens of a login or a refresh. */
export interface Session {
  readonly accessToken: string
  readonly refreshToken: string
  /** Only when the scope `openid` was asked for. */
  readonly idToken?: string
  readonly tokenType: string
  readonly expiresInSeconds: number
  /** 0 for an offline session, which does not end by itself. */
  readonly refreshExpiresInSeconds: number
  readonly scope: string
}

/** Whose session it is: a lightweight access token does not say, the ID token of scope `openid` always does. */
export function subjectOf({ idToken }: Session): string {
  const subject = idToken === undefined ? undefined : splitToken(idToken).payload.sub
  if (typeof subject === "string" && subject !== "") return subject
  throw refused("Keycloak answered a login with scope `openid` without an ID token that names its subject")
}
