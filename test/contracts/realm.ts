import { describe } from "vitest"
import { describeAdminRights } from "./realm/admin-rights.ts"
import { describeBackchannelLogout } from "./realm/backchannel-logout.ts"
import { describeChangeUser } from "./realm/change-user.ts"
import { describeCreateUser } from "./realm/create-user.ts"
import { describeCredentials } from "./realm/credentials.ts"
import { describeFindUsers } from "./realm/find-users.ts"
import { realmsOf } from "./realm/open-realms.ts"
import { describePasswordGrant } from "./realm/password-grant.ts"
import type { RealmHost } from "./realm/realm-client.ts"
import { describeSessions } from "./realm/sessions.ts"
import { describeTokens } from "./realm/tokens.ts"

/**
 * What docs/contributing/keycloak-facts.md tells, once per row. Each case runs against the real server and against the test realm, and
 * expects the same of both.
 */
export function describeRealmContract(name: string, host: RealmHost): void {
  describe(name, () => {
    const open = realmsOf(host)
    describePasswordGrant(open)
    describeCreateUser(open)
    describeChangeUser(open)
    describeCredentials(open)
    describeFindUsers(open)
    describeAdminRights(open)
    describeTokens(open)
    describeSessions(open)
    describeBackchannelLogout(open)
  })
}
