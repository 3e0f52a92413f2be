import type { AccountChange, AccountLife, StoredAccount } from "./account-life.js"

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
 * process, and each is read back and repeated if another process has undone it.
 */
export function createAccountChange(life: Pick<AccountLife, "readAccount" | "writeAccount">): ChangeAccount {
  const waiting = new Map<string, Promise<unknown>>()

  async function change(id: string, missing: (account: StoredAccount) => AccountChange) {
    let account = await life.readAccount(id)
    for (let writes = 0; writes < maxWrites && account !== null; writes++) {
      const lacks = missing(account)
      if (Object.keys(lacks).length === 0) return account
      if (!(await life.writeAccount(id, lacks))) return null
      account = await life.readAccount(id)
    }
    return account
  }

  return (id, missing) => {
    const turn = (waiting.get(id) ?? Promise.resolve()).then(() => change(id, missing))
    const over = turn.then(
      () => undefined,
      () => undefined,
    )
    waiting.set(id, over)
    over.then(() => waiting.get(id) === over && waiting.delete(id))
    return turn
  }
}
