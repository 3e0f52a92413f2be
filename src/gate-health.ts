import type { Accounts } from "./accounts/accounts.js"
import type { Connection } from "./keycloak/connection.js"
import type { Sessions } from "./sessions/sessions.js"
import type { SharedState } from "./sessions/shared.js"
import type { Bearers } from "./verify/bearers.js"
import type { Verification } from "./verify/verification.js"

/** How it stands with Keycloak, as far as the gate knows. */
export interface Health {
  /** Whether Keycloak answered of late; `"unknown"` before anything was asked. */
  readonly keycloak: "up" | "down" | "unknown"
  /** When that began. */
  readonly since: Date | null
  /** The keys that tokens are verified with, and how long they are of use if none follow; null before the first ones. */
  readonly keys: { readonly ageSeconds: number; readonly usableForSeconds: number } | null
  /** How many registrations failed half-way and are still to be finished. */
  readonly unfinished: number
  /** How many questions about tokens wait for their turn: those of `recheckSeconds`, and those about holds. */
  readonly recheckBacklog: number
  /** `shared`: whether Redis answers, and since when; null without. */
  readonly shared: SharedState | null
}

export interface HealthParts {
  readonly connection: Pick<Connection, "reachability">
  readonly verification: Pick<Verification, "keys" | "backlog">
  readonly bearers: Pick<Bearers<unknown>, "backlog">
  readonly accounts: Pick<Accounts<unknown>, "unfinished">
  readonly sessions: Pick<Sessions, "shared">
}

/** Each wing knows its own. */
export function healthOf({ connection, verification, bearers, accounts, sessions }: HealthParts): Health {
  return {
    ...connection.reachability.state(),
    keys: verification.keys.state(),
    unfinished: accounts.unfinished(),
    recheckBacklog: verification.backlog() + bearers.backlog(),
    shared: sessions.shared(),
  }
}
