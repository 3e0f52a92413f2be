import type { Report } from "../events.js"
import type { KeptRevocation } from "./revocation.js"

/** The option `shared`: what several processes tell each other of ended sessions; `keycloak-gate/redis` makes one. */
export interface SharedRevocations {
  /** Called once by `createGate`; nothing is asked of anybody within the call. */
  readonly join: (gate: SharingGate) => SharedStore
}

/** What the store beside the process sees of a gate. */
export interface SharingGate {
  readonly issuer: string
  /**
   * Takes what another process has told, and tells it to nobody. `"pushed"`: it was revoked just now, so it also counts
   * where the same is in force. `"read"`: it was read back, after a reconnect for one.
   */
  readonly take: (kept: KeptRevocation, how: "pushed" | "read") => void
  /** All that is in force here, to be written back; read lazily, so that it can be taken in portions. */
  readonly all: () => Iterable<KeptRevocation>
  readonly report: Report
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that is never set back. */
  readonly elapsed: () => number
}

/** A store that has joined a gate. */
export interface SharedStore {
  /**
   * Has other processes know this. Resolves once that is written, and after 500 ms whatever has become of it: then it is
   * written later. Called again with a later `until` for what is kept longer.
   *
   * @throws {GateError} `store_unavailable` where it could not be written in time, with `failClosed` only
   */
  readonly publish: (kept: KeptRevocation) => Promise<void>
  /**
   * Marks a logout token, and says whether no other process had marked it; true also where nobody could say within 500 ms.
   * `until`: seconds since 1970.
   */
  readonly markLogoutToken: (jti: string, until: number) => Promise<boolean>
  /** All that is in force is kept longer now: to be written anew from `all()`. */
  readonly prolonged: () => void
  /** False while requests are to be refused, with `failClosed`; on the path of every request. */
  readonly isUsable: () => boolean
  /** The error for requests while it is not usable. */
  readonly whyUnusable: () => Error
  /** For `gate.health()`. */
  readonly state: () => SharedState
  /** Ends what it holds open; nothing is told any more. */
  readonly close: () => void
}

/** How it stands with a store that is shared. */
export interface SharedState {
  /** Whether it answers, and all that is known is shared; `"unknown"` before the first answer. */
  readonly store: "up" | "down" | "unknown"
  /** When that began. */
  readonly since: Date | null
}
