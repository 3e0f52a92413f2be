import { connectMs, type OpenConnection } from "./connection.js"

/** What is used of a client of `ioredis`, the same in its versions 5 and 6. */
export interface IoRedis {
  readonly duplicate: (overrides: object) => IoRedis
  readonly connect: () => Promise<unknown>
  readonly call: (name: string, ...given: readonly string[]) => Promise<unknown>
  readonly subscribe: (...channels: readonly string[]) => Promise<unknown>
  readonly on: (event: string, listener: (one: string, other: string) => void) => unknown
  readonly disconnect: () => void
  readonly stream?: { readonly unref?: () => void } | null
}

const never = (): null => null

export function ioRedisConnection(client: IoRedis): OpenConnection {
  return ended => {
    const own = client.duplicate({
      lazyConnect: true,
      connectTimeout: connectMs,
      retryStrategy: never,
      sentinelRetryStrategy: never,
      reconnectOnError: null,
      // What can't be sent at once is not to be sent later: by then there is another connection.
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
    })
    own.on("error", ended)
    own.on("close", () => ended(new Error("closed")))
    own.on("connect", () => own.stream?.unref?.())
    return {
      ready: own.connect(),
      send: ([name = "", ...given]) => own.call(name, ...given),
      subscribe(channels, hear) {
        own.on("message", hear)
        return own.subscribe(...channels)
      },
      end: () => own.disconnect(),
    }
  }
}
