import { connectMs, type Hear, type OpenConnection, type RedisConnection } from "./connection.js"
import type { Send } from "./revoked-set.js"
import { createWaits, type Waits } from "./waits.js"

/** Two connections of our own to one Redis, one of which only listens: Redis' older protocol takes no commands there. */
export interface Link {
  /** Connects and subscribes. */
  readonly begin: (channels: readonly string[], hear: Hear) => Promise<void>
  /** Fails when Redis has not answered in time. */
  readonly send: Send
  readonly waits: Waits
  readonly end: (why?: unknown) => void
}

const answerMs = 3000

export function createLink(open: OpenConnection): Link {
  const waits = createWaits()
  const connections: RedisConnection[] = []
  let speaking: RedisConnection | null = null
  let isOver = false

  function end(why: unknown = new Error("closed")): void {
    if (isOver) return
    isOver = true
    waits.endAll(why)
    for (const connection of connections) connection.end()
  }

  function connect(): RedisConnection {
    const connection = open(end)
    connections.push(connection)
    return connection
  }

  return {
    async begin(channels, hear) {
      const listening = connect()
      speaking = connect()
      await waits.within(connectMs, Promise.all([speaking.ready, listening.ready]))
      await waits.within(answerMs, listening.subscribe(channels, hear))
    },
    async send(command) {
      if (speaking === null) throw new Error("not connected yet")
      return waits.within(answerMs, speaking.send(command))
    },
    waits,
    end,
  }
}
