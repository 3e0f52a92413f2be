import { describe } from "vitest"
import { describeUsers } from "./realm/create-user.ts"
import { realmsOf } from "./realm/open-realms.ts"
import { describePasswordGrant } from "./realm/password-grant.ts"
import type { RealmHost } from "./realm/realm-client.ts"
import { describeSessions } from "./realm/sessions.ts"
import { describeTokens } from "./realm/tokens.ts"

/**
 * What KEYCLOAK.md measured, once per row. Each case runs against the real server and against the test realm, and
 * expects the same of both.
 */
export function describeRealmContract(name: string, host: RealmHost): void {
  describe(name, () => {
    const open = realmsOf(host)
    describePasswordGrant(open)
    describeUsers(open)
    describeTokens(open)
    describeSessions(open)
  })
}
