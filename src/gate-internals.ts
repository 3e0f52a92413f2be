import type { AdoptionParts } from "./adoption/adoption-parts.js"
import type { TakeLogoutToken } from "./sessions/backchannel-logout.js"
import type { SyncUsersSteps } from "./users/sync/sync-run.js"
import type { Principal } from "./verify/principal.js"
import type { Recall, VerifyBearer } from "./verify/verify-bearer.js"

/** What adapters, `syncUsers` and `importUsers` need of a gate beside its public members. */
export interface GateInternals<User> {
  /** The gate's own: only where this is what an application calls, a principal may be recalled in its place. */
  readonly verifyBearer: VerifyBearer<User>
  readonly recall: Recall<User>
  /** Hears of what a guard refuses, as the gate does of what it refuses itself. */
  readonly report: (error: unknown) => void
  readonly clientId: string
  readonly takeLogoutToken: TakeLogoutToken
  /** null: the gate keeps no users. */
  readonly sync: SyncUsersSteps<User> | null
  /** null: the gate keeps no users. A function, so that whoever inspects a gate sees no connection, and no secret. */
  readonly adoption: () => AdoptionParts<User> | null
}

// Registered, because an application that mixes CommonJS and ES modules loads this file twice.
export const internalsKey: unique symbol = Symbol.for("keycloak-gate.internals")

/** The internals of a gate that `createGate` made, or of a copy of one; null for anything else. */
export function gateInternals<User>(gate: unknown): GateInternals<User> | null {
  return (gate as { readonly [internalsKey]?: GateInternals<User> } | null | undefined)?.[internalsKey] ?? null
}

/** What `verifyBearer` would answer at once; null also where something else stands in its place, which is to be asked. */
export function recallBy<User>(
  gate: { readonly verifyBearer: unknown },
  authorization: unknown,
): Principal<User> | null {
  const internals = gateInternals<User>(gate)
  return internals !== null && internals.verifyBearer === gate.verifyBearer ? internals.recall(authorization) : null
}
