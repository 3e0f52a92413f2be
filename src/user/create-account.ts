import { randomInt } from "node:crypto"
import { type GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import type { AccountName, Accounts, CreateOutcome, NewAccount } from "./accounts.js"

/** One account for one registration, or none, whatever happens to Keycloak's answers. */
export interface AccountCreation {
  /** @throws {GateError} `user_exists`, `registration_rejected`, `keycloak_unavailable`, `keycloak_refused_us` */
  readonly createAccount: (account: UnstampedAccount, name: AccountName) => Promise<CreatedAccount>
  readonly close: () => void
}

type UnstampedAccount = Omit<NewAccount, "createdTimestamp">

interface CreatedAccount {
  readonly id: string
  readonly createdTimestamp: number
}

export interface AccountCreationOptions {
  readonly accounts: Accounts
  readonly now: () => number
  readonly report: Report
}

interface Unsettled {
  readonly name: AccountName
  readonly stamps: readonly number[]
}

const stampSpreadMs = 60_000
const settleAfterSeconds = [1, 5, 30, 120, 600]

/**
 * Creates an account although an answer may get lost. A look-up after a lost answer proves nothing, since the account may
 * appear later; so the create is sent once more, as a fence: whichever of the two Keycloak executes first, the other one
 * finds the name taken. Each attempt carries a stamp of its own in `createdTimestamp`, which Keycloak keeps as sent and
 * which tells our account from one that somebody else has made in between.
 */
export function createAccountCreation({ accounts, now, report }: AccountCreationOptions): AccountCreation {
  const used = new Set<number>()
  const unsettled = new Map<string, Unsettled>()
  const timers = new Set<NodeJS.Timeout>()
  let isClosed = false

  /** Now minus a random part of a minute: losers of a race must not share the winner's millisecond. */
  function newStamp(): number {
    for (const stamp of used) if (stamp < now() - 2 * stampSpreadMs) used.delete(stamp)
    let stamp = now() - randomInt(stampSpreadMs)
    while (used.has(stamp)) stamp = now() - randomInt(stampSpreadMs)
    used.add(stamp)
    return stamp
  }

  async function attempt(
    account: UnstampedAccount,
    createdTimestamp: number,
  ): Promise<CreatedAccount | { lost: GateError }> {
    const outcome: CreateOutcome = await accounts.createAccount({ ...account, createdTimestamp })
    return "id" in outcome ? { id: outcome.id, createdTimestamp } : outcome
  }

  async function fence(account: UnstampedAccount, name: AccountName, firstStamp: number): Promise<CreatedAccount> {
    const secondStamp = newStamp()
    const stamps = [firstStamp, secondStamp]
    try {
      const second = await attempt(account, secondStamp)
      if ("id" in second) return second
      throw second.lost
    } catch (error) {
      if (!isGateError(error)) throw error
      if (error.code === "user_exists") return await ourOwn(name, stamps, error)
      if (error.code === "keycloak_unavailable") remember({ name, stamps }, error)
      throw error
    }
  }

  /** The account of this name if one of these stamps is on it. */
  async function ourOwn(name: AccountName, stamps: readonly number[], taken: GateError): Promise<CreatedAccount> {
    const found = await accounts.findAccount(name).catch((error: unknown) => {
      if (isGateError(error)) remember({ name, stamps }, error)
      throw error
    })
    if (found === null || !stamps.includes(found.createdTimestamp)) throw taken
    return found
  }

  /** What could not be settled now is looked at again, in this process, until it is gone or has never come. */
  function remember(entry: Unsettled, error: GateError): void {
    unsettled.set(keyOf(entry.name), entry)
    report({ type: "registration_unsettled", error })
    settleLater(entry, 0)
  }

  function settleLater(entry: Unsettled, round: number): void {
    const seconds = settleAfterSeconds[round]
    if (isClosed || unsettled.get(keyOf(entry.name)) !== entry) return
    if (seconds === undefined) {
      unsettled.delete(keyOf(entry.name))
      report({ type: "registration_settled", outcome: "absent" })
      return
    }
    const timer = setTimeout(() => {
      timers.delete(timer)
      // Keycloak may still be down, which the next round finds out.
      removeLeftover(entry)
        .catch(() => false)
        .then(isRemoved => isRemoved || settleLater(entry, round + 1))
    }, seconds * 1000)
    timers.add(timer.unref())
  }

  /** Deletes what a registration that failed has left behind; never by name, only under one of its stamps. */
  async function removeLeftover(entry: Unsettled): Promise<boolean> {
    const found = await accounts.findAccount(entry.name)
    if (found === null || !entry.stamps.includes(found.createdTimestamp)) return false
    await accounts.deleteAccount(found.id)
    if (unsettled.get(keyOf(entry.name)) === entry) unsettled.delete(keyOf(entry.name))
    report({ type: "registration_settled", outcome: "removed" })
    return true
  }

  async function createOnce(account: UnstampedAccount, name: AccountName): Promise<CreatedAccount> {
    const stamp = newStamp()
    const first = await attempt(account, stamp)
    return "id" in first ? first : await fence(account, name, stamp)
  }

  return {
    async createAccount(account, name) {
      try {
        return await createOnce(account, name)
      } catch (error) {
        const leftover = unsettled.get(keyOf(name))
        const isTaken = isGateError(error) && error.code === "user_exists"
        if (!isTaken || leftover === undefined || !(await removeLeftover(leftover))) throw error
        return await createOnce(account, name)
      }
    },
    close() {
      isClosed = true
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function keyOf(name: AccountName): string {
  return JSON.stringify(name)
}
