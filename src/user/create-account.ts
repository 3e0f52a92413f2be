import { randomInt } from "node:crypto"
import { type GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import type { AccountName, Accounts, CreateOutcome, NewAccount } from "./accounts.js"

/** One account for one registration, or none, whatever happens to Keycloak's answers. */
export interface AccountCreation {
  /** @throws {GateError} `user_exists`, `registration_rejected`, `keycloak_unavailable`, `keycloak_refused_us` */
  readonly createAccount: (account: UnstampedAccount, name: AccountName) => Promise<CreatedAccount>
  /** Takes note of an account whose registration failed and that could not be deleted. */
  readonly leave: (leftover: Leftover, error: GateError) => void
  readonly close: () => void
}

type UnstampedAccount = Omit<NewAccount, "createdTimestamp">

interface CreatedAccount {
  readonly id: string
  readonly createdTimestamp: number
}

/** An account that may exist although its registration failed. */
export interface Leftover {
  readonly name: AccountName
  readonly stamps: readonly number[]
  /** Complete but for its row, which its first login would make: it goes only when its name is registered again. */
  readonly isComplete: boolean
}

export interface AccountCreationOptions {
  readonly accounts: Accounts
  /** Removes an account and its row. */
  readonly undo: (id: string) => Promise<void>
  readonly now: () => number
  readonly report: Report
}

const stampSpreadMs = 60_000
const settleAfterSeconds = [1, 5, 30, 120, 600]

/**
 * Creates an account although an answer may get lost. A look-up after a lost answer proves nothing, since the account may
 * appear later; so the create is sent once more, as a fence: whichever of the two Keycloak executes first, the other one
 * finds the name taken. Each attempt carries a stamp of its own in `createdTimestamp`, which Keycloak keeps as sent and
 * which tells our account from one that somebody else has made in between.
 */
export function createAccountCreation({ accounts, undo, now, report }: AccountCreationOptions): AccountCreation {
  const used = new Set<number>()
  const leftovers = new Map<string, Leftover>()
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

  async function createOnce(account: UnstampedAccount, name: AccountName): Promise<CreatedAccount> {
    const stamp = newStamp()
    const first = await attempt(account, stamp)
    return "id" in first ? first : await fence(account, name, stamp)
  }

  async function fence(account: UnstampedAccount, name: AccountName, firstStamp: number): Promise<CreatedAccount> {
    const secondStamp = newStamp()
    const stamps = [firstStamp, secondStamp]
    try {
      const second = await attempt(account, secondStamp)
      if ("id" in second) return second
      throw second.lost
    } catch (error) {
      if (isGateError(error) && error.code === "user_exists") return await ourOwn(name, stamps, error)
      // Whatever is said to the second create, the first may have done its work.
      if (isGateError(error)) leave({ name, stamps, isComplete: false }, error)
      throw error
    }
  }

  /** The account of this name if one of these stamps is on it. */
  async function ourOwn(name: AccountName, stamps: readonly number[], taken: GateError): Promise<CreatedAccount> {
    const found = await accounts.findAccount(name).catch((error: unknown) => {
      if (isGateError(error)) leave({ name, stamps, isComplete: false }, error)
      throw error
    })
    if (found === null || !stamps.includes(found.createdTimestamp)) throw taken
    return found
  }

  function leave(leftover: Leftover, error: GateError): void {
    if (isClosed) return
    const before = leftovers.get(keyOf(leftover.name))
    const both =
      before === undefined
        ? leftover
        : {
            ...leftover,
            stamps: [...before.stamps, ...leftover.stamps],
            isComplete: before.isComplete && leftover.isComplete,
          }
    leftovers.set(keyOf(both.name), both)
    report({ type: "registration_unsettled", error })
    settleLater(both, 0)
  }

  /** What could not be settled now is looked at again, in this process, until it is gone or has never come. */
  function settleLater(leftover: Leftover, round: number): void {
    const seconds = settleAfterSeconds[round]
    if (isClosed || leftovers.get(keyOf(leftover.name)) !== leftover) return
    if (seconds === undefined) {
      leftovers.delete(keyOf(leftover.name))
      report({ type: "registration_settled", outcome: leftover.isComplete ? "kept" : "absent" })
      return
    }
    const timer = setTimeout(() => {
      timers.delete(timer)
      if (leftover.isComplete) return settleLater(leftover, round + 1)
      removeLeftover(leftover).then(
        outcome => (outcome === "absent" || outcome === "foreign") && settleLater(leftover, round + 1),
        // Keycloak is still down, which tells nothing about the account.
        () => settleLater(leftover, Math.max(round, 2)),
      )
    }, seconds * 1000)
    timers.add(timer.unref())
  }

  /**
   * Removes what a registration that failed has left behind; never by name, only under one of its stamps. An account that
   * somebody is logged in to has become theirs.
   */
  async function removeLeftover(leftover: Leftover): Promise<"removed" | "kept" | "absent" | "foreign"> {
    const found = await accounts.findAccount(leftover.name)
    if (found === null) return "absent"
    if (!leftover.stamps.includes(found.createdTimestamp)) return "foreign"
    const outcome = (await accounts.hasSessions(found.id)) ? "kept" : "removed"
    if (outcome === "removed") await undo(found.id)
    if (leftovers.get(keyOf(leftover.name)) === leftover) leftovers.delete(keyOf(leftover.name))
    report({ type: "registration_settled", outcome })
    return outcome
  }

  return {
    async createAccount(account, name) {
      try {
        return await createOnce(account, name)
      } catch (error) {
        const leftover = leftovers.get(keyOf(name))
        const isTaken = isGateError(error) && error.code === "user_exists"
        if (!isTaken || leftover === undefined) throw error
        const outcome = await removeLeftover(leftover)
        if (outcome === "kept" || outcome === "foreign") throw error
        return await createOnce(account, name)
      }
    },
    leave,
    close() {
      isClosed = true
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function keyOf(name: AccountName): string {
  return JSON.stringify(name)
}
