import { accountOf, credentialIds, type StoredAccount } from "../accounts/keycloak/account.js"
import type { Channel } from "../accounts/keycloak/channel.js"
import { isGateError } from "../errors.js"
import { toList } from "../keycloak/admin-api.js"
import type { AdoptionParts } from "./adoption-parts.js"
import { actionsBehindDoor, isBegun, openAccount } from "./closed-account.js"
import { isCredentialId } from "./credential-id.js"
import { type RefusedPerson, refused } from "./import-result.js"

const pageSize = 100

/**
 * Opens the accounts whose row was tied by a run that was cut off before it came to the opening. Whoever hands in the rows
 * without subject does not hand in these any more. Returns those that Keycloak's rules refuse. `refusedIds` are the ids of the
 * credentials of those that this run was refused already.
 */
export async function* openTied<User>(
  channel: Channel,
  { connection, store }: AdoptionParts<User>,
  { refusedIds, signal }: { readonly refusedIds: ReadonlySet<unknown>; readonly signal: AbortSignal | undefined },
): AsyncGenerator<RefusedPerson> {
  const { issuer } = connection.realm
  for (let first = 0; ; ) {
    signal?.throwIfAborted()
    const page = await disabledAccounts(channel, first)
    let opened = 0
    for (const account of page.filter(isBegun)) {
      signal?.throwIfAborted()
      const row = await store.findUser({ issuer, subject: account.id })
      if (!row) continue
      const ids = (await credentialIds(channel, account.id)) ?? []
      // An administrator may have left the same actions to somebody who was locked.
      if (!ids.some(isCredentialId) || ids.some(id => refusedIds.has(id))) continue
      try {
        await openAccount(channel, account.id, { enabled: true, requiredActions: actionsBehindDoor(account) })
        opened += 1
      } catch (error) {
        if (!isGateError(error) || error.code !== "account_rejected") throw error
        yield refused(null, "account_rejected", error.fields)
      }
    }
    if (page.length < pageSize) return
    // Whoever was opened is in this list no more.
    first += page.length - opened
  }
}

async function disabledAccounts({ api, clock }: Channel, first: number): Promise<readonly StoredAccount[]> {
  const asOf = new Date(clock.now())
  const found = await api.read(`/users?enabled=false&first=${first}&max=${pageSize}`, toList)
  return (found ?? []).flatMap(one => accountOf(one, asOf) ?? [])
}
