import { connectMs, type OpenConnection } from "./connection.js"

/** What is used of a client of `redis`, the same in its versions 4, 5 and 6. */
export interface NodeRedis {
  readonly isOpen: boolean
  readonly options?: { readonly socket?: object }
  readonly duplicate: (overrides: object) => NodeRedis
  readonly connect: () => Promise<unknown>
  readonly sendCommand: (command: readonly string[]) => Promise<unknown>
  readonly subscribe: (channel: string, hear: (message: string, channel: string) => void) => Promise<unknown>
  readonly on: (event: string, listener: (error?: unknown) => void) => unknown
  readonly unref?: () => void
  /** Of version 4; those after it have `destroy`. */
  readonly disconnect?: () => Promise<unknown>
  readonly destroy?: () => void
}

export function nodeRedisConnection(client: NodeRedis): OpenConnection {
  return ended => {
    const own = client.duplicate({
      socket: {
        ...client.options?.socket,
        connectTimeout: connectMs,
        reconnectStrategy: (_tries: number, cause: unknown) => (cause instanceof Error ? cause : new Error("gone")),
      },
      // What can't be sent at once is not to be sent later: by then there is another connection.
      disableOfflineQueue: true,
      legacyMode: false,
      clientSideCache: undefined,
    })
    own.on("error", ended)
    own.on("end", ended)
    // Before it connects: version 4 goes on connecting after `disconnect`.
    own.unref?.()
    return {
      ready: own.connect(),
      send: command => own.sendCommand([...command]),
      subscribe: (channels, hear) =>
        Promise.all(channels.map(channel => own.subscribe(channel, (message, from) => hear(from, message)))),
      end() {
        if (!own.isOpen) return
        if (own.destroy !== undefined) own.destroy()
        else own.disconnect?.().catch(ended)
      },
    }
  }
}
