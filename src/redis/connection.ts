/** A connection to Redis of our own. It does not mend itself: whoever loses it opens another one. */
export interface RedisConnection {
  readonly ready: Promise<unknown>
  /** The name of a command and its arguments; the answer as the client hands it over. */
  readonly send: (command: readonly string[]) => Promise<unknown>
  readonly subscribe: (channels: readonly string[], hear: Hear) => Promise<unknown>
  readonly end: () => void
}

export type Hear = (channel: string, message: string) => void

/** `ended` hears, perhaps more than once, that the connection is of no use any more. */
export type OpenConnection = (ended: (error: unknown) => void) => RedisConnection

/** How long a connection may take to be made. */
export const connectMs = 5000
