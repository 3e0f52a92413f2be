import { type AccountChange, readAccount, type StoredAccount, writeAccount } from "./keycloak/account.js"
import type { Channel } from "./keycloak/channel.js"
import { mayPass } from "./try-again.js"
import type { InTurn } from "./turns.js"

/**
 * Makes an account be as wanted and returns it as it is then, or null when there is none.
 *
 * `missing` names what an account lacks; nothing missing, nothing is written.
 */
export type ChangeAccount = (
  id: string,
  missing: (account: StoredAccount) => AccountChange,
) => Promise<StoredAccount | null>

// One for Keycloak to lose, one more should it happen again.
const maxWrites = 3

/**
 * Keycloak 26.7.4 reads, merges and writes whole accounts without a lock: of two updates at once of different members,
 * one is lost in every third case, be it the one that disables. So updates of one account wait for each other in this
 * process, and each is read back and repeated if another process has undone it. Reading back also tells what became of a
 * write whose answer was lost.
 */
export function createAccountChange(channel: Channel, inTurn: InTurn): ChangeAccount {
  async function change(id: string, missing: (account: StoredAccount) => AccountChange) {
    let lost: unknown
    let account = await readAccount(channel, id)
    for (let writes = 0; account !== null; writes++) {
      const lacks = missing(account)
      if (Object.keys(lacks).length === 0) return account
      if (writes === maxWrites) break
      lost = undefined
      const outcome = await writeAccount(channel, id, lacks).catch((error: unknown) => {
        if (!mayPass(error)) throw error
        lost = error
      })
      if (outcome === "absent") return null
      account = await readAccount(channel, id)
    }
    if (lost !== undefined) throw lost
    return account
  }

  return (id, missing) => inTurn(id, () => change(id, missing))
}
