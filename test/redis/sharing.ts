import type { GateEvent } from "../../src/index.js"
import { type RedisSharedOptions, redisShared } from "../../src/redis/redis-shared.js"
import type { KeptRevocation, Revocation } from "../../src/sessions/revocation.js"
import type { SharedStore } from "../../src/sessions/shared.js"
import type { AppClient } from "./clients.ts"

/** What a process knows of ended sessions, and shares; without a gate. */
export interface Sharing {
  readonly store: SharedStore
  /** Ends a session here. */
  readonly end: (session: string, until?: number) => Promise<void>
  readonly knows: (session: string) => boolean
  readonly known: () => readonly KeptRevocation[]
  /** How it came here. */
  readonly howOf: (session: string) => "own" | "pushed" | "read" | undefined
  readonly events: readonly GateEvent[]
  readonly add: (revocation: Revocation, until: number) => KeptRevocation
}

export const issuer = "https://sso.example.test/realms/shop"
export const inAnHour = (): number => Math.ceil(Date.now() / 1000) + 3600

export function share(app: Pick<AppClient, "client">, options?: RedisSharedOptions, of: string = issuer): Sharing {
  const known = new Map<string, KeptRevocation & { how: "own" | "pushed" | "read" }>()
  const events: GateEvent[] = []
  const keyOf = (revocation: Revocation) => JSON.stringify(revocation)
  function add(revocation: Revocation, until: number, how: "own" | "pushed" | "read" = "own"): KeptRevocation {
    const kept = { revocation, until }
    known.set(keyOf(revocation), { ...kept, how })
    return kept
  }
  const store = redisShared(app.client, options).join({
    issuer: of,
    take: ({ revocation, until }, how) => void add(revocation, until, how),
    all: () => known.values(),
    report: event => events.push(event),
    now: () => Date.now(),
    elapsed: () => performance.now(),
  })
  const ofSession = (session: string) => known.get(keyOf({ kind: "session", issuer: of, session }))
  return {
    store,
    events,
    add,
    end: (session, until = inAnHour()) => store.publish(add({ kind: "session", issuer: of, session }, until)),
    knows: session => ofSession(session) !== undefined,
    known: () => [...known.values()].map(({ revocation, until }) => ({ revocation, until })),
    howOf: session => ofSession(session)?.how,
  }
}
