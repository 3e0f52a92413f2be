import { randomInt } from "node:crypto"
import { type GateError, isGateError } from "../errors.js"
import type { AccountName, FoundAccount } from "./keycloak/account.js"
import type { CreateOutcome, NewAccount } from "./keycloak/create.js"

/**
 * One account for one registration, or none, whatever happens to Keycloak's answers.
 *
 * @throws {GateError} `user_exists`, `account_rejected`, `keycloak_unavailable`, `keycloak_refused_us`: none was made
 */
export type CreateAccount = (account: UnstampedAccount, name: AccountName) => Promise<Creation>

type UnstampedAccount = Omit<NewAccount, "createdTimestamp">

/** Lost: there may be an account, and one of these stamps is on it then. */
type Creation =
  | { readonly id: string; readonly createdTimestamp: number }
  | { readonly lost: GateError; readonly stamps: readonly number[] }

export interface CreateAccountParts {
  readonly createAccount: (account: NewAccount) => Promise<CreateOutcome>
  readonly findAccount: (by: AccountName) => Promise<FoundAccount | null>
  /** Milliseconds since 1970, by Keycloak's clock. */
  readonly keycloakTime: () => number
}

const stampSpreadMs = 60_000
// More than Keycloak creates in the time over which stamps are spread.
const rememberedStamps = 20_000

/**
 * Creates an account although an answer may get lost. A look-up after a lost answer proves nothing, since the account may
 * appear later; so the create is sent once more, as a fence: whichever of the two Keycloak executes first, the other one
 * finds the name taken. Each attempt carries a stamp of its own in `createdTimestamp`, which Keycloak keeps as sent and
 * which tells our account from one that somebody else has made in between.
 */
export function createCreateAccount({ createAccount, findAccount, keycloakTime }: CreateAccountParts): CreateAccount {
  const used = new Set<number>()

  /**
   * Keycloak's time minus a random part of a minute: losers of a race must not share the winner's millisecond. It dates the
   * row too, so it must not be ahead of the tokens that Keycloak issues next.
   */
  function newStamp(): number {
    const draw = () => Math.floor(keycloakTime()) - randomInt(stampSpreadMs)
    let stamp = draw()
    while (used.has(stamp)) stamp = draw()
    used.add(stamp)
    const [oldest = stamp] = used
    if (used.size > rememberedStamps) used.delete(oldest)
    return stamp
  }

  async function attempt(account: UnstampedAccount, createdTimestamp: number): Promise<Creation> {
    const outcome = await createAccount({ ...account, createdTimestamp })
    return "id" in outcome ? { id: outcome.id, createdTimestamp } : { ...outcome, stamps: [createdTimestamp] }
  }

  return async (account, name) => {
    const first = await attempt(account, newStamp())
    if ("id" in first) return first
    const fence = newStamp()
    const stamps = [...first.stamps, fence]
    // Whatever is said to the second create or to the look-up, the first may have done its work.
    const lost = (error: unknown): Creation => {
      if (!isGateError(error)) throw error
      return { lost: error, stamps }
    }
    try {
      const second = await attempt(account, fence)
      return "id" in second ? second : { ...second, stamps }
    } catch (error) {
      if (!isGateError(error) || error.code !== "user_exists") return lost(error)
      const found = await findAccount(name).catch(lost)
      if (found !== null && "lost" in found) return found
      if (found === null || !stamps.includes(found.createdTimestamp)) throw error
      return found
    }
  }
}
