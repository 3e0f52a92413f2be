import type { Session } from "../login-with-password.js"
import { splitToken } from "./compact-token.js"
import { refused } from "./refused-us.js"

/** Whose session it is: a lightweight access token does not say, the ID token of scope `openid` always does. */
export function subjectOf({ idToken }: Session): string {
  const subject = idToken === undefined ? undefined : splitToken(idToken).payload.sub
  if (typeof subject === "string" && subject !== "") return subject
  throw refused("Keycloak answered a login with scope `openid` without an ID token that names its subject")
}
