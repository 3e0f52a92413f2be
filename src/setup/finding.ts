import type { Seen } from "./seen.js"

/**
 * `broken`: something that the library does can't work. `warning`: it works, and somebody will be sorry. `note`: worth
 * knowing.
 */
export type Severity = "broken" | "warning" | "note"

/**
 * What one has to hold to see a finding: nothing, the client's secret, `manage-users` for its service account, the
 * permission to register a throw-away person, or an administrator's login. An administrator sees what the others see.
 */
export type Rights = "none" | "client" | "manage-users" | "probe" | "administrator"

/** What an application does with its gate. */
export type Use = "verifyBearer" | "loginWithPassword" | "registerUser"

/** One thing that can be wrong in the set-up. */
export interface Finding {
  readonly id: string
  readonly severity: Severity
  /** The least that shows it. */
  readonly rights: Rights
  /** The uses that it concerns; default: all. */
  readonly concerns?: readonly Use[]
  /** Keycloak is not there: whoever waits for `ready()` may try again. */
  readonly isOutage?: true
  /** Whether it is there, as far as can be seen. */
  readonly look: (seen: Seen) => boolean
  readonly what: Sentence
  readonly why: Sentence
  /** What to click or to set. */
  readonly mend: Sentence
}

export type Sentence = string | ((seen: Seen) => string)

/** A finding as it is told. */
export interface ToldFinding {
  /** Stable: scripts may go by it. */
  readonly id: string
  readonly severity: Severity
  readonly what: string
  readonly why: string
  readonly mend: string
}

export function tell({ id, severity, what, why, mend }: Finding, seen: Seen): ToldFinding {
  const [said, because, mended] = [what, why, mend].map(one => sentence(one, seen)) as [string, string, string]
  return Object.freeze({ id, severity, what: said, why: because, mend: mended })
}

export function sentence(one: Sentence, seen: Seen): string {
  return typeof one === "string" ? one : one(seen)
}
