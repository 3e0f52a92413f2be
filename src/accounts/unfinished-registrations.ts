import { GateError, isGateError } from "../errors.js"
import type { Report } from "../events.js"
import type { AccountName, FoundAccount } from "./keycloak/account.js"
import type { Unfinished } from "./unfinished.js"

/**
 * Registrations whose account exists, or may exist, although they failed: finished when Keycloak answers again.
 *
 * Forward, never backward: a person may have logged in to the account meanwhile, and nothing in Keycloak could prove that
 * nobody did. So nothing here deletes anything, and an account that is gone, renamed or somebody else's is left alone.
 */
export interface UnfinishedRegistrations {
  readonly add: (registration: UnfinishedRegistration, error: GateError) => void
}

export interface UnfinishedRegistration {
  readonly name: AccountName
  /** Null: only the stamps tell whether there is an account. */
  readonly subject: string | null
  /** The account's `createdTimestamp` is one of these. */
  readonly stamps: readonly number[]
  /** What is to be done for the account, in this order. */
  readonly missing: readonly Missing[]
}

export interface Missing {
  readonly what: "realm roles" | "row" | "verification mail"
  /** Doing it twice is doing it once. */
  readonly make: (account: FoundAccount) => Promise<unknown>
}

export interface UnfinishedRegistrationsParts {
  readonly queue: Unfinished
  readonly findAccount: (by: AccountName) => Promise<FoundAccount | null>
  readonly report: Report
}

interface Entry {
  readonly name: AccountName
  readonly stamps: readonly number[]
  subject: string | null
  missing: readonly Missing[]
  /** Why it is not finished yet. */
  cause: unknown
  /** What becomes of it is told once. */
  isTold: boolean
}

export function createUnfinishedRegistrations(parts: UnfinishedRegistrationsParts): UnfinishedRegistrations {
  const { queue, findAccount, report } = parts

  async function look(entry: Entry): Promise<boolean> {
    const found = await findAccount(entry.name).catch((error: unknown) => {
      entry.cause = error
      throw error
    })
    if (found === null && entry.subject === null) return false
    if (found === null || !isOf(entry, found)) return settle(entry, "absent")
    entry.subject = found.id
    return finish(entry, found)
  }

  async function finish(entry: Entry, account: FoundAccount): Promise<boolean> {
    const missing: Missing[] = []
    for (const one of entry.missing) {
      try {
        await one.make(account)
      } catch (error) {
        entry.cause = error
        missing.push(one)
      }
    }
    entry.missing = missing
    return missing.length === 0 && settle(entry, "finished")
  }

  function settle(entry: Entry, outcome: "finished" | "absent"): true {
    if (!entry.isTold) report({ type: "registration_settled", outcome, subject: entry.subject })
    entry.isTold = true
    return true
  }

  function abandon(entry: Entry): void {
    const { subject, cause } = entry
    const code = isGateError(cause) && cause.code === "keycloak_refused_us" ? cause.code : "keycloak_unavailable"
    const error = new GateError(code, abandoned(entry), { cause })
    entry.isTold = true
    report({ type: "registration_settled", outcome: "abandoned", subject, error })
  }

  return {
    add(registration, error) {
      const entry: Entry = { ...registration, cause: error, isTold: false }
      const isAdded = queue.add({
        goOn: () => look(entry),
        giveUp: isTriedOut => void (isTriedOut && entry.subject === null ? settle(entry, "absent") : abandon(entry)),
      })
      if (isAdded) report({ type: "registration_unsettled", subject: entry.subject, error })
    },
  }
}

function isOf({ subject, stamps }: Entry, { id, createdTimestamp }: FoundAccount): boolean {
  return subject === null ? stamps.includes(createdTimestamp) : subject === id
}

/** Names the account without naming the person. */
function abandoned({ subject, stamps, missing }: Entry): string {
  const lacks = missing.map(({ what }) => what).join(", ")
  return subject === null
    ? "A registration was not finished, because Keycloak's answers were lost and it could not be asked again. " +
        `If there is an account with the \`createdTimestamp\` ${stamps.join(" or ")}, it may lack: ${lacks}.`
    : `The registration of account ${subject} was not finished. If the account still exists, it may lack: ${lacks}.`
}
