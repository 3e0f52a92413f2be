import type { AdminApi } from "../../keycloak/admin-api.js"
import { lacksViewEvents } from "../../keycloak/set-up-errors.js"
import type { KeycloakEvent } from "./event-meaning.js"

/** One of Keycloak's two lists of events, from a moment on. */
export interface EventLog {
  /** What is new since the last time, oldest first where Keycloak lists it so; some of it for the second time, after a failure. */
  readonly readOn: () => AsyncGenerator<KeycloakEvent>
  /** All that was read until now is done. */
  readonly done: () => void
}

export interface EventLogParts {
  readonly api: AdminApi
  /** `/events` or `/admin-events`, with what is asked for. */
  readonly path: string
  readonly read: (data: unknown) => KeycloakEvent | null
  /** Milliseconds since 1970, by Keycloak's clock. */
  readonly from: number
}

const page = 100
// Should Keycloak remove old ones meanwhile, the others move up.
const overlap = 10
const maxReading = 10_000
// An event has the time of its request, and is seen when that is done.
const lateMs = 10_000
const maxDone = 50_000

/**
 * Events have no order within a millisecond, and may be seen late. So each reading begins a while before the newest one of the
 * last, and leaves out those that were done.
 */
export function createEventLog({ api, path, read, from }: EventLogParts): EventLog {
  let newest = from
  const done = new Map<string, number>()
  /** Read, and not yet done. */
  let reading = new Map<string, number>()

  return {
    async *readOn() {
      reading = new Map()
      const since = Math.max(from, newest - lateMs)
      for (let at = 0; reading.size < maxReading; at++) {
        const query = `dateFrom=${since}&direction=asc&first=${at * (page - overlap)}&max=${page}`
        const listed = await api.read(`${path}&${query}`, toListOf(read), lacksViewEvents)
        if (listed === null) throw api.notKeycloak()
        for (const event of listed) {
          if (done.has(event.id) || reading.has(event.id)) continue
          reading.set(event.id, event.time)
          yield event
        }
        if (listed.length < page) return
      }
    },
    done() {
      for (const [id, time] of reading) {
        done.set(id, time)
        newest = Math.max(newest, time)
      }
      reading = new Map()
      for (const [id, time] of done) {
        if (time >= newest - lateMs && done.size <= maxDone) continue
        done.delete(id)
      }
    },
  }
}

function toListOf(read: EventLogParts["read"]) {
  return (data: unknown): readonly KeycloakEvent[] | null => {
    const events = Array.isArray(data) ? data.map(read) : [null]
    return events.every(event => event !== null) ? events : null
  }
}
