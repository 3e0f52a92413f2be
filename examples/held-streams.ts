import { randomUUID } from "node:crypto"
import { type Gate, GateError, type Hold } from "keycloak-gate"

/** A stream of answers that lives as long as its token. */
export interface HeldStream {
  /** With this, another request can bring a newer token. */
  readonly id: string
  readonly hold: Hold<unknown>
  /** Aborted with the reason, when the hold ends. */
  readonly ended: AbortSignal
}

/** Holds of streams in which callers can send nothing: their newer tokens come in requests of their own. */
export function createHeldStreams(gate: Gate<unknown>): {
  /** `closed` is aborted when the caller is gone. */
  open(token: string, closed: AbortSignal): Promise<HeldStream>
  renew(id: string, token: string): Promise<void>
} {
  const holds = new Map<string, Hold<unknown>>()
  return {
    async open(token, closed) {
      const end = new AbortController()
      const hold = await gate.hold(token, { onEnd: reason => end.abort(reason) })
      const id = randomUUID()
      holds.set(id, hold)
      function letGo(): void {
        hold.close()
        holds.delete(id)
      }
      closed.addEventListener("abort", letGo)
      end.signal.addEventListener("abort", letGo)
      if (closed.aborted) letGo()
      return { id, hold, ended: end.signal }
    },
    async renew(id, token) {
      const hold = holds.get(id)
      if (hold === undefined) throw new GateError("session_ended", "There is no such stream any more.")
      await hold.renew(token)
    },
  }
}
