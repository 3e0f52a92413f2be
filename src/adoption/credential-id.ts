import { createHash } from "node:crypto"
import type { UserKey } from "../users/user-store.js"

/** What the ids of all credentials that this library makes begin with. */
const prefix = "kg-"

/**
 * The id of the credential that tells whose row an account was made for.
 *
 * Keycloak (26.7.4) keeps it as sent, through the first login and a reset, and gives it to one account alone, whatever its names
 * are. A number counts as its digits: drivers hand out one column as numbers and as texts. The column holds 36 characters.
 */
export function credentialIdOf(issuer: string, key: UserKey): string {
  const digest = createHash("sha256").update(`${issuer}\n${key}`).digest("base64url")
  return prefix + digest.slice(0, 32)
}

/** Whether this library has made it, for whichever row. */
export function isCredentialId(id: unknown): boolean {
  return typeof id === "string" && id.length === prefix.length + 32 && id.startsWith(prefix)
}
